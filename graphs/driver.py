"""Driving a run's graph: from where it stands, with what a person says, to its end or its next question."""

from collections.abc import Mapping
from typing import Any, Final

from langgraph.types import Command, StateSnapshot

from agent_etl.engine.errors import DeadRun, UsageError
from agent_etl.engine.plan import Plan
from agent_etl.graphs.attended import attended
from agent_etl.graphs.checkpoints import checkpoints
from agent_etl.graphs.context import LiveContext
from agent_etl.graphs.drafting import unfitting
from agent_etl.graphs.phases import PROVES
from agent_etl.graphs.pipeline import build_graph
from agent_etl.graphs.reading import EVENT, read_run
from agent_etl.graphs.reply import Reply, accept, refuse_after_the_end, refuse_without_a_question
from agent_etl.graphs.result import Run
from agent_etl.graphs.session import Session
from agent_etl.graphs.state import GRAPH_VERSION

__all__ = ["Driver"]

_LASTING: Final[dict[str, Any]] = {"durability": "sync", "version": "v2"}


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

    def recover(self, *, force: bool) -> None:
        """Count how often in a row the run's process has died; `force` begins the count anew.

        Raises: DeadRun after too many: what always crashes is not tried for ever. Side effects: the run's status.
        """
        store, most = self._session.store, self._session.settings.max_recoveries
        row = store.get_run(self._session.run_id)
        before = int(row.fields.get("recoveries", 0))
        died = row.status in ("started", "running")
        count = before + 1 if died and not force else 0
        if count > most or (row.status == "dead" and not force):
            store.set_status(row.run_id, "dead")
            raise DeadRun(
                "The run has crashed each time that it was resumed",
                run=row.run_id,
                recoveries=most,
                hint=f"mend what ends it, then: agent-etl resume {row.run_id} --force",
            )
        if count != before or row.status == "dead":
            store.set_status(row.run_id, row.status if row.status != "dead" else "interrupted", recoveries=count)

    def ended(self, reply: Reply) -> Run | None:
        """The run when it has come to its end, else None. Raises: UsageError when the reply says otherwise."""
        row = self._session.store.get_run(self._session.run_id)
        if row.status not in ("succeeded", "refused"):
            return None
        plan_hash = str(row.fields.get("plan", ""))
        refuse_after_the_end(reply, row.run_id, row.status, plan_hash, self._session.archive)
        return self.read()

    def drive(self, reply: Reply) -> Run:
        """Continue from the last checkpoint; a reply is taken when the run waits for it.

        Raises: UsageError when the reply does not fit, and the run stays as it was; what the pipeline raises.
        """
        with checkpoints(self._session.settings.home) as saver:
            graph = build_graph(saver)
            snapshot = graph.get_state(self._config)
            _of_this_version(snapshot)
            asked = self._asked() if reply.decision is not None else frozenset()
            if not snapshot.interrupts:
                status = self._session.store.get_run(self._session.run_id).status
                refuse_without_a_question(reply, self._session.run_id, status)
                self._continue(graph, snapshot, reply.plan)
                snapshot = graph.get_state(self._config)
                self._leftover()
            if snapshot.interrupts and reply and self._was_seen(snapshot, reply, asked):
                kind = snapshot.values["prompt"]["kind"]
                answer = accept(kind, reply, self._session.run_id, self._session.archive)
                self._invoke(graph, Command(resume={snapshot.interrupts[0].id: answer}))
        return self.read()

    def _asked(self) -> frozenset[str]:
        """The hashes of the plans whose approval a person has been asked for."""
        rows = self._session.store.audit_rows(self._session.run_id)
        told = [row.detail for row in rows if row.actor == EVENT and row.action == "approval_asked"]
        return frozenset(str(detail["fields"]["plan"]) for detail in told)

    @staticmethod
    def _was_seen(snapshot: StateSnapshot, reply: Reply, asked: frozenset[str]) -> bool:
        """Nobody approves a plan that nobody was shown: one that came up just now waits for its own decision."""
        prompt = snapshot.values["prompt"]
        return reply.decision is None or prompt["kind"] != "approval" or prompt["plan_hash"] in asked

    def _continue(self, graph: Any, snapshot: StateSnapshot, edited: Plan | None) -> None:
        # Not `next`: it leaves out a node that has written its result when its process was killed before the next step.
        if not snapshot.tasks and not snapshot.values:
            self._invoke(graph, {"run_id": self._session.run_id})
            return
        if not snapshot.tasks:
            # A failed run is tried again with the plan that it has: what is sealed or loaded is not done again.
            again: dict[str, Any] = {
                "phase": PROVES[0] if edited or snapshot.values.get("plan_hash") else "survey",
                "attempts": {},
                "cursor": 0,
                **(self._handed_in(edited) if edited else {}),
            }
            graph.update_state(self._config, {**again, "failure": "", "status": ""}, as_node="orchestrator")
        self._invoke(graph, None)

    def _handed_in(self, edited: Plan) -> dict[str, str]:
        """A person's plan instead of the one that failed: agreed to by its author, and proved like any other."""
        archive = self._session.archive
        plan_hash = archive.save_plan(edited)
        archive.save_edited(plan_hash)
        return {"plan_hash": plan_hash, "approved": plan_hash}

    def _invoke(self, graph: Any, given: Any) -> None:
        session = self._session
        live = LiveContext(session=session)
        session.store.set_status(session.run_id, "running", waits_for="")
        try:
            attended(lambda: graph.invoke(given, self._config, context=live, **_LASTING), session.interruption)
        except BaseException as error:
            session.store.set_status(session.run_id, "interrupted")
            if session.interruption.asked and isinstance(error, Exception):
                # A library whose work was ended tells of it by an error of its own.
                raise KeyboardInterrupt from error
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


def _of_this_version(snapshot: StateSnapshot) -> None:
    found = snapshot.values.get("graph_version", GRAPH_VERSION) if snapshot.values else GRAPH_VERSION
    if found != GRAPH_VERSION:
        raise UsageError(
            "The run was begun by another version of the pipeline",
            found=found,
            valid=GRAPH_VERSION,
            hint="start a new run",
        )
