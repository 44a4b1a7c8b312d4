"""The state machine: five agents and two interrupts, each a node; `phase` says who acts next."""

from functools import cache
from typing import Any, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, field_validator

from agent_etl.engine.errors import PlanError
from agent_etl.engine.plan import Plan
from agent_etl.graphs.context import RunContext
from agent_etl.graphs.orchestrator import build_orchestrator
from agent_etl.graphs.phases import AGENT, AGENTS, DONE, INTERRUPTS
from agent_etl.graphs.state import Goal, State
from agent_etl.graphs.workers import build_agent

__all__ = ["Answers", "Decision", "build_graph"]

_NEXT = {
    "orchestrator": (*AGENTS, *INTERRUPTS, END),
    "extract": ("orchestrator", "transform"),
    "transform": ("orchestrator", "load", "monitor"),
    "load": ("orchestrator", "monitor"),
    "monitor": ("orchestrator", "load"),
}
"""Who may act after whom."""


class Answers(BaseModel):
    """What resumes an open question: answers by question id or by the words that it quotes."""

    model_config = ConfigDict(extra="forbid")
    answers: dict[str, str]


class Decision(BaseModel):
    """What resumes an approval: `approve` runs the plan that was shown, `reject` touches nothing.

    `plan` is an edited plan as YAML or JSON text (`plan_hash`: one that the store holds already); it is proved again.
    """

    model_config = ConfigDict(extra="forbid")
    decision: Literal["approve", "reject"]
    plan: str | None = None
    plan_hash: str | None = None

    @field_validator("plan")
    @classmethod
    def _can_be_read(cls, text: str | None) -> str | None:
        try:
            _ = Plan.parse(text) if text is not None else None
        except PlanError as error:
            raise ValueError(str(error)) from None
        return text


def build_graph(checkpointer: BaseCheckpointSaver[Any] | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The compiled pipeline graph: input `Goal`, state `State`, context `RunContext`."""
    return _drawn().compile(checkpointer=checkpointer, name="agent-etl")


@cache
def _drawn() -> StateGraph[Any, Any, Any, Any]:
    graph = StateGraph(State, input_schema=Goal, output_schema=State, context_schema=RunContext)
    graph.add_node("orchestrator", build_orchestrator())
    for agent in AGENTS[1:]:
        graph.add_node(agent, build_agent(agent))
    graph.add_node("ask", _ask)
    graph.add_node("approve", _approve)
    graph.add_edge(START, "orchestrator")
    for agent, following in _NEXT.items():
        graph.add_conditional_edges(agent, _actor, list(following))
    graph.add_edge("ask", "orchestrator")
    graph.add_edge("approve", "orchestrator")
    return graph


def _actor(state: State) -> str:
    return END if state["phase"] == DONE else AGENT[state["phase"]]


def _ask(state: State) -> dict[str, Any]:
    """Wait for answers. Nothing else: what follows an interrupt is done by the next node."""
    reply = interrupt(state["prompt"], response_schema=Answers)
    return {"reply": Answers.model_validate(reply).model_dump(), "phase": "answer"}


def _approve(state: State) -> dict[str, Any]:
    """Wait for a decision. Nothing else."""
    reply = interrupt(state["prompt"], response_schema=Decision)
    return {"reply": Decision.model_validate(reply).model_dump(exclude_none=True), "phase": "decide"}
