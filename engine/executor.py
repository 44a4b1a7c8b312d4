"""The executor: runs one task of a plan, unless its output is there already.

The graph, the command line and exported DAGs all run plans through it. Every output has an address, so resuming,
retrying and repairing are one thing: do the tasks whose output is missing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from threading import Lock, RLock
from typing import Any, TypeVar, assert_never

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from agent_etl.engine.addresses import Addresses
from agent_etl.engine.dag import Dag
from agent_etl.engine.duck import Cursor, attached, columns_of, connect, quote, run
from agent_etl.engine.errors import AgentEtlError, Corrupt, SourceError, Transient, UsageError
from agent_etl.engine.extraction import compare, extract
from agent_etl.engine.faults import point
from agent_etl.engine.fusion import fused_load, streamed
from agent_etl.engine.loading import Errand, Rows, load, loaded_before, settle
from agent_etl.engine.manifest import Manifest
from agent_etl.engine.observe.events import Kind, OnEvent, event
from agent_etl.engine.plan import Check, Extract, Load, Plan, Step, Transform
from agent_etl.engine.ports import Connections, LoadResult, Relation
from agent_etl.engine.quality import judge
from agent_etl.engine.sandbox import check_select
from agent_etl.engine.settings import Settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore
from agent_etl.engine.stream import Stream
from agent_etl.engine.tasks import StepFailure, Task, TaskResult

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
    ) -> None:
        self._plan = plan
        self._dag = Dag(plan)
        self._run_id = run_id
        self._connections = connections
        self._stage = stage
        self._store = store
        self._settings = settings
        self._on_event = on_event
        self._addresses = Addresses(self._dag, run_id, connections, store)
        self._open = ExitStack()
        self._duck: Cursor | None = None
        self._lock = RLock()
        self._making: dict[str, Lock] = {}
        self._working: dict[int, Cursor] = {}
        self._whole: set[str] = set()
        self._compared: set[str] = set()
        stage.sweep()

    def close(self) -> None:
        """Close the executor's DuckDB and remove what it spilled."""
        self._open.close()

    def interrupt(self) -> None:
        """End the queries that run now in other threads; their tasks fail. A load rolls back or commits whole."""
        # Without the lock: this is called from a signal handler, whose thread may hold it.
        for cursor in list(self._working.values()):
            cursor.interrupt()

    def tasks(self) -> tuple[Task, ...]:
        """The plan's tasks, each after those that it needs."""
        return self._dag.tasks()

    def run(self, task: Task) -> TaskResult:
        """Do one task, or find that it is done. Transient failures are tried again, at most settings.max_retries times.

        Raises: AgentEtlError, recorded as the task's failure. Side effects: the task's output and its record.
        """
        step = self._step(task.name)
        self._tell("task_started", step.name, task=task.kind)
        begin = time.monotonic()
        try:
            result = self._retrying(step.name, lambda: self._do(step))
        except AgentEtlError as error:
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
        return self._stage.relation(self._package(step))

    # One task of each kind

    def _do(self, step: Step) -> TaskResult:
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
        address = self._addresses.of(step.name)
        manifest = self._stage.sealed(address)
        if manifest is not None:
            return _made(step.name, "extract", manifest, reused=True)
        load = self._fused_into(step)
        if load is None:
            return _made(step.name, "extract", self._package(step.name))
        known = self._done(step.name, address)
        if known is not None or loaded_before(self._errand(load), self._connections[load.target], self._store):
            return known or TaskResult(step.name, "extract", address, reused=True, detail={"fused": True})
        self._compare(step)
        return TaskResult(step.name, "extract", self._addresses.of(step.name), detail={"fused": True})

    def _transform(self, step: Transform) -> TaskResult:
        sealed = self._stage.sealed(self._addresses.of(step.name)) is not None
        return _made(step.name, "transform", self._package(step.name), reused=sealed)

    def _check(self, step: Check) -> TaskResult:
        address = self._addresses.of(step.name)
        known = self._done(step.name, address)
        if known is not None:
            return known
        manifest = self._package(step.on)
        with self._cursor() as cursor, attached(cursor, self._stage.relation(manifest)) as select:
            verdict = judge(step, cursor, select, manifest.columns)
        if not verdict.holds:
            if step.severity == "fail":
                raise verdict.error(step)
            found = f"{verdict.failing} of {verdict.rows} rows"
            self._tell("finding", step.name, severity="note", code="check_warns", message=found)
        detail = {"failing": verdict.failing, "expected": verdict.expected, "severity": step.severity}
        return TaskResult(step.name, "check", address, verdict.rows, verdict.rows - verdict.failing, detail=detail)

    def _load(self, step: Load) -> TaskResult:
        connection = self._connections[step.target]
        errand = self._errand(step)
        already = loaded_before(errand, connection, self._store)
        if already is not None:
            sealed = self._stage.sealed(self._addresses.of(step.from_))
            given = sealed.rows if sealed else already.rows
            settle(errand, connection, self._store, given, (already, None, None))
            return _loaded(errand, already, given)
        source = self._dag.steps[step.from_]
        if isinstance(source, Extract) and self._fused_into(source) is not None:
            return self._load_fused(errand, source)
        manifest = self._package(step.from_)
        outcome = load(errand, Rows(self._stage.relation(manifest), manifest.digest), connection)
        settle(errand, connection, self._store, manifest.rows, outcome)
        return _loaded(errand, outcome[0], manifest.rows)

    def _load_fused(self, errand: Errand, source: Extract) -> TaskResult:
        self._compare(source)
        if self._addresses.of(errand.step.name) != errand.load_id:
            return self._load(errand.step)
        origin, connection = self._connections[source.source], self._connections[errand.step.target]
        stream = Stream(lambda rows: self._tell("task_progress", errand.step.name, rows=rows))
        with self._cursor() as cursor:
            relation = streamed(source, origin.source(), stream, cursor)
            outcome = load(errand, Rows(relation, self._addresses.of(source.name)), connection)
        result = outcome[0]
        given = stream.rows if relation.open is not None and not result.already else result.rows
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
        return _loaded(errand, result, given, fused=True)

    # Outputs

    def _package(self, name: str) -> Manifest:
        """The whole package of an extract or a transform, made when it is missing."""
        step = self._step(name)
        if not isinstance(step, Extract | Transform):
            raise UsageError("The step has no rows of its own", step=name, hint="name an extract or a transform")
        with self._lock:
            making = self._making.setdefault(name, Lock())
        with making:
            manifest = self._stage.sealed(self._addresses.of(name))
            if manifest is None:
                manifest = self._read(step) if isinstance(step, Extract) else self._compute(step)
                self._whole.add(manifest.fingerprint)
            if manifest.fingerprint not in self._whole:
                self._verify(manifest)
            return manifest

    def _verify(self, manifest: Manifest) -> None:
        try:
            self._stage.verify(manifest)
        except Corrupt:
            self._stage.discard(manifest.fingerprint)
            raise
        self._whole.add(manifest.fingerprint)

    def _read(self, step: Extract) -> Manifest:
        self._compare(step)
        source = self._connections[step.source].source()
        with self._cursor() as cursor:
            return extract(
                step,
                source,
                self._addresses.of(step.name),
                stage=self._stage,
                cursor=cursor,
                unchanged=lambda: self._unchanged(step),
                tell=lambda rows: self._tell("task_progress", step.name, rows=rows),
            )

    def _unchanged(self, step: Extract) -> bool:
        """Whether the source still is what this run has pinned; if not, the next attempt looks at it anew."""
        same = self._addresses.unchanged(step)
        if not same:
            self._compared.discard(step.name)
        return same

    def _compute(self, step: Transform) -> Manifest:
        inputs = self._dag.inputs[step.name]
        packages = {name: self._package(name) for name in inputs}
        check_select(step.sql, inputs)
        with self._cursor() as cursor:
            for name, package in packages.items():
                with attached(cursor, self._stage.relation(package)) as select:
                    run(cursor, f"CREATE TEMP VIEW {quote(name)} AS {select}", step=step.name)
            columns = columns_of(cursor, step.sql, step=step.name)
            with self._stage.writer(self._addresses.of(step.name), columns) as writer:
                rows = writer.write(cursor, step.sql)
                return writer.seal(rows_in=rows)

    def _compare(self, step: Extract) -> None:
        """See, once, that the source is what the plan was made for and what this run has pinned."""
        if step.name in self._compared:
            return
        self._addresses.still(step)
        if step.expect or step.columns:
            compare(step, self._connections[step.source].source().describe(step.dataset, step.options))
        self._compared.add(step.name)

    def _fused_into(self, step: Extract) -> Load | None:
        """The load that the extract streams into; None when it is staged, or when its package is there already."""
        load = fused_load(self._dag, step)
        return None if load is None or self._stage.sealed(self._addresses.of(step.name)) is not None else load

    # The rest

    def _step(self, name: str) -> Step:
        step = self._dag.steps.get(name)
        if step is None:
            raise UsageError("The plan has no such step", step=name, valid=sorted(self._dag.steps))
        return step

    def _errand(self, step: Load) -> Errand:
        return Errand(step, self._addresses.of(step.name), self._run_id, self._plan.hash)

    def _done(self, name: str, address: str) -> TaskResult | None:
        """What this run has recorded of the task, when that was for the same address."""
        task = self._store.task(self._run_id, name)
        if task is None or task.result is None or task.result.fingerprint != address:
            return None
        return replace(task.result, reused=True)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with self._lock:
            if self._duck is None:
                temp = self._open.enter_context(self._stage.scratch("spill"))
                settings = self._settings
                self._duck = connect(memory_limit=settings.memory_limit, threads=settings.threads, temp=temp)
                # Rows that are counted pass through Arrow, where a HUGEINT or a TIMETZ would lose a part of itself.
                run(self._duck, "SET GLOBAL arrow_lossless_conversion = true")
                self._open.callback(self._duck.close)
            cursor = self._duck.cursor()
            self._working[id(cursor)] = cursor
        try:
            yield cursor
        finally:
            with self._lock:
                del self._working[id(cursor)]
            cursor.close()

    def _retrying(self, step: str, do: Callable[[], T]) -> T:
        def told(state: RetryCallState) -> None:
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
            reraise=True,
        )
        return retrying(do)

    def _tell(self, kind: Kind, step: str, **fields: Any) -> None:
        if self._on_event is not None:
            self._on_event(event(self._run_id, kind, step, **fields))


def _made(name: str, kind: str, manifest: Manifest, *, reused: bool = False) -> TaskResult:
    return TaskResult(
        name,
        kind,
        manifest.fingerprint,
        rows_in=manifest.rows_in,
        rows_out=manifest.rows,
        filtered=manifest.filtered,
        quarantined=manifest.quarantined,
        reused=reused,
        detail={"bytes": sum(part.bytes for part in manifest.parts)},
    )


def _loaded(errand: Errand, result: LoadResult, given: int, *, fused: bool = False) -> TaskResult:
    step = errand.step
    detail: dict[str, Any] = {
        "target": step.target,
        "table": step.table,
        "mode": step.mode,
        "epoch": result.marker.epoch,
    }
    if result.already:
        detail["already"] = True
    else:
        detail |= {"inserted": result.inserted, "updated": result.updated, "deleted": result.deleted}
    if fused:
        detail["fused"] = True
    if result.notes:
        detail["notes"] = list(result.notes)
    return TaskResult(step.name, "load", errand.load_id, given, result.rows, reused=result.already, detail=detail)
