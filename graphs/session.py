"""A run's live objects in one process: connections, executor, planner, and the run store they write to."""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from agent_etl.agents.planner import Planner, Repair, RepairRequest
from agent_etl.agents.workbench import Workbench
from agent_etl.connectors.registry import Registry, open_connections
from agent_etl.engine.deadletters import ASIDE, empty
from agent_etl.engine.duck import attached, connect
from agent_etl.engine.errors import AgentEtlError, CheckFailed, StaleRun, Terminal, UsageError
from agent_etl.engine.executor import Executor
from agent_etl.engine.interruption import Interruption
from agent_etl.engine.observe.events import Event, Kind, OnEvent, event
from agent_etl.engine.plan import Extract, Load, Plan
from agent_etl.engine.probe import SourceProber
from agent_etl.engine.records import RunRecord
from agent_etl.engine.schema import Catalogue, Table
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore
from agent_etl.engine.tasks import StepFailure, Task
from agent_etl.graphs.archive import Archive
from agent_etl.graphs.drafting import remembering, rules_planner
from agent_etl.graphs.proving import prove
from agent_etl.graphs.reading import EVENT, opened_store
from agent_etl.graphs.request import Request, settings_for
from agent_etl.tools.audit import Audit
from agent_etl.tools.catalog import describe_plan_sources, describe_source, survey
from agent_etl.tools.run import run_task

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Session", "open_session"]


def open_session(
    run_id: str,
    *,
    home: Path | str | None = None,
    connections: Mapping[str, str] | None = None,
    planner: Planner | None = None,
    on_event: OnEvent | None = None,
) -> "Session":
    """The session of a run that the store knows. Close it.

    Raises: UnknownRun; SettingsError naming a connection whose password must be given again.
    """
    settings = load_settings(home=home)
    store = opened_store(settings, run_id)
    try:
        row = store.get_run(run_id)
        request = Request.of(row)
        return Session(
            row, settings_for(request, home, connections or {}), store, planner, _listener(settings, on_event)
        )
    except BaseException:
        store.close()
        raise


def _listener(settings: Settings, on_event: OnEvent | None) -> OnEvent | None:
    """Whoever listens to the run, with the log before them where the settings ask for one."""
    if settings.log is None:
        return on_event
    from agent_etl.engine.observe.log import logged

    return logged(on_event, style=settings.log, level=settings.log_level)


class Session:
    """What the nodes of one run work with. Safe to use from the threads of one fan-out."""

    def __init__(
        self, row: RunRecord, settings: Settings, store: RunStore, planner: Planner | None, on_event: OnEvent | None
    ) -> None:
        self.row = row
        self.run_id = row.run_id
        self.request = Request.of(row)
        self.settings = settings
        self.store = store
        self.archive = Archive(store, row.run_id)
        self.connections: Registry = open_connections(settings, cwd=Path(self.request.folder))
        self.prober = SourceProber(self.connections, settings)
        self._given_planner = planner
        self._on_event = on_event
        self._lock = RLock()
        self.interruption = Interruption()
        self._known: dict[tuple[str, str], Any] = {}

    def close(self) -> None:
        """Close the executors, the connections and the store."""
        self.interruption.close()
        for (kind, _), value in self._known.items():
            if kind == "executor":
                value.close()
        self.prober.close()
        self.connections.close()
        self.store.close()

    def _once(self, kind: str, key: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if (kind, key) not in self._known:
                self._known[kind, key] = make()
            return self._known[kind, key]

    # What is known

    @property
    def planner(self) -> Planner:
        """The planner of this run. Raises: UsageError when it was another one that must be given again."""
        if self._given_planner is not None:
            return self._given_planner
        if self.request.planner != "rules":
            raise UsageError(
                "The run was planned by another planner", planner=self.request.planner, hint="pass planner="
            )
        self._given_planner = rules_planner()
        return self._given_planner

    def catalogue(self) -> Catalogue:
        """What the sources hold for the run's goal, surveyed once in this process."""

        def make() -> Catalogue:
            found = survey.by(self.recorder("extract"))(self.row.goal, self.connections)
            return remembering(found, self.row.goal, self.store, self.connections)

        catalogue: Catalogue = self._once("catalogue", "", make)
        return catalogue

    def plan(self, plan_hash: str) -> Plan:
        """The plan of that hash. Raises: Corrupt when it is not what it was."""
        found: Plan = self._once("plan", plan_hash, lambda: self.archive.plan(plan_hash))
        return found

    def approved(self, plan_hash: str, approved: str) -> None:
        """See that the plan that runs is the one that was approved. Raises: StaleRun."""
        if plan_hash != approved:
            raise StaleRun("The plan is not the one that was approved", expected=approved, found=plan_hash)

    def workbench(self, plan_hash: str) -> Workbench:
        """What the agents prove a plan with; its catalogue holds the plan's sources read by the plan's own options."""
        return self._bench(self.plan(plan_hash))

    def _bench(self, plan: Plan) -> Workbench:
        def make() -> Workbench:
            recorder = self.recorder("preflight")
            base = Catalogue(()) if self.request.plan else self.catalogue()
            catalogue = describe_plan_sources.by(recorder)(plan, self.connections, base)
            return Workbench(self.connections, catalogue, self.prober, self.settings, self.store, recorder)

        found: Workbench = self._once("bench", plan.hash, make)
        return found

    def _look_again(self) -> None:
        """Forget what the sources looked like: something there is not what it was."""
        with self._lock:
            for known in [known for known in self._known if known[0] == "bench"]:
                del self._known[known]

    # What is done

    def _executor(self, plan_hash: str) -> Executor:
        def make() -> Executor:
            return Executor(
                self.plan(plan_hash),
                run_id=self.run_id,
                connections=self.connections,
                stage=Stage(self.settings.home / "stage"),
                store=self.store,
                settings=self.settings,
                on_event=self.heard,
            )

        found: Executor = self._once("executor", plan_hash, make)
        return found

    def tasks(self, plan_hash: str, kind: str) -> tuple[Task, ...]:
        """The plan's tasks of one kind, each after what it needs."""
        every = self._once("tasks", plan_hash, lambda: self._executor(plan_hash).tasks())
        return tuple(task for task in every if task.kind == kind)

    def run_task(self, plan_hash: str, step: str) -> str:
        """Run one task; the id of its failure, empty when it is done."""
        executor = self._executor(plan_hash)
        task = next(task for task in self._once("tasks", plan_hash, executor.tasks) if task.name == step)
        try:
            run_task.by(self.recorder(task.kind))(executor, task)
        except AgentEtlError as error:
            if self.interruption.asked:  # a query that was ended is no failure of its step
                raise KeyboardInterrupt from error
            return self.archive.save_failure(StepFailure.of(step, task.kind, error))
        return ""

    def rows(self, plan_hash: str, step: str) -> "pa.Table":
        """The rows of an extract or a transform. Raises: what making them raises. Side effects: may stage them."""
        relation = self._executor(plan_hash).relation(step)
        with closing(connect(memory_limit=self.settings.memory_limit)) as duck, attached(duck, relation) as select:
            found: pa.Table = duck.sql(select).to_arrow_table()
            return found

    def quarantined(self, plan_hash: str) -> "pa.Table":
        """The rows that the steps have set aside, as far as their packages are kept."""
        relation = self._executor(plan_hash).quarantined() or empty()
        names = ", ".join(ASIDE)
        with closing(connect(memory_limit=self.settings.memory_limit)) as duck, attached(duck, relation) as select:
            order = "step, check_name, number"
            found: pa.Table = duck.sql(f"SELECT {names} FROM ({select}) ORDER BY {order}").to_arrow_table()
            return found

    def reconcile(self, plan_hash: str) -> None:
        """See that every load of the plan is done and that its marker stands in the target. Raises: CheckFailed."""
        done = {record.step: record for record in self.store.tasks(self.run_id) if record.result is not None}
        for load in self.plan(plan_hash).loads:
            record = done.get(load.name)
            if record is None or record.result is None:
                raise CheckFailed("A load has no result", check="reconcile", step=load.name)
            if record.result.detail.get("unchanged"):
                continue  # nothing new was there, so there is no marker of this run
            target = self.connections[load.target].target()
            marker = target.marker(load.table, record.result.fingerprint)
            if marker is None:
                raise CheckFailed(
                    "The target does not show the load's marker", check="reconcile", step=load.name, table=load.table
                )
            self.audit("reconciled", step=load.name, rows=marker.rows, epoch=marker.epoch)

    def repairs(self, plan_hash: str, failure: StepFailure) -> tuple[Repair, ...]:
        """The corrections that the planner knows and that pass the checks themselves, best first."""
        self._look_again()
        plan = self.plan(plan_hash)
        try:
            bench = self._bench(plan)
        except Terminal:
            return ()  # a source that cannot even be looked at is mended by a person
        steps = {step.name: step for step in plan.steps()}
        step = steps.get(failure.step)
        source = self._source_now(step) if isinstance(step, Extract | Load) else None
        request = RepairRequest(plan, failure, bench.catalogue, self.prober, source)
        proposed = self.planner.repair(request)
        self.audit("repairs", step=failure.step, code=failure.code, labels=[repair.label for repair in proposed])
        return tuple(repair for repair in proposed if self._holds(repair.plan))

    def _holds(self, plan: Plan) -> bool:
        """No check finds an error in the plan, and its sources can be read as it says."""
        try:
            return not any(found.severity == "error" for found in prove(plan, self._bench(plan)))
        except Terminal:
            return False

    def _source_now(self, step: Extract | Load) -> Table | None:
        try:
            if isinstance(step, Load):
                return self.connections[step.target].target().existing(step.table)
            return describe_source.by(self.recorder("extract"))(step, self.connections)
        except Terminal:
            return None

    # What is told

    def tell(self, kind: Kind, step: str = "", /, **fields: Any) -> None:
        """Keep an event and give it to whoever listens."""
        self.heard(event(self.run_id, kind, step, **fields))

    def heard(self, told: Event) -> None:
        """Keep an event, unless it only shows progress, and give it to whoever listens, one at a time."""
        if self.interruption.asked:
            raise KeyboardInterrupt
        with self._lock:
            if told.kind != "task_progress":
                self.store.audit(self.run_id, EVENT, told.kind, told.to_dict())
            if self._on_event is not None:
                self._on_event(told)

    def recorder(self, actor: str) -> Audit:
        """Keeps an agent's tool calls in the run's audit."""
        return Audit(self.store, self.run_id, actor)

    def audit(self, action: str, /, **detail: Any) -> None:
        """Add one row to the run's audit."""
        self.store.audit(self.run_id, "orchestrator", action, detail)

    def wait(self, waits_for: str) -> None:
        """The run waits for a person from now on."""
        self.store.set_status(self.run_id, "waiting", waits_for=waits_for)

    def finish(self, status: str, plan_hash: str, failure: str) -> None:
        """The run's end: its status, the plan that ran and the failure that stopped it."""
        self.store.set_status(self.run_id, status, waits_for="", plan=plan_hash, failure=failure)
        self.tell("run_done", status=status)

    def working_with(self, plan_hash: str) -> None:
        """The plan that the run works on now."""
        self.store.set_status(self.run_id, "running", waits_for="", plan=plan_hash)
