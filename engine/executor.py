"""The executor: runs one task of a plan, unless its output is there already.

The graph, the command line and exported DAGs all run plans through it. Every output has an address, so resuming,
retrying and repairing are one thing: do the tasks whose output is missing.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, TypeVar, assert_never

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from agent_etl.engine.addresses import Addresses
from agent_etl.engine.backfill import awaits, backfill, bounded, remaining, work
from agent_etl.engine.computation import computed
from agent_etl.engine.dag import Dag, kind
from agent_etl.engine.duck import attached, run
from agent_etl.engine.epochs import Epochs
from agent_etl.engine.errors import AgentEtlError, ReadError, SourceError, Transient, UsageError
from agent_etl.engine.faults import point
from agent_etl.engine.fusion import streamed
from agent_etl.engine.increments import carried, increments_of
from agent_etl.engine.interruption import check, pause
from agent_etl.engine.loading import Errand, Rows, load, loaded_before, moment, settle
from agent_etl.engine.manifest import Manifest
from agent_etl.engine.mirror import guard
from agent_etl.engine.observe.events import Kind, OnEvent, event
from agent_etl.engine.outcomes import loaded, made
from agent_etl.engine.packages import Packages
from agent_etl.engine.plan import Check, Extract, Load, Plan, Step, Transform
from agent_etl.engine.ports import Connections, Relation
from agent_etl.engine.quality import judge
from agent_etl.engine.quarantine import tolerate_check, tolerate_read
from agent_etl.engine.ranges import Range, Ranges, identity
from agent_etl.engine.settings import Settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore
from agent_etl.engine.stream import Stream
from agent_etl.engine.tasks import StepFailure, Task, TaskResult
from agent_etl.engine.watermark import Advance

__all__ = ["Executor"]

T = TypeVar("T")


class Executor:
    """Runs the tasks of one plan in one run. Many threads may run different tasks at once; close it at the end.

    Raises at making: PlanError, GuardError for a plan that cannot be run. Side effects: sweeps the stage.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        run_id: str,
        connections: Connections,
        stage: Stage,
        store: RunStore,
        settings: Settings,
        on_event: OnEvent | None = None,
        spans: Mapping[str, Range] | None = None,
    ) -> None:
        self._plan = plan
        self._dag = Dag(plan)
        self._run_id = run_id
        self._connections = connections
        self._store = store
        self._settings = settings
        self._on_event = on_event
        self._stage = stage
        self._whole = spans is None
        self._ranges = Ranges(plan.name, self._dag, run_id, connections, store, spans)
        self._addresses = Addresses(self._dag, run_id, connections, store, self._ranges)
        self._epochs = Epochs(run_id, connections, store)
        self._packages = Packages(
            self._dag,
            self._addresses,
            self._ranges,
            stage=stage,
            connections=connections,
            settings=settings,
            tell=lambda step, rows: self._tell("task_progress", step, rows=rows),
        )
        if self._whole:
            stage.sweep()

    def close(self) -> None:
        """Close the executor's DuckDB and remove what it spilled."""
        self._packages.close()

    def tasks(self) -> tuple[Task, ...]:
        """The plan's tasks, each after those that it needs."""
        return self._dag.tasks()

    def run(self, task: Task) -> TaskResult:
        """Do one task, or find that it is done. Transient failures are tried again, at most settings.max_retries times.

        Raises: AgentEtlError, recorded as the task's failure; KeyboardInterrupt when the run is to end (Interruption).
        Side effects: the task's output and its record.
        """
        check()
        step = self._step(task.name)
        self._epochs.note(self._plan.loads)
        self._tell("task_started", step.name, task=task.kind)
        begin = time.monotonic()
        try:
            result = self._retrying(step.name, lambda: self._do(step))
        except AgentEtlError as error:
            check()  # what was ended by an interruption has not failed
            failure = StepFailure.of(step.name, task.kind, error)
            with suppress(AgentEtlError):  # the task's own failure is the news, not that it could not be written down
                self._store.record_failure(self._run_id, failure)
            self._tell("task_failed", step.name, task=task.kind, code=error.code, message=error.message)
            raise
        result = replace(result, seconds=round(time.monotonic() - begin, 3))
        point("task.before_record")
        self._store.record_task(self._run_id, result)
        point("task.recorded")
        self._tell(
            "task_done",
            step.name,
            task=task.kind,
            rows=result.rows_out,
            reused=result.reused,
            seconds=result.seconds,
            fused=bool(result.detail.get("fused")),
        )
        return result

    def relation(self, step: str) -> Relation:
        """The rows of an extract or a transform, staged when they are not yet.

        Raises: UsageError for a step without output, and what making the output raises. Side effects: the package.
        """
        return self._packages.relation(self._step(step))

    def quarantined(self) -> Relation | None:
        """The rows that the steps have set aside so far (engine/deadletters.COLUMNS); None when there are none."""
        return self._packages.set_aside(self._run_id)

    # One task of each kind

    def _do(self, step: Step) -> TaskResult:
        if self._whole and awaits(self._dag, step):
            return TaskResult(step.name, kind(step), "", detail={"chunks": True})
        if isinstance(step, Extract):
            return self._extract(step)
        if isinstance(step, Transform):
            return self._transform(step)
        if isinstance(step, Check):
            return self._check(step)
        if isinstance(step, Load):
            return self._load(step)
        assert_never(step)

    def _extract(self, step: Extract) -> TaskResult:
        sealed = self._packages.sealed(step)
        if sealed is not None:
            tolerate_read(step, sealed)
            return self._read(step, sealed, reused=True)
        load = self._packages.fused_into(step)
        if load is None:
            manifest = self._packages.of(step)
            tolerate_read(step, manifest)
            return self._read(step, manifest)
        address = self._addresses.of(step.name)
        known = self._done(step.name, address)
        if known is not None or loaded_before(self._errand(load), self._connections[load.target], self._store):
            return known or TaskResult(step.name, "extract", address, reused=True, detail={"fused": True})
        self._packages.compare(step)
        return TaskResult(step.name, "extract", self._addresses.of(step.name), detail={"fused": True})

    def _read(self, step: Extract, manifest: Manifest, *, reused: bool = False) -> TaskResult:
        """What an extract did; of an incremental one also from where and up to where."""
        result = made(step.name, "extract", manifest, reused=reused)
        span = self._ranges.of(step)
        if span is None:
            return result
        column = next(column for column in manifest.columns if column.name.lower() == span.column.lower())
        told = span.told(column.type, self._packages.mark(step))
        return replace(result, detail={**result.detail, **told})

    def _transform(self, step: Transform) -> TaskResult:
        sealed = self._packages.sealed(step)
        return made(step.name, "transform", sealed or self._packages.of(step), reused=sealed is not None)

    def _check(self, step: Check) -> TaskResult:
        address = self._addresses.of(step.name)
        known = self._done(step.name, address)
        if known is not None:
            return known
        if step.severity == "quarantine":
            aside, judged = tolerate_check(step, self._packages.of(self._step(step.on)))
            detail: dict[str, Any] = {"severity": step.severity}
            return TaskResult(step.name, "check", address, judged, judged - aside, quarantined=aside, detail=detail)
        rows = self._packages.relation(self._step(step.on))
        with self._packages.cursor() as cursor, attached(cursor, rows) as select:
            try:
                verdict = judge(step, cursor, select, rows.columns)
            except ReadError as error:
                raise computed(error, step.name, step.sql or "") from error.__cause__
        if not verdict.holds:
            if step.severity == "fail":
                raise verdict.error(step)
            found = f"{verdict.failing} of {verdict.rows} rows"
            self._tell("finding", step.name, severity="note", code="check_warns", message=found)
        detail = {"failing": verdict.failing, "expected": verdict.expected, "severity": step.severity}
        return TaskResult(step.name, "check", address, verdict.rows, verdict.rows - verdict.failing, detail=detail)

    def _load(self, step: Load) -> TaskResult:
        origin = bounded(self._dag, step) if self._whole else None
        if origin is not None:
            return self._backfill(step, origin)
        connection = self._connections[step.target]
        errand = self._errand(step)
        already = loaded_before(errand, connection, self._store)
        if already is not None:
            sealed = self._packages.sealed(self._step(step.from_))
            given = sealed.rows if sealed else already.rows
            settle(errand, connection, self._store, given, (already, None, None))
            return loaded(errand, already, given)
        guard(connection, step.table, errand.load_id, step.mode, self._store)
        source = self._step(step.from_)
        if isinstance(source, Extract) and self._packages.fused_into(source) is not None:
            return self._load_fused(errand, source)
        manifest = self._packages.of(source)
        aside = self._packages.aside(step, self._run_id)
        rows = Rows(self._packages.relation(source), manifest.digest, aside, self._advances(step))
        outcome = load(errand, rows, connection)
        settle(errand, connection, self._store, manifest.rows, outcome, aside.count if aside else 0)
        return loaded(errand, outcome[0], manifest.rows)

    def _backfill(self, step: Load, origin: Extract) -> TaskResult:
        """Load a range that ends, one chunk after the other; the steps before it get the sums of what they did."""

        def chunk(span: Range) -> list[TaskResult]:
            with closing(self._part({origin.name: span})) as part:
                return [part._do(each) for each in work(self._dag, step)]

        left, done = remaining(self._plan.name, origin, step, self._connections)
        *others, result = backfill(step, left, done, chunk)
        for other in others:
            self._store.record_task(self._run_id, other)
        return result

    def _part(self, spans: Mapping[str, Range]) -> "Executor":
        """The same executor for a part of what an extract reads."""
        return Executor(
            self._plan,
            run_id=self._run_id,
            connections=self._connections,
            stage=self._stage,
            store=self._store,
            settings=self._settings,
            on_event=self._on_event,
            spans=spans,
        )

    def _advances(self, step: Load) -> tuple[Advance, ...]:
        """How far the incremental extracts have come that the load's rows are made of."""
        column = carried(self._dag, step) if step.mode == "append" else None
        return tuple(
            Advance(
                identity(self._plan.name, extract),
                self._packages.mark(extract),
                column,
                whole=extract.incremental is not None and extract.incremental.bounded,
            )
            for extract in increments_of(self._dag, step)
        )

    def _load_fused(self, errand: Errand, source: Extract) -> TaskResult:
        self._packages.compare(source)
        if self._addresses.of(errand.step.name) != errand.load_id:
            return self._load(errand.step)
        origin, connection = self._connections[source.source], self._connections[errand.step.target]
        stream = Stream(lambda rows: self._tell("task_progress", errand.step.name, rows=rows))
        with self._packages.cursor() as cursor:
            relation = streamed(source, origin.source(), stream, cursor)
            outcome = load(errand, Rows(relation, self._addresses.of(source.name)), connection)
            result = outcome[0]
            given = result.rows
            if relation.open is not None and not result.already:
                given = stream.rows
            elif relation.total is not None and not result.already:
                given = int(run(cursor, relation.total, step=source.name).fetchall()[0][0])
        settle(errand, connection, self._store, given, outcome)
        # A reader is one snapshot of its database; files may have been rewritten under a long read.
        if relation.sql is not None and not self._addresses.unchanged(source):
            raise SourceError(
                "The source changed while it was loaded",
                step=source.name,
                dataset=source.dataset,
                hint="start a new run; replace or merge makes the target right again",
            )
        address = self._addresses.of(source.name)
        read = TaskResult(source.name, "extract", address, rows_in=given, rows_out=given, detail={"fused": True})
        self._store.record_task(self._run_id, read)
        return loaded(errand, result, given, fused=True)

    # The rest

    def _step(self, name: str) -> Step:
        step = self._dag.steps.get(name)
        if step is None:
            raise UsageError("The plan has no such step", step=name, valid=sorted(self._dag.steps))
        return step

    def _errand(self, step: Load) -> Errand:
        load_id = self._addresses.of(step.name)
        at = moment(step, load_id, self._run_id, self._store)
        return Errand(step, load_id, self._run_id, self._plan.hash, self._epochs.seen(step), at)

    def _done(self, name: str, address: str) -> TaskResult | None:
        """What this run has recorded of the task, when that was for the same address."""
        task = self._store.task(self._run_id, name)
        if task is None or task.result is None or task.result.fingerprint != address:
            return None
        return replace(task.result, reused=True)

    def _retrying(self, step: str, do: Callable[[], T]) -> T:
        def told(state: RetryCallState) -> None:
            check()
            error = state.outcome.exception() if state.outcome else None
            code = error.code if isinstance(error, AgentEtlError) else "unknown"
            self._store.audit(
                self._run_id, "executor", "retry", {"step": step, "code": code, "n": state.attempt_number}
            )
            self._tell("task_progress", step, retry=state.attempt_number, code=code)

        retrying = Retrying(
            stop=stop_after_attempt(1 + self._settings.max_retries),
            wait=wait_random_exponential(multiplier=0.2, max=10),
            retry=retry_if_exception_type(Transient),
            before_sleep=told,
            sleep=pause,
            reraise=True,
        )
        return retrying(do)

    def _tell(self, kind: Kind, step: str, **fields: Any) -> None:
        if self._on_event is not None:
            self._on_event(event(self._run_id, kind, step, **fields))
