"""Pipelines that correct themselves, and ask where rows or meanings are at stake."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import duckdb
import psycopg
import pytest
from harness.proxy import Fault, Proxy
from typer.testing import CliRunner

from agent_etl import Plan, resume_pipeline, run_pipeline
from agent_etl.cli import app
from agent_etl.engine.store import RunStore

LATE = """
name: late
extracts:
- name: readings
  source: here
  dataset: readings.csv
  options: {types: {id: BIGINT, value: BIGINT}}
  expect: {id: BIGINT, value: BIGINT}
LOADS
"""
COPY = "loads: [{name: load, from: readings, target: warehouse, table: readings, mode: replace}]"
SUM = """
transforms: [{name: totals, sql: "SELECT sum(value) AS total FROM readings"}]
loads: [{name: load, from: totals, target: warehouse, table: totals, mode: replace}]
"""


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def readings(*late: str) -> None:
    lines = [f"{number},{number % 10}" for number in range(30_000)]
    Path("readings.csv").write_text("\n".join(["id,value", *lines, *late]) + "\n")


def option(run: Any, words: str) -> dict[str, str]:
    """The answer that chooses the one offered repair with these words."""
    (question,) = run.questions
    (value,) = [each.value for each in question.options if words in each.label]
    return {question.id: value}


@pytest.mark.parametrize(("late", "kind"), [("30000,2.5", "DOUBLE"), ("30000,n/a", "VARCHAR")])
def test_a_column_whose_type_breaks_late_is_widened(home: Path, late: str, kind: str) -> None:
    """Line 30,002 does not fit: the run asks, then every row is loaded under the type that fits."""
    readings(late)
    waiting = run_pipeline(Plan.parse(LATE.replace("LOADS", COPY)))
    assert (waiting.status, waiting.waits_for) == ("waiting", "answers")
    run = resume_pipeline(waiting.run_id, answers=option(waiting, f"as {kind}"))
    assert run.status == "succeeded", run.report()
    assert len(run.repairs) == 1
    assert rows(home, "SELECT count(*), max(id) FROM readings") == [(30_001, 30_000)]
    assert rows(
        home, "SELECT data_type FROM duckdb_columns() WHERE table_name = 'readings' AND column_name = 'value'"
    ) == [(kind,)]


def test_rows_that_do_not_fit_are_set_aside_only_when_agreed(home: Path) -> None:
    """Where text would break the sum, setting the rows aside is the only offer, under every policy, and is counted."""
    readings("30000,n/a", "30001,7")
    waiting = run_pipeline(Plan.parse(LATE.replace("LOADS", SUM)), approve="auto")
    assert waiting.waits_for == "answers"
    assert [each.value for each in waiting.questions[0].options] == ["1", "stop"]
    run = resume_pipeline(waiting.run_id, decision="approve")
    assert run.status == "succeeded", run.report()
    assert rows(home, "SELECT CAST(total AS INT) FROM totals") == [(135_007,)]
    assert {task.step: task.quarantined for task in run.tasks}["readings"] == 1


def test_widening_needs_no_question_under_auto(home: Path) -> None:
    """Under `auto` a type that loses nothing is widened at once, and the report says so."""
    readings("30000,2.5")
    run = run_pipeline(Plan.parse(LATE.replace("LOADS", SUM)), approve="auto")
    assert run.status == "succeeded", run.report()
    assert "DOUBLE" in run.repairs[0]
    assert run.repairs[0] in run.report()


def test_a_person_may_stop_instead(home: Path) -> None:
    """Who wants no repair leaves the run failed, with the failure told, and no target."""
    readings("30000,n/a")
    waiting = run_pipeline(Plan.parse(LATE.replace("LOADS", COPY)))
    run = resume_pipeline(waiting.run_id, decision="reject")
    assert run.status == "failed"
    assert run.failure is not None
    assert run.failure.fields["column"] == "value"
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'readings'").fetchall() == [
            (0,)
        ]


@pytest.mark.parametrize("approve", ["risky", "auto"])
def test_a_renamed_source_column_is_found_again(home: Path, approve: str) -> None:
    """A saved plan over a column that was renamed asks, under every policy, whether the new name is the same."""
    Path("sales.csv").write_text("id,region,amount_usd\n1,north,10\n2,south,20\n")
    plan = Plan.parse(
        """
name: saved
extracts:
- {name: sales, source: here, dataset: sales.csv, where: amount > 5,
   expect: {id: BIGINT, region: VARCHAR, amount: BIGINT}}
transforms: [{name: totals, sql: "SELECT region, sum(amount) AS total FROM sales GROUP BY region"}]
loads: [{name: load, from: totals, target: warehouse, table: totals, mode: replace}]
"""
    )
    waiting = run_pipeline(plan, approve=approve)
    assert waiting.waits_for == "answers", waiting.report()
    run = resume_pipeline(waiting.run_id, answers=option(waiting, "amount_usd"))
    assert run.status == "succeeded", run.report()
    assert rows(home, "SELECT region, CAST(total AS INT) FROM totals ORDER BY 1") == [("north", 10), ("south", 20)]


@pytest.mark.parametrize(("approve", "asks"), [("risky", True), ("auto", False)])
def test_a_target_that_lacks_a_column_gets_it(home: Path, approve: str, asks: bool) -> None:
    """A new column is added to the target, after asking unless the policy is auto; old rows keep their values."""
    text = "name: p\nextracts: [{name: s, source: here, dataset: s.csv}]\n"
    text += "loads: [{name: load, from: s, target: warehouse, table: t, mode: append}]\n"
    Path("s.csv").write_text("id\n1\n")
    assert run_pipeline(Plan.parse(text)).status == "succeeded"
    Path("s.csv").write_text("id,note\n2,new\n")
    run = run_pipeline(Plan.parse(text), approve=approve)
    if asks:
        assert run.waits_for == "answers"
        assert rows(home, "SELECT * FROM t") == [(1,)]
        run = resume_pipeline(run.run_id, answers=option(run, "note"))
    assert run.status == "succeeded", run.report()
    assert rows(home, "SELECT id, note FROM t ORDER BY id") == [(1, None), (2, "new")]


@pytest.mark.postgres
def test_a_dropped_connection_is_tried_again(home: Path, pg_url: str) -> None:
    """A connection that is cut while rows are read is opened again, without asking, and no row is lost or doubled."""
    with psycopg.connect(pg_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE items AS SELECT n AS id, repeat('x', 90) AS name FROM generate_series(1, 20000) n"
        )
    parts = urlsplit(pg_url)
    with Proxy.to(parts.hostname or "", parts.port or 5432) as proxy:
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
        plan = Plan.parse(
            "name: p\nextracts: [{name: items, source: shop, dataset: items}]\n"
            "transforms: [{name: short, sql: SELECT id FROM items}]\n"
            "loads: [{name: load, from: short, target: warehouse, table: items, mode: replace}]\n"
        )
        fault = Fault("cut", after=400_000)
        proxy.fault = fault
        run = run_pipeline(plan, connections={"shop": urlunsplit(parts._replace(netloc=netloc))})
        assert fault.happened.is_set()
    assert run.status == "succeeded", run.report()
    assert rows(home, "SELECT count(*), count(DISTINCT id) FROM items") == [(20_000, 20_000)]
    with RunStore(home) as store:
        assert "retry" in {row.action for row in store.audit_rows(run.run_id)}


def test_repairs_are_audited(home: Path) -> None:
    """Which repair was offered and applied, and why, stands in the audit."""
    readings("30000,2.5")
    run = run_pipeline(Plan.parse(LATE.replace("LOADS", SUM)), approve="auto")
    with RunStore(home) as store:
        acts = [row.action for row in store.audit_rows(run.run_id) if row.actor == "orchestrator"]
    assert {"repairs", "repair"} <= set(acts)


DUCKDB, SQLITE = "duckdb:///t.duckdb", "sqlite:///t.sqlite"


@pytest.fixture(params=(DUCKDB, SQLITE, "postgres"), ids=("duckdb", "sqlite", "postgres"))
def target(request: pytest.FixtureRequest, home: Path) -> str:
    """A target of each system, as the connection `t` of the settings file."""
    url = request.getfixturevalue("pg_url") if request.param == "postgres" else request.param
    Path("agent_etl.toml").write_text(f"[connections]\nt = {json.dumps(url)}\n")
    return str(url)


def held(target: str, query: str) -> list[tuple[Any, ...]]:
    """What the target itself says."""
    if target.startswith("sqlite"):
        with closing(sqlite3.connect("t.sqlite")) as sqlite:
            return sqlite.execute(query).fetchall()
    if target.startswith("duckdb"):
        with duckdb.connect("t.duckdb", read_only=True) as duck:
            return duck.execute(query).fetchall()
    with psycopg.connect(target) as postgres:
        return postgres.execute(query.encode()).fetchall()


def command(*arguments: str) -> tuple[int, dict[str, Any]]:
    """One command as a user gives it: its exit code and its JSON."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.stdout, result.stderr
    return result.exit_code, json.loads(result.stdout)


def answered(approve: str, words: str) -> tuple[list[str], dict[str, Any]]:
    """Run plan.yaml and say yes to all that is asked: what was waited for, and the run's record."""
    waited: list[str] = []
    code, record = command("run", "plan.yaml", "--approve", approve)
    while code == 3 and len(waited) < 5:
        waited.append(record["waits_for"])
        if waited[-1] == "approval":
            code, record = command("resume", record["run_id"], "--approve")
        else:
            (question,) = record["questions"]
            (value,) = [each["value"] for each in question["options"] if words in each["label"]]
            code, record = command("resume", record["run_id"], "--answer", f"{question['id']}={value}")
    assert code == 0, record
    shown = CliRunner().invoke(app, ["show", record["run_id"]]).stdout
    assert len(record["repairs"]) >= 1
    assert all(label in shown for label in record["repairs"])
    return waited, record


@pytest.mark.parametrize(
    ("target", "approve", "waits"),
    [(DUCKDB, "ask", ["approval", "answers"]), (SQLITE, "auto", []), ("postgres", "risky", ["answers"])],
    indirect=["target"],
)
def test_a_long_file_that_breaks_late_ends_whole_in_every_target(target: str, approve: str, waits: list[str]) -> None:
    """Row 150,000 of 200,000 does not fit: whatever was streamed before is not there twice, and no row is missing."""
    lines = (f"{number},{'2.5' if number == 150_000 else number % 10}" for number in range(200_000))
    Path("readings.csv").write_text("\n".join(["id,value", *lines]) + "\n")
    Path("plan.yaml").write_text(LATE.replace("LOADS", COPY).replace("warehouse", "t"))
    assert answered(approve, "as DOUBLE")[0] == waits
    assert held(target, "SELECT count(*), count(DISTINCT id) FROM readings") == [(200_000, 200_000)]
    assert held(target, "SELECT value FROM readings WHERE id = 150000") == [(2.5,)]


@pytest.mark.parametrize(
    ("target", "approve", "waits"),
    [(DUCKDB, "ask", ["answers", "approval"]), (SQLITE, "risky", ["answers"]), ("postgres", "auto", [])],
    indirect=["target"],
)
def test_a_new_column_reaches_every_target(target: str, approve: str, waits: list[str]) -> None:
    """The column is added to the target's table; under `ask` the corrected plan is shown before it runs."""
    plan = "name: p\nextracts: [{name: s, source: here, dataset: s.csv}]\n"
    Path("plan.yaml").write_text(plan + "loads: [{name: load, from: s, target: t, table: out, mode: append}]\n")
    Path("s.csv").write_text("id\n1\n")
    assert command("run", "plan.yaml", "--approve", "auto")[0] == 0
    Path("s.csv").write_text("id,note\n2,new\n")
    assert answered(approve, "note")[0] == waits
    assert held(target, "SELECT id, note FROM out ORDER BY id") == [(1, None), (2, "new")]


def test_a_merge_key_whose_type_breaks_late_is_read_as_what_it_is(home: Path) -> None:
    """What the measuring of a key runs into before the run is the source's failure, and is repaired like it."""
    readings("n30000,1")
    Path("plan.yaml").write_text(LATE.replace("LOADS", COPY.replace("mode: replace", "mode: merge, key: [id]")))
    answered("risky", "as VARCHAR")
    assert rows(home, "SELECT count(*), count(DISTINCT id) FROM readings") == [(30_001, 30_001)]


def test_a_type_that_the_target_does_not_keep_is_not_the_end(target: str) -> None:
    """A table of integers takes no 2.5: after the wider type the row may be set aside, and nothing is doubled."""
    Path("readings.csv").write_text("id,value\n-1,1\n")
    text = LATE.replace("LOADS", COPY.replace("mode: replace", "mode: append")).replace("warehouse", "t")
    Path("plan.yaml").write_text(text)
    assert command("run", "plan.yaml", "--approve", "auto")[0] == 0
    readings("30000,2.5")
    waited, _ = answered("auto", "aside")
    assert waited == ["answers"]
    assert held(target, "SELECT count(*), count(DISTINCT id), max(id) FROM readings") == [(30_001, 30_001, 29_999)]
