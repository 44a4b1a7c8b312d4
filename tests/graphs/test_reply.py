"""What a person says to a run, and when it does not fit."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from agent_etl import Plan, get_run, resume_pipeline, run_pipeline
from agent_etl.engine.errors import UsageError
from agent_etl.engine.observe.events import Event
from agent_etl.graphs.reply import Reply

GOAL = "Load sales.csv, compute the total amount per region and replace totals"
PLAN = """
name: totals
extracts: [{name: sales, source: here, dataset: sales.csv}]
transforms: [{name: totals, sql: "SELECT region, sum(amount) AS total FROM sales GROUP BY region"}]
loads: [{name: load, from: totals, target: warehouse, table: totals, mode: replace}]
"""
RIGHT = Plan.parse(PLAN)
BROKEN = Plan.parse(PLAN.replace("sum(amount)", "sum(amounts)"))


@pytest.fixture(autouse=True)
def _sales(home: Path) -> None:
    Path("sales.csv").write_text("id,region,amount\n1,north,10\n2,south,20\n3,north,30\n")


def totals(home: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("SELECT region, CAST(total AS INT) FROM totals ORDER BY 1").fetchall()


def interrupt_at(kind: str, run_id: str, approve: str) -> None:
    """A run of the goal that Ctrl-C stops when it first tells of an event of that kind."""

    def listen(event: Event) -> None:
        if event.kind == kind:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(GOAL, run_id=run_id, approve=approve, on_event=listen)
    assert get_run(run_id).status == "interrupted"


def test_a_decision_is_one_of_those_that_there_are() -> None:
    """A misspelt decision is refused with the valid ones before anything happens."""
    for wrong in ("aprove", 5):
        with pytest.raises(UsageError) as raised:
            Reply(decision=wrong)  # type: ignore[arg-type]
        assert "approve" in raised.value.fields["valid"]
    assert Reply(decision=True).agrees
    assert not Reply(decision="reject").agrees


def test_a_failed_run_takes_an_edited_plan(home: Path) -> None:
    """The plan that is handed in is proved and runs instead of the one that failed, under the same id."""
    assert run_pipeline(BROKEN, run_id="r").status == "failed"
    run = resume_pipeline("r", decision=RIGHT)
    assert (run.status, run.plan_hash) == ("succeeded", RIGHT.hash), run.report()
    assert totals(home) == [("north", 40), ("south", 20)]


def test_a_plan_for_a_failed_run_is_proved(home: Path) -> None:
    """An edited plan that does not hold leaves the run failed, and the next edit is taken."""
    other = Plan.parse(PLAN.replace("FROM sales", "FROM sails"))
    assert run_pipeline(BROKEN, run_id="r").status == "failed"
    run = resume_pipeline("r", decision=other)
    assert (run.status, run.plan_hash, run.failure and run.failure.step) == ("failed", other.hash, "totals")
    assert resume_pipeline("r", decision=RIGHT).status == "succeeded"


def test_an_edited_plan_is_never_replaced_by_the_planners_own(home: Path) -> None:
    """A goal's plan that a person edited wrongly ends as failed; the plan before the edit does not come back."""
    run_pipeline(GOAL, run_id="r", approve="ask")
    run = resume_pipeline("r", decision=BROKEN)
    assert (run.status, run.plan_hash) == ("failed", BROKEN.hash)
    assert run.failure is not None
    assert run.failure.fields["candidates"] == "amount"
    assert not (home / "warehouse.duckdb").exists()


@pytest.mark.parametrize("reply", [{"decision": "approve"}, {"decision": False}, {"answers": {"x": "1"}}])
def test_a_failed_run_waits_for_nobody(reply: dict[str, Any]) -> None:
    """An approval, a rejection or an answer for a failed run is refused with the command that tries it again."""
    run_pipeline(BROKEN, run_id="r")
    with pytest.raises(UsageError) as raised:
        resume_pipeline("r", **reply)
    assert "agent-etl resume r" in raised.value.hint
    assert get_run("r").status == "failed"


@pytest.mark.parametrize("reply", [{"decision": "reject"}, {"decision": RIGHT}])
def test_an_interrupted_run_goes_on_with_its_plan_or_not_at_all(reply: dict[str, Any], home: Path) -> None:
    """A rejection or another plan for an interrupted run is refused, and nothing runs."""
    interrupt_at("plan_drafted", "r", "risky")
    with pytest.raises(UsageError):
        resume_pipeline("r", **reply)
    assert get_run("r").status == "interrupted"
    assert not (home / "warehouse.duckdb").exists()
    assert resume_pipeline("r").status == "succeeded"


def test_nobody_approves_what_nobody_was_shown(home: Path) -> None:
    """An approval that comes before its plan was asked about is not taken: the run then waits for a decision."""
    interrupt_at("survey_done", "r", "ask")
    run = resume_pipeline("r", decision="approve")
    assert (run.status, run.waits_for) == ("waiting", "approval")
    assert not (home / "warehouse.duckdb").exists()
    assert resume_pipeline("r", decision="approve").status == "succeeded"


def test_an_approval_that_an_interruption_swallowed_is_given_again() -> None:
    """Who approved and then stopped the run may say the same again to go on."""
    run_pipeline(GOAL, run_id="r", approve="ask")

    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resume_pipeline("r", decision="approve", on_event=stop)
    assert resume_pipeline("r", decision="approve").status == "succeeded"


@pytest.mark.parametrize("reply", [{"decision": False}, {"decision": BROKEN}, {"answers": {"x": "1"}}])
def test_an_ended_run_stays_what_it_is(reply: dict[str, Any]) -> None:
    """Another plan, a rejection or an answer for a run that succeeded is refused; the same plan or a yes is not."""
    run_pipeline(RIGHT, run_id="r")
    with pytest.raises(UsageError) as raised:
        resume_pipeline("r", **reply)
    assert raised.value.fields["status"] == "succeeded"
    for again in ({}, {"decision": "approve"}, {"decision": RIGHT}):
        assert resume_pipeline("r", **again).status == "succeeded"


def test_a_rejected_run_is_not_approved_afterwards() -> None:
    """A yes after the no is refused; it is no silent refusal."""
    run_pipeline(RIGHT, run_id="r", approve="ask")
    assert resume_pipeline("r", decision="reject").status == "refused"
    with pytest.raises(UsageError):
        resume_pipeline("r", decision="approve")
    assert resume_pipeline("r", decision="reject").status == "refused"
