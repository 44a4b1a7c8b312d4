"""Whole pipelines: from a goal or a plan to a loaded table, with pauses, in several processes."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from agent_etl import Plan, get_run, list_runs, plan_pipeline, resume_pipeline, run_pipeline
from agent_etl.engine.errors import Busy, SettingsError, UnknownRun, UsageError
from agent_etl.engine.store import RunStore
from agent_etl.graphs.result import Run

SALES = "id,region,amount\n1,north,10\n2,south,20\n3,north,30\n"
PLAN = """
name: totals
extracts: [{name: sales, source: here, dataset: sales.csv}]
transforms: [{name: totals, sql: "SELECT region, sum(amount) AS total FROM sales GROUP BY region"}]
checks: [{name: filled, on: totals, kind: not_null, columns: [region]}]
loads: [{name: load, from: totals, target: warehouse, table: totals, mode: replace}]
"""
JOINED = """
name: managed
extracts: [{name: sales, source: here, dataset: sales.csv}, {name: regions, source: here, dataset: regions.csv}]
transforms:
- {name: few, sql: "SELECT DISTINCT * FROM sales WHERE amount > 5"}
- {name: managed, sql: "SELECT few.id, regions.manager FROM few JOIN regions ON few.region = regions.region"}
loads: [{name: load, from: managed, target: warehouse, table: managed, mode: replace}]
"""
AMBIGUOUS = (
    "Load orders.csv and customers.csv, join them on customer_id, compute the total amount per region "
    "and replace totals"
)
ROWS = [("north", 40), ("south", 20)]


@pytest.fixture
def plan(home: Path, tmp_path: Path) -> Plan:
    """A plan over a small file in the current folder."""
    (tmp_path / "sales.csv").write_text(SALES)
    return Plan.parse(PLAN)


def cli(*arguments: str) -> tuple[int, dict[str, Any]]:
    """A command in a process of its own: its exit code and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "agent_etl", *arguments, "--json"], capture_output=True, text=True, timeout=100
    )
    assert done.stdout, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, record


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of the default warehouse."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def totals(home: Path) -> list[tuple[Any, ...]]:
    return rows(home, "SELECT region, CAST(total AS INT) FROM totals ORDER BY region")


def ambiguous(folder: Path) -> None:
    """Two files that both have a region."""
    (folder / "orders.csv").write_text("order_id,customer_id,amount,region\n1,1,10,x\n2,2,20,y\n")
    (folder / "customers.csv").write_text("customer_id,region,name\n1,north,a\n2,south,b\n")


def test_a_plan_runs_to_its_end(plan: Plan, home: Path) -> None:
    """A plan by hand is proved, run, loaded and told; its rows, lineage and events can be read back."""
    run = run_pipeline(plan)
    assert run.status == "succeeded", run.report()
    assert totals(home) == ROWS
    assert [(load.table, load.rows, load.already) for load in run.loads] == [("totals", 2, False)]
    assert run.dataset("sales").num_rows == 3
    assert sorted(run.dataset()["region"].to_pylist()) == ["north", "south"]
    assert run.lineage()[0].sources == ("here.sales.csv",)
    kinds = [event.kind for event in run.events()]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_done")
    assert get_run(run.run_id).report() == run.report()
    assert [summary.status for summary in list_runs()] == ["succeeded"]


def test_the_same_plan_again_writes_nothing(plan: Plan) -> None:
    """Unchanged input is not loaded twice."""
    first, again = run_pipeline(plan), run_pipeline(plan)
    assert again.loads[0].already
    assert again.loads[0].marker == first.loads[0].marker


def test_every_act_is_audited(plan: Plan, home: Path) -> None:
    """Decisions, tool calls and effects stand in the audit of the run."""
    run = run_pipeline(plan)
    with RunStore(home) as store:
        acts = {(row.actor, row.action) for row in store.audit_rows(run.run_id)}
    assert {("orchestrator", "judge"), ("load", "run_task"), ("preflight", "describe_plan_sources")} <= acts


def test_an_approval_is_given_in_another_process(plan: Plan, home: Path, tmp_path: Path) -> None:
    """A run that asks waits without touching the target, and another process lets it run."""
    (tmp_path / "plan.yaml").write_text(PLAN)
    code, asked = cli("run", "plan.yaml", "--approve", "ask")
    assert (code, asked["status"], asked["waits_for"]) == (3, "waiting", "approval")
    assert not (home / "warehouse.duckdb").exists()
    assert get_run(asked["run_id"]).status == "waiting"
    code, done = cli("resume", asked["run_id"], "--approve")
    assert (code, done["status"]) == (0, "succeeded")
    assert totals(home) == ROWS


def test_a_rejected_plan_touches_nothing(plan: Plan, home: Path) -> None:
    """A person's no ends the run as refused."""
    waiting = run_pipeline(plan, approve="ask")
    run = resume_pipeline(waiting.run_id, decision="reject")
    assert (run.status, run.loads) == ("refused", ())
    assert not (home / "warehouse.duckdb").exists()


def test_an_edited_plan_is_proved_again(plan: Plan, home: Path) -> None:
    """What runs is the edited plan; one that does not hold stops before the target."""
    waiting = run_pipeline(plan, approve="ask")
    edited = Plan.parse(PLAN.replace("sum(amount)", "sum(amount) * 2"))
    run = resume_pipeline(waiting.run_id, decision=edited)
    assert (run.status, run.plan_hash) == ("succeeded", edited.hash)
    assert totals(home) == [("north", 80), ("south", 40)]
    waiting = run_pipeline(plan, approve="ask")
    broken = Plan.parse(PLAN.replace("sum(amount)", "sum(amounts)"))
    run = resume_pipeline(waiting.run_id, decision=broken)
    assert (run.status, run.failure and run.failure.code) == ("failed", "unknown_column")
    assert totals(home) == [("north", 80), ("south", 40)]


def test_a_callable_policy_decides_at_once(plan: Plan, home: Path) -> None:
    """A callable sees the waiting run and its answer is taken."""
    seen: list[Run] = []

    def decide(run: Run) -> bool:
        seen.append(run)
        return len(seen) > 1

    assert run_pipeline(plan, approve=decide).status == "refused"
    assert run_pipeline(plan, approve=decide).status == "succeeded"
    assert {run.waits_for for run in seen} == {"approval"}


def test_replacing_foreign_rows_asks(plan: Plan, home: Path) -> None:
    """By default a run asks before it replaces rows that this home has not written, and not for its own."""
    run_pipeline(plan)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE foreign_totals AS SELECT 'x' AS region, 1::HUGEINT AS total")
    foreign = Plan.parse(PLAN.replace("table: totals", "table: foreign_totals"))
    waiting = run_pipeline(foreign)
    assert waiting.waits_for == "approval"
    assert "overwrites_rows" in {finding.code for finding in waiting.findings}
    assert resume_pipeline(waiting.run_id, decision="approve").status == "succeeded"
    (Path("sales.csv")).write_text(SALES + "4,east,5\n")
    assert run_pipeline(foreign).status == "succeeded"


def test_a_question_is_answered_in_another_process(home: Path, tmp_path: Path) -> None:
    """An ambiguous goal waits with grounded options; the answer, given elsewhere, makes the plan."""
    ambiguous(tmp_path)
    code, asked = cli("run", AMBIGUOUS)
    assert (code, asked["waits_for"]) == (3, "answers")
    assert not (home / "warehouse.duckdb").exists()
    (question,) = asked["questions"]
    value = next(option["value"] for option in question["options"] if "customers" in option["value"])
    code, done = cli("resume", asked["run_id"], "--answer", f"{question['id']}={value}")
    assert (code, done["status"]) == (0, "succeeded"), done
    found = rows(home, "SELECT region, CAST(COLUMNS(* EXCLUDE region) AS INT) FROM totals ORDER BY 1")
    assert found == [("north", 10), ("south", 20)]
    again = run_pipeline(AMBIGUOUS, answers={question["quote"]: value})
    assert again.status == "succeeded"


def test_wrong_answers_leave_the_run_waiting(home: Path, tmp_path: Path) -> None:
    """A wrong id, value or kind of reply is refused with what is valid, and the run still waits."""
    ambiguous(tmp_path)
    run = run_pipeline(AMBIGUOUS)
    (question,) = run.questions
    for answers in ({"nothing": "x"}, {question.id: "no such column"}):
        with pytest.raises(UsageError) as raised:
            resume_pipeline(run.run_id, answers=answers)
        assert raised.value.fields["valid"]
    with pytest.raises(UsageError):
        resume_pipeline(run.run_id, decision="approve")
    assert resume_pipeline(run.run_id).status == "waiting"
    assert get_run(run.run_id).questions == run.questions


@pytest.mark.parametrize(
    "goal", ["Load sales.csv, email it to bob and replace x", "Load sales.csv and train a model on it"]
)
def test_a_refused_goal_touches_nothing(goal: str, plan: Plan, home: Path) -> None:
    """What cannot be done is refused with the words, and no target comes to be."""
    run = run_pipeline(goal)
    assert run.status == "refused"
    assert all(refusal.quote in goal for refusal in run.refusals)
    assert run.refusals
    assert not (home / "warehouse.duckdb").exists()
    assert not Path("x").exists()


def test_planning_writes_no_run(plan: Plan, home: Path) -> None:
    """plan_pipeline gives the proved draft and executes nothing."""
    draft = plan_pipeline("Load sales.csv, compute the total amount per region and replace totals")
    assert draft.plan is not None
    assert all(finding.severity != "error" for finding in draft.findings)
    assert list_runs() == []
    assert not (home / "warehouse.duckdb").exists()
    with pytest.raises(UsageError):
        plan_pipeline("Load sales.csv and replace totals", answers={"no_such_question": "x"})


def test_an_answer_to_nothing_stops_before_it_runs(plan: Plan, home: Path) -> None:
    """An answer that fits no question of the goal is the caller's mistake, not ignored."""
    with pytest.raises(UsageError):
        run_pipeline("Load sales.csv and replace totals", answers={"no_such_question": "x"})
    assert not (home / "warehouse.duckdb").exists()


def test_what_is_wrong_about_a_call(plan: Plan) -> None:
    """Wrong policies, empty goals, taken ids and unknown runs are refused by name."""
    for wrong in ({"goal": plan, "approve": "maybe"}, {"goal": " "}, {"goal": plan, "run_id": "../x"}):
        with pytest.raises(UsageError):
            run_pipeline(**wrong)
    run_pipeline(plan, run_id="mine")
    with pytest.raises(UsageError, match="there already"):
        run_pipeline(plan, run_id="mine")
    with pytest.raises(UnknownRun):
        resume_pipeline("nothing")
    assert resume_pipeline("mine").status == "succeeded"


def test_a_run_is_resumed_once_at_a_time(plan: Plan, home: Path) -> None:
    """A second process that resumes a run is told who works on it."""
    run = run_pipeline(plan, approve="ask")
    with RunStore(home) as store, store.lease(run.run_id), pytest.raises(Busy) as raised:
        resume_pipeline(run.run_id, decision="approve")
    assert raised.value.fields["holder"]


def test_a_password_is_asked_for_again(plan: Plan, home: Path) -> None:
    """A given connection is remembered without its password; resuming without it names the connection."""
    secret = "postgresql://etl:canary-7c1@127.0.0.1:1/none"
    run = run_pipeline(plan, approve="ask", connections={"crm": secret})
    assert b"canary-7c1" not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    with pytest.raises(SettingsError) as raised:
        resume_pipeline(run.run_id, decision="approve")
    assert raised.value.fields["connection"] == "crm"
    assert resume_pipeline(run.run_id, decision="approve", connections={"crm": secret}).status == "succeeded"


def test_a_failed_run_can_be_tried_again(plan: Plan, home: Path) -> None:
    """A run that failed for a reason outside the plan goes on when that reason is gone."""
    Path("sales.csv").rename("away.csv")
    run = run_pipeline(plan)
    assert run.status == "failed"
    assert run.failure is not None
    Path("away.csv").rename("sales.csv")
    assert resume_pipeline(run.run_id).status == "succeeded"
    assert totals(home) == ROWS


def test_a_failing_check_stops_before_the_load(plan: Plan, home: Path) -> None:
    """A check that does not hold fails the run and the target stays as it is."""
    run_pipeline(plan)
    Path("sales.csv").write_text(SALES + "4,,5\n")
    run = run_pipeline(plan)
    assert (run.status, run.failure and run.failure.code) == ("failed", "check_failed")
    assert totals(home) == ROWS


def test_rows_that_a_join_leaves_out_are_told_and_not_asked_about(home: Path, tmp_path: Path) -> None:
    """Under the default policy a lossy join runs through, and the report counts what it left out."""
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / "regions.csv").write_text("region,manager\nnorth,ann\n")
    run = run_pipeline(Plan.parse(JOINED))
    assert run.status == "succeeded", run.report()
    assert "up to 1 of 3 rows of sales have no partner in regions and are left out" in run.report()


@pytest.mark.parametrize(("place", "value"), [("source", "her"), ("target", "warehose"), ("source", "ftp://a/b")])
def test_a_plan_that_names_no_connection_fails_with_the_valid_names(plan: Plan, place: str, value: str) -> None:
    """An unknown source or target ends the run as failed, saying what would be valid, and nothing is written."""
    part = "extracts" if place == "source" else "loads"
    (step,) = getattr(plan, part)
    run = run_pipeline(plan.model_copy(update={part: (step.model_copy(update={place: value}),)}))
    assert run.status == "failed"
    assert run.failure is not None
    assert (run.failure.step, run.failure.code) == (step.name, "unknown_connection")
    assert "warehouse" in run.failure.hint or "sqlite" in run.failure.hint
    assert run.tasks == ()


def test_an_unset_variable_fails_the_run_at_its_step(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose secret is not set fails the step that needs it; once it is set, the run is resumed."""
    connections = {"shop": "sqlite:///${SHOP_FILE}"}
    (step,) = plan.extracts
    wrong = plan.model_copy(update={"extracts": (step.model_copy(update={"source": "shop", "dataset": "sales"}),)})
    with closing(sqlite3.connect("shop.sqlite")) as shop:
        shop.executescript("CREATE TABLE sales (id INT, region TEXT, amount INT); INSERT INTO sales VALUES (1, 'n', 5)")
    run = run_pipeline(wrong, connections=connections)
    assert run.status == "failed"
    assert run.failure is not None
    assert "SHOP_FILE" in run.report()
    monkeypatch.setenv("SHOP_FILE", "shop.sqlite")
    assert resume_pipeline(run.run_id).status == "succeeded"


BROKEN = {
    "transforms": ("totals", "sum(amount) AS total", "sum(CAST(note AS INTEGER)) AS total", "sql"),
    "extracts": ("sales", "dataset: sales.csv", "dataset: sales.csv, where: CAST(note AS INTEGER) > 0", "where"),
    "checks": ("filled", "kind: not_null, columns: [region]", "kind: expression, sql: CAST(low AS INTEGER) > 0", "sql"),
}


@pytest.mark.parametrize("part", BROKEN)
def test_sql_that_fails_on_a_row_is_a_failure_of_its_step(home: Path, tmp_path: Path, part: str) -> None:
    """A cast that a late row does not let through names step, column and type, quotes no row, and loads nothing."""
    lines = [f"{number},north,10,{number}" for number in range(5000)]
    (tmp_path / "sales.csv").write_text("\n".join(["id,region,amount,note", *lines, "5000,south,20,SECRET"]) + "\n")
    step, before, after, field = BROKEN[part]
    text = PLAN.replace("SELECT region,", "SELECT max(trim(note)) AS low, region,").replace(before, after)
    run = run_pipeline(Plan.parse(text))
    assert run.status == "failed", run.report()
    assert run.failure is not None
    assert (run.failure.step, run.failure.code, run.failure.fields["field"]) == (step, "computation_failed", field)
    assert run.failure.fields["type"] == "INTEGER"
    assert "SECRET" not in run.report() and ".writing" not in run.report()
    assert not run.loads
    again = resume_pipeline(run.run_id)
    assert again.failure is not None
    assert again.failure.fingerprint == run.failure.fingerprint
