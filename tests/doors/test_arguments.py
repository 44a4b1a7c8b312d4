"""Repeated options and plan files."""

from pathlib import Path

import pytest

from agent_etl.arguments import goal_or_plan, pairs, read_plan
from agent_etl.engine.errors import PlanError, UsageError
from agent_etl.engine.plan import Plan

PLAN = """
name: copy
extracts: [{name: orders, source: here, dataset: orders.csv}]
loads: [{name: load_orders, from: orders, target: warehouse, table: orders}]
"""


def test_a_pair_is_separated_by_its_first_equals_sign() -> None:
    """A URL with `=` in its query stays whole."""
    assert pairs("--connection", ["crm=postgresql://h/d?a=b", " x =1"]) == {"crm": "postgresql://h/d?a=b", "x": "1"}


@pytest.mark.parametrize("value", ["postgresql://u:secret@h/d", "=secret", "  =secret"])
def test_a_value_without_name_is_refused_without_repeating_it(value: str) -> None:
    """The message names the option and never shows what may be a password."""
    with pytest.raises(UsageError) as caught:
        pairs("--connection", [value])
    assert "--connection" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_name_given_twice_is_refused() -> None:
    """Nobody has to know which of two values wins."""
    with pytest.raises(UsageError, match="twice"):
        pairs("--answer", ["a=1", "a=2"])


def test_words_stay_a_goal() -> None:
    """A goal that mentions a file is a goal, also when its last word looks like a plan file that is not there."""
    assert goal_or_plan("Load orders.csv into orders") == "Load orders.csv into orders"
    assert goal_or_plan("Load orders from missing.json") == "Load orders from missing.json"


@pytest.mark.parametrize("name", ["plan.yaml", "plan.YML", "plan.json"])
def test_an_existing_plan_file_is_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The path of a YAML or JSON file gives the plan in it."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(PLAN if not name.endswith("json") else Plan.parse(PLAN).to_json(), encoding="utf-8")
    assert goal_or_plan(name) == Plan.parse(PLAN)


def test_a_lone_missing_plan_file_is_named() -> None:
    """A path that is not there is not planned as if it were words."""
    with pytest.raises(UsageError, match=r"nowhere\.yaml"):
        goal_or_plan("nowhere.yaml")
    Path("folder.yaml").mkdir()
    with pytest.raises(UsageError, match="Is a directory"):
        goal_or_plan("folder.yaml")


def test_an_empty_goal_is_a_usage_error() -> None:
    """Blank words ask for nothing."""
    with pytest.raises(UsageError, match="empty"):
        goal_or_plan("  \n")


def test_a_file_that_is_no_plan_says_what_is_wrong(tmp_path: Path) -> None:
    """The error names the step, the field and what is valid; other bytes are refused as such."""
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("dataset:", "datset:"))
    with pytest.raises(PlanError) as caught:
        read_plan(path)
    assert caught.value.fields["step"] == "orders"
    assert caught.value.fields["file"] == str(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        read_plan(path)
