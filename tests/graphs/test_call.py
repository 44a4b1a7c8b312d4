"""What a caller gives to the public functions."""

from pathlib import Path
from typing import Any

import pytest

from agent_etl import list_runs, plan_pipeline, resume_pipeline, run_pipeline
from agent_etl.engine.errors import UsageError

GOAL = "Load sales.csv and replace totals"


@pytest.fixture(autouse=True)
def _sales(home: Path) -> None:
    Path("sales.csv").write_text("id,amount\n1,10\n")


@pytest.mark.parametrize("goal", [None, 5, Path("plan.yaml"), "", "  ", "Load caf\udce9.csv"])
def test_a_goal_is_words_or_a_plan(goal: Any) -> None:
    """Anything else is refused by what it is and with what to write, and no run is begun."""
    for begin in (run_pipeline, plan_pipeline):
        with pytest.raises(UsageError) as raised:
            begin(goal)
        assert raised.value.hint
    assert list_runs() == []


@pytest.mark.parametrize(
    "given",
    [
        {"approve": True},
        {"approve": None},
        {"approve": "maybe"},
        {"connections": ["crm"]},
        {"connections": {"crm": None}},
        {"answers": ["id"]},
        {"answers": {"id": None}},
        {"planner": "rules"},
    ],
    ids=str,
)
def test_a_wrong_argument_is_named_before_a_run_begins(given: dict[str, Any]) -> None:
    """What cannot be meant is refused with what is valid, and no run is left behind."""
    with pytest.raises(UsageError) as raised:
        run_pipeline(GOAL, **given)
    assert next(iter(given)) in str(raised.value)
    assert raised.value.hint
    assert list_runs() == []


def test_a_value_is_not_repeated_in_the_error() -> None:
    """A list of URLs instead of a mapping is refused without showing the passwords in them."""
    with pytest.raises(UsageError) as raised:
        run_pipeline(GOAL, connections=["postgresql://u:hunter2@h/d"])  # type: ignore[arg-type]
    assert "hunter2" not in str(raised.value)


def test_paths_and_numbers_are_written_out(home: Path) -> None:
    """A connection may be a path, and an answer a number."""
    Path("customers.csv").write_text("a,b\n1,2\n3,4\n")
    waiting = run_pipeline("Load customers.csv and upsert it into known", connections={"shop": Path("shop.db")})  # type: ignore[dict-item]
    (question,) = waiting.questions
    with pytest.raises(UsageError) as raised:
        resume_pipeline(waiting.run_id, answers={question.id: 5})  # type: ignore[dict-item]
    assert raised.value.fields["got"] == "5"
    assert resume_pipeline(waiting.run_id, answers={question.id: "a"}).status == "succeeded"
