"""Driving a run's graph: from where it stands, with what a person says, to its end or its next question."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from langgraph.types import Command, StateSnapshot

from agent_etl.agents.orchestrator import STOP, accept_answers
from agent_etl.engine.errors import UsageError
from agent_etl.engine.plan import Plan
from agent_etl.graphs.checkpoints import checkpoints
from agent_etl.graphs.context import LiveContext
from agent_etl.graphs.drafting import unfitting
from agent_etl.graphs.phases import PROVES
from agent_etl.graphs.pipeline import build_graph
from agent_etl.graphs.reading import read_run
from agent_etl.graphs.result import Run
from agent_etl.graphs.session import Session
from agent_etl.graphs.state import GRAPH_VERSION

__all__ = ["Driver", "Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person says to a waiting run."""

    answers: Mapping[str, str] = field(default_factory=dict)
    decision: str | bool | Plan | None = None

    def __bool__(self) -> bool:
        return bool(self.answers) or self.decision is not None


class Driver:
    """Drives one run, whose lease the caller holds."""

    def __init__(self, session: Session, connections: Mapping[str, str]) -> None:
        self._session = session
        self._connections = connections
        self._config: Any = {
            "configurable": {"thread_id": session.run_id},
            "max_concurrency": session.settings.concurrency,
        }

    def read(self) -> Run:
        """The run as it stands."""
        session = self._session
        row = session.store.get_run(session.run_id)
        status = "interrupted" if row.status in ("started", "running") else None
        return read_run(session.store, row, self._connections, status)  # type: ignore[arg-type]

    def drive(self, reply: Reply) -> Run:
        """Continue from the last checkpoint; a reply is taken when the run waits for it.

        Raises: UsageError when the reply does not fit, and the run stays as it was; what the pipeline raises.
        """
        with checkpoints(self._session.settings.home) as saver:
            graph = build_graph(saver)
            snapshot = graph.get_state(self._config)
            if snapshot.values and snapshot.values.get("graph_version", GRAPH_VERSION) != GRAPH_VERSION:
                raise UsageError(
                    "The run was begun by another version of the pipeline",
                    found=snapshot.values["graph_version"],
                    valid=GRAPH_VERSION,
                    hint="start a new run",
                )
            if not snapshot.interrupts:
                self._continue(graph, snapshot)
                snapshot = graph.get_state(self._config)
                self._leftover()
            if snapshot.interrupts and reply:
                answer = self._reply(snapshot, reply)
                self._invoke(graph, Command(resume={snapshot.interrupts[0].id: answer}))
        return self.read()

    def _continue(self, graph: Any, snapshot: StateSnapshot) -> None:
        # Not `next`: it leaves out a node that has written its result when its process was killed before the next step.
        if not snapshot.tasks and not snapshot.values:
            self._invoke(graph, {"run_id": self._session.run_id})
            return
        if not snapshot.tasks:
            # A failed run is tried again with the plan that it has: what is sealed or loaded is not done again.
            again: dict[str, Any] = {
                "phase": PROVES[0] if snapshot.values.get("plan_hash") else "survey",
                "attempts": {},
                "cursor": 0,
            }
            graph.update_state(self._config, {**again, "failure": "", "status": ""}, as_node="orchestrator")
        self._invoke(graph, None)

    def _invoke(self, graph: Any, given: Any) -> None:
        session = self._session
        session.store.set_status(session.run_id, "running", waits_for="")
        try:
            with _interruptible(session.stop):
                graph.invoke(given, self._config, context=LiveContext(session=session), durability="sync", version="v2")
        except BaseException:
            session.store.set_status(session.run_id, "interrupted")
            raise

    def _leftover(self) -> None:
        """An answer that came with the goal and fits no open question is the caller's mistake."""
        archive = self._session.archive
        given = archive.answers(given=True)
        if given and archive.questions():
            archive.save_answers({}, given=True)
            error = unfitting(archive.questions(), given)
            error.fields["run"] = self._session.run_id
            raise error

    def _reply(self, snapshot: StateSnapshot, reply: Reply) -> dict[str, Any]:
        kind = snapshot.values["prompt"]["kind"]
        if kind == "approval":
            return self._decision(reply)
        archive = self._session.archive
        if reply.decision is None:
            return {"answers": accept_answers(archive.questions(), reply.answers)}
        if kind != "repair" or reply.answers or isinstance(reply.decision, Plan):
            raise UsageError(
                "The run waits for an answer, not for a decision",
                run=self._session.run_id,
                valid=[question.id for question in archive.questions()],
                hint="pass answers={id: value}, or --answer ID=VALUE",
            )
        return {"answers": {archive.questions()[0].id: "1" if _agrees(reply.decision) else STOP}}

    def _decision(self, reply: Reply) -> dict[str, Any]:
        if reply.decision is None or reply.answers:
            raise UsageError(
                "The run waits for a decision, not for answers",
                run=self._session.run_id,
                valid=["approve", "reject", "an edited plan"],
                hint='pass decision="approve", or --approve',
            )
        if isinstance(reply.decision, Plan):
            return {"decision": "approve", "plan_hash": self._session.archive.save_plan(reply.decision)}
        return {"decision": "approve" if _agrees(reply.decision) else "reject"}


def _agrees(decision: str | bool) -> bool:
    if isinstance(decision, bool):
        return decision
    if decision not in ("approve", "reject"):
        raise UsageError("The decision is not known", got=decision, valid=["approve", "reject", "an edited plan"])
    return decision == "approve"


@contextmanager
def _interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Inside, SIGINT and a handled SIGTERM first tell the tasks in other threads to stop, so that they roll back.

    Side effects: this process's handlers, restored on leaving. Only the main thread may set them; elsewhere nothing.
    """
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, _stopping(stop, handler))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopping(stop: Callable[[], None], handler: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
    def handle(number: int, frame: Any) -> Any:
        stop()
        return handler(number, frame)

    return handle
