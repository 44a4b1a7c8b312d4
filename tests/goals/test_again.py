"""The same words again: what a goal made is its target the second time too, and never one of its sources."""

from pathlib import Path

import pytest
from goals import world
from goals.corpus import Case, cases
from harness.targets import rows_of

from agent_etl import run_pipeline

_AGAIN = {
    "cinema-06",
    "gym-02",
    "hotel-06",
    "hotel-09",
    "hr-05",
    "iot-03",
    "logistics-06",
    "school-08",
    "support-05",
}
"""Goals whose target's name is said without `into`, or is a noun of the goal, in several phrasings."""


@pytest.mark.parametrize("case", [case for case in cases() if case.id in _AGAIN], ids=lambda case: case.id)
def test_a_goal_can_be_run_again(case: Case, home: Path, tmp_path: Path) -> None:
    """The second run of a goal ends as the first one did, and its target holds the same rows."""
    connections = world.build(case, tmp_path, None)
    held = []
    for _ in range(2):
        run = run_pipeline(case.goal, connections=connections, home=home, approve="auto")
        assert run.status == "succeeded", (run.questions, run.refusals)
        held.append(sorted(map(repr, rows_of(case.target or "", tmp_path, home, None)[1])))
    assert held[0] == held[1]


@pytest.fixture
def sold(tmp_path: Path) -> Path:
    """A file of sales in the current directory."""
    (tmp_path / "sold.csv").write_text("shop,amount,pump\nA,1.5,p\nA,2,q\nB,4,p\n")
    return tmp_path


@pytest.mark.parametrize(
    "goal",
    [
        "Load sold.csv, total amount per shop, into totals",
        "From sold.csv write the distinct pump values to pumps",
        "From sold.csv compute amount * 2 as twice and save shop, twice in twice.csv",
    ],
)
def test_a_target_named_like_the_goals_nouns(goal: str, sold: Path, home: Path) -> None:
    """A target whose name is also a word of the goal is not read, asked about or refused by the second run."""
    for _ in range(2):
        run = run_pipeline(goal, home=home, approve="auto")
        assert run.status == "succeeded", (run.questions, run.refusals)


def test_a_goal_that_reads_what_it_replaces(sold: Path, home: Path) -> None:
    """A table that the goal itself reads and overwrites stays its source."""
    assert run_pipeline("Load sold.csv into sold_rows", home=home, approve="auto").status == "succeeded"
    goal = "Read sold_rows from warehouse, keep amount below 4, and replace sold_rows"
    for _ in range(2):
        run = run_pipeline(goal, home=home, approve="auto")
        assert run.status == "succeeded", (run.questions, run.refusals, run.failure)
        assert len(rows_of("sold_rows", sold, home, None)[1]) == 2
