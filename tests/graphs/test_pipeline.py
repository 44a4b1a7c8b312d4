"""The state machine as LangGraph Studio drives it: inputs and replies that somebody types."""

from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import ValidationError

from agent_etl import get_run, list_runs
from agent_etl.engine.errors import UsageError
from agent_etl.graphs.pipeline import build_graph

GOAL = "Load sales.csv and replace totals"
THREAD: Any = {"configurable": {"thread_id": "typed"}}


@pytest.fixture(autouse=True)
def _sales(home: Path) -> None:
    Path("sales.csv").write_text("id,amount\n1,10\n")


@pytest.mark.parametrize(
    "typed",
    [{}, {"goal": " "}, {"goal": 5}, {"goal": GOAL, "approve": "rsky"}, {"goal": GOAL, "answers": ["x"]}],
    ids=str,
)
def test_an_input_that_is_none_begins_nothing(typed: dict[str, Any], home: Path) -> None:
    """No goal, or a policy that there is not, is refused with what is valid; it never runs as something else."""
    with pytest.raises(UsageError) as raised:
        build_graph(InMemorySaver()).invoke(typed, THREAD)
    assert raised.value.hint
    assert list_runs() == []
    assert not (home / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    "typed",
    ["yes", {"decision": "maybe"}, {"decision": "approve", "plan": "name: x"}, {"decision": "approve", "plan": "{"}],
)
def test_a_reply_that_is_none_leaves_the_run_waiting(typed: Any, home: Path) -> None:
    """A decision or an edited plan that cannot be read is refused; the approval is asked for still."""
    graph = build_graph(InMemorySaver())
    graph.invoke({"goal": GOAL, "approve": "ask"}, THREAD)
    with pytest.raises(ValidationError):
        graph.invoke(Command(resume=typed), THREAD)
    assert graph.get_state(THREAD).next == ("approve",)
    assert get_run("typed").status == "waiting"
    graph.invoke(Command(resume={"decision": "approve"}), THREAD)
    assert get_run("typed").status == "succeeded"
