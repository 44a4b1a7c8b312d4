"""How a node is made of an act: it enters the run's session, and a failure becomes a value."""

from collections.abc import Callable
from typing import Any, Protocol

from langgraph.runtime import Runtime

from agent_etl.engine.errors import AgentEtlError, UsageError
from agent_etl.engine.tasks import StepFailure
from agent_etl.graphs.context import RunContext, entered
from agent_etl.graphs.phases import AGENT
from agent_etl.graphs.session import Session
from agent_etl.graphs.state import State

__all__ = ["Act", "Node", "failed", "node"]

Update = dict[str, Any]
Act = Callable[[Session, State], Update]


class Node(Protocol):
    """A node as LangGraph calls it."""

    def __call__(self, state: State, *, runtime: Runtime[RunContext]) -> Update:
        """The state's update."""
        ...


def node(phase: str, act: Act) -> Node:
    """The node that does `phase`.

    What the orchestrator cannot take from its caller (UsageError) and defects are raised; any other typed error
    becomes a failure in the state, which goes to repair.
    """

    def run(state: State, *, runtime: Runtime[RunContext]) -> Update:
        with entered(runtime.context, state["run_id"]) as session:
            try:
                return act(session, state)
            except AgentEtlError as error:
                if isinstance(error, UsageError) and AGENT[phase] == "orchestrator":
                    raise
                return failed(session, phase, error)

    run.__name__ = phase
    return run


def failed(session: Session, phase: str, error: AgentEtlError) -> Update:
    """The update for a phase that failed as a whole, at the step that the error names when it names one."""
    failure = StepFailure.of(str(error.fields.get("step") or phase), AGENT[phase], error)
    session.tell("task_failed", failure.step, code=failure.code, message=failure.message)
    return {"phase": "repair", "origin": phase, "failure": session.archive.save_failure(failure)}
