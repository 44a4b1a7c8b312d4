"""The load agent's proofs of deletes and histories, against real targets."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from harness.bench import Written, planned

from agent_etl.agents import load, monitor
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.duck import connect
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Plan

# ruff: noqa: E501
Bench = Callable[[Plan], Workbench]
STEPS = """
- {name: result, sql: 'SELECT id, status, day, amount > 5 AS gone, amount FROM orders'}
- {name: dated, sql: 'SELECT id, status, day AS valid_from, day AS valid_to FROM orders'}
"""


@pytest.fixture
def histories(bench: Bench) -> None:
    """Two tables of the mart: one with a history in days, one without any."""
    with closing(connect(Path("mart.duckdb"))) as connection:
        connection.execute("CREATE TABLE days (id INTEGER, status VARCHAR, valid_from DATE, valid_to DATE)")
        connection.execute("CREATE TABLE plain AS SELECT 1::BIGINT AS id, 'x' AS status")


def proved(bench: Bench, line: str) -> list[Finding]:
    plan = planned(STEPS, f"- {{name: out, {line}}}")
    made = bench(plan)
    return [*load.prove(plan, made), *monitor.prove(plan, made)]


def errors(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings if finding.severity == "error"]


@pytest.mark.parametrize(
    "line",
    [
        "from: result, target: mart, table: fresh, mode: merge, key: [id], delete_by: gone",
        "from: result, target: mart, table: fresh, mode: merge, key: [id], delete_missing: true",
        "from: result, target: mart, table: fresh, mode: scd2, key: [id], effective: day",
        "from: result, target: mart, table: fresh, mode: scd2, key: [id], delete_missing: true",
        "from: result, target: here, table: fresh.csv, mode: scd2, key: [id]",
    ],
)
def test_a_load_that_can_be_is_silent(bench: Bench, line: str) -> None:
    """A flag, a time of change and a key that hold: nothing to say."""
    assert [finding for finding in proved(bench, line) if finding.severity != "note"] == []


@pytest.mark.usefixtures("histories")
@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        ("from: result, target: mart, table: t, mode: merge, key: [id], delete_by: gon", "unknown_column", "nearest: gone"),
        ("from: result, target: mart, table: t, mode: merge, key: [id], delete_by: status", "type_mismatch", "status is VARCHAR, and delete_by needs a BOOLEAN"),
        ("from: result, target: mart, table: t, mode: scd2, key: [id], effective: amount", "type_mismatch", "and effective needs a date or a time"),
        ("from: result, target: mart, table: t, mode: scd2, key: [id], effective: dey", "unknown_column", "nearest: day"),
        ("from: result, target: mart, table: t, mode: scd2, key: [nr]", "unknown_column", "no column nr"),
        ("from: result, target: mart, table: t, mode: scd2, key: [status]", "merge_key_not_unique", "name the time of change as effective"),
        ("from: dated, target: mart, table: t, mode: scd2, key: [id], effective: valid_from", "history_column_given", "a column valid_to"),
        ("from: result, target: mart, table: plain, mode: scd2, key: [id], evolve: {day: DATE, gone: BOOLEAN, amount: DOUBLE}", "no_history", "plain in mart has no column valid_from, valid_to"),
        ("from: result, target: mart, table: days, mode: scd2, key: [id], evolve: {day: DATE, gone: BOOLEAN, amount: DOUBLE}", "type_not_lossless", "valid_from of days in mart is DATE, which does not take the load's time"),
    ],
)  # fmt: skip
def test_a_load_that_cannot_be_is_stopped(bench: Bench, line: str, code: str, sentence: str) -> None:
    """Flags, times, keys and tables that do not hold are errors that say what is wrong and what is valid."""
    found = [finding for finding in proved(bench, line) if finding.severity == "error" and finding.code == code]
    assert found and sentence in str(found[0]), proved(bench, line)


def test_what_a_part_lacks_is_not_deleted(bench: Bench) -> None:
    """A source whose bad rows are set aside cannot say which keys are missing: the load is stopped."""
    extracts = "- {name: orders, source: here, dataset: orders.csv, options: {on_error: quarantine}}"
    loads = "- {name: out, from: orders, target: mart, table: t, mode: merge, key: [id], delete_missing: true}"
    plan = planned("[]", loads, extracts)
    assert "delete_missing_of_a_part" in errors(list(load.prove(plan, bench(plan))))


def test_deleting_what_others_wrote_asks(bench: Bench, written: Written) -> None:
    """Deleting from rows that this home has not written is a risk that says what goes; its own rows are not."""
    steps = "- {name: result, sql: 'SELECT status, sum(amount) AS total, true AS gone FROM orders GROUP BY status'}"
    for more, words in (("delete_by: gone", "deletes by gone from"), ("delete_missing: true", "deletes what the data lacks from")):  # fmt: skip
        sql = steps if "gone" in more else steps.replace(", true AS gone", "")
        plan = planned(
            sql, f"- {{name: out, from: result, target: mart, table: totals, mode: merge, key: [status], {more}}}"
        )
        written.tables.clear()
        risks = [finding for finding in load.prove(plan, bench(plan)) if finding.severity == "risk"]
        assert [risk.code for risk in risks] == ["overwrites_rows"] and words in risks[0].message
        written.tables.add("totals")
        assert [finding for finding in load.prove(plan, bench(plan)) if finding.severity != "note"] == []


@pytest.mark.parametrize("mode", ["merge", "scd2"])
def test_an_empty_source_that_would_delete_all_asks(bench: Bench, mode: str) -> None:
    """A source without rows, whose absence would delete or retire every key, is a risk, as for a replace."""
    Path("none.csv").write_text("id,word\n")
    extracts = "- {name: none, source: here, dataset: none.csv}"
    loads = f"- {{name: out, from: none, target: mart, table: t, mode: {mode}, key: [id], delete_missing: true}}"
    plan = planned("[]", loads, extracts)
    risks = [finding.code for finding in monitor.prove(plan, bench(plan)) if finding.severity == "risk"]
    assert risks == ["empty_source"]
