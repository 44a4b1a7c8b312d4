"""The four working agents' subgraphs: each surveys or proves its part of the plan, and runs it in bounded waves."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from agent_etl.engine.tasks import Task
from agent_etl.graphs.context import RunContext, entered
from agent_etl.graphs.node import node
from agent_etl.graphs.phases import FOLLOWS, phases_of
from agent_etl.graphs.proving import PROOFS
from agent_etl.graphs.session import Session
from agent_etl.graphs.state import WAVE, Branch, State, Wave

__all__ = ["build_agent", "next_wave"]

Update = dict[str, Any]

_RUNS: Final = {
    "read": ("extract", "read_dataset"),
    "compute": ("transform", "run_select"),
    "check": ("check", "run_check"),
    "write": ("load", "load_table"),
}
"""A running phase: the kind of its tasks, and the node that does one of them."""


def build_agent(agent: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    """One agent's subgraph, entered by `phase`. It reads and gives back the parent's state, no key of its own."""
    graph = StateGraph(Wave, input_schema=State, output_schema=State, context_schema=RunContext)
    phases = phases_of(agent)
    for phase in phases:
        if phase in _RUNS:
            _add_running(graph, phase)
        else:
            act = _survey if phase == "survey" else _reconcile if phase == "reconcile" else _proving(phase)
            graph.add_node(phase, node(phase, act), input_schema=State)
            graph.add_edge(phase, END)
    graph.add_conditional_edges(START, lambda state: state["phase"], list(phases))
    return graph.compile(name=agent)


def _survey(session: Session, state: State) -> Update:
    """See what the sources hold."""
    catalogue = session.catalogue()
    session.tell("survey_done", tables=len(catalogue.tables), missing=list(catalogue.missing))
    return {"phase": FOLLOWS["survey"]}


def _proving(phase: str) -> Callable[[Session, State], Update]:
    def prove(session: Session, state: State) -> Update:
        findings = PROOFS[phase](session.plan(state["plan_hash"]), session.workbench(state["plan_hash"]))
        session.archive.save_findings(state["plan_hash"], phase, findings)
        for found in findings:
            session.tell("finding", found.step, severity=found.severity, code=found.code, message=found.message)
        return {"phase": FOLLOWS[phase]}

    return prove


def _reconcile(session: Session, state: State) -> Update:
    """Compare what was loaded with what was read, and with what the targets say."""
    session.reconcile(state["plan_hash"])
    return {"phase": FOLLOWS["reconcile"]}


def next_wave(tasks: Sequence[Task], cursor: int) -> tuple[Task, ...]:
    """The tasks from `cursor` on that need nothing of what has not run yet, at most WAVE of them."""
    own = {task.name for task in tasks[cursor:]}
    ready: list[Task] = []
    for task in tasks[cursor : cursor + WAVE]:
        if any(name in own for name in task.needs):
            break
        ready.append(task)
    return tuple(ready)


def _add_running(graph: StateGraph[Any, Any, Any, Any], phase: str) -> None:
    kind, worker = _RUNS[phase]

    def dispatch(state: Wave, runtime: Runtime[RunContext]) -> Command[Any]:
        if state.get("failed"):
            return Command(update={"phase": "repair", "origin": phase, "failure": state["failed"][0]}, goto=END)
        with entered(runtime.context, state["run_id"]) as session:
            session.approved(state["plan_hash"], state["approved"])
            tasks = session.tasks(state["plan_hash"], kind)
        ready = next_wave(tasks, state["cursor"])
        if not ready:
            return Command(update={"phase": FOLLOWS[phase], "cursor": 0}, goto=END)
        branches = [
            Send(worker, Branch(run_id=state["run_id"], plan_hash=state["plan_hash"], step=task.name)) for task in ready
        ]
        return Command(update={"cursor": state["cursor"] + len(ready)}, goto=branches)

    graph.add_node(phase, dispatch, destinations=(worker, END))
    graph.add_node(worker, _run_task, input_schema=Branch)
    graph.add_edge(worker, phase)


def _run_task(state: Branch, runtime: Runtime[RunContext]) -> Update:
    """One task of the plan, whose output is reused when it is there already. A failure becomes a value."""
    with entered(runtime.context, state["run_id"]) as session:
        failure = session.run_task(state["plan_hash"], state["step"])
    return {"failed": [failure]} if failure else {}
