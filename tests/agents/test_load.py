"""The load agent's proofs, against real targets."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from harness.bench import Written, planned

from agent_etl.agents import load
from agent_etl.agents.workbench import Workbench
from agent_etl.connectors.registry import open_connections
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Plan
from agent_etl.engine.settings import Settings, load_settings

# ruff: noqa: E501
Bench = Callable[[Plan], Workbench]
BY_STATUS = "- {name: result, sql: 'SELECT status, sum(amount) AS total FROM orders GROUP BY status'}"


def proved(bench: Bench, loads: str, steps: str = BY_STATUS) -> list[Finding]:
    plan = planned(steps, loads)
    return list(load.prove(plan, bench(plan)))


def serious(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in findings if finding.severity != "note"]


@pytest.mark.parametrize(
    "line",
    [
        "{name: out, from: result, target: warehouse, table: fresh, mode: replace}",
        "{name: out, from: result, target: warehouse, table: fresh, mode: merge, key: [status]}",
        "{name: out, from: result, target: mart, table: totals, mode: append}",
        "{name: out, from: result, target: here, table: out.parquet, mode: replace}",
        "{name: out, from: result, target: mart, table: strict2, mode: append}",
    ],
)
def test_a_load_that_fits_is_silent(bench: Bench, line: str) -> None:
    """A new table, an append that fits, a merge by the group's key: nothing to say."""
    assert serious(proved(bench, f"- {line}")) == []


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        ("{name: out, from: result, target: matr, table: t}", "unknown_connection", "nearest: mart"),
        ("{name: out, from: result, target: mart, table: t, mode: merge, key: [stats]}", "unknown_column", "nearest: status"),
        ("{name: out, from: orders, target: mart, table: t, mode: merge, key: [status]}", "merge_key_not_unique", "status does not identify a row of orders: 4 rows, 2 keys"),
        ("{name: out, from: result, target: mart, table: loose, mode: merge, key: [status]}", "target_key_not_unique", "1 values of status stand in several rows of loose already"),
        ("{name: out, from: orders, target: mart, table: totals}", "target_lacks_column", "totals in mart has no column id, customer_id, amount, day"),
    ],
)  # fmt: skip
def test_a_load_that_cannot_be_is_stopped(bench: Bench, line: str, code: str, sentence: str) -> None:
    """Targets, keys and columns that do not hold are errors that say what is wrong and what is valid."""
    errors = [finding for finding in proved(bench, f"- {line}") if finding.severity == "error"]
    assert [finding.code for finding in errors] == [code]
    assert sentence in str(errors[0])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("target: here, table: out.csv, format: parquet", "format_contradiction"),
        ("target: mart, table: t, format: csv", "format_without_file"),
        ("target: box, table: ../out.csv", "target_error"),
        ("target: here, table: orders.csv/out.csv", "folder_not_writable"),
    ],
)
def test_a_file_that_cannot_be_written_is_stopped(bench: Bench, line: str, code: str) -> None:
    """A format that the name contradicts, a path out of the folder or below a file: errors before anything runs."""
    findings = proved(bench, f"- {{name: out, from: result, {line}}}")
    assert [finding.code for finding in findings if finding.severity == "error"] == [code]


def test_a_lacking_column_may_be_added(bench: Bench) -> None:
    """Columns named under evolve are added to the target, so their absence is no finding."""
    steps = "- {name: result, sql: 'SELECT status, sum(amount) AS total, count(*) AS n FROM orders GROUP BY 1'}"
    line = "- {name: out, from: result, target: mart, table: totals%s}"
    (finding,) = [found for found in proved(bench, line % "", steps) if found.severity == "error"]
    assert finding.hint == "add evolve: {n: BIGINT} to the load, or drop them"
    assert serious(proved(bench, line % ", evolve: {n: BIGINT}", steps)) == []


def test_types_that_lose_are_stopped(bench: Bench) -> None:
    """A text cannot go into a number column; what can be checked value by value is left to the load."""
    steps = "- {name: result, sql: 'SELECT status, status AS total, status AS who FROM orders'}"
    findings = proved(bench, "- {name: out, from: result, target: mart, table: strict}", steps)
    assert [finding.code for finding in findings] == ["type_not_lossless"]
    numbers = "- {name: result, sql: 'SELECT status, amount AS total, status AS who FROM orders'}"
    assert proved(bench, "- {name: out, from: result, target: mart, table: strict}", numbers) == []


def test_a_column_that_must_be_filled_is_noted(bench: Bench) -> None:
    """A target column without nulls that the data does not have is said; it may have a default."""
    findings = proved(bench, "- {name: out, from: result, target: mart, table: strict}")
    assert ("note", "target_column_unfilled") in [(found.severity, found.code) for found in findings]


def test_rows_of_others_are_not_overwritten_unasked(bench: Bench, written: Written) -> None:
    """Replacing or merging into rows that this home has not written is a risk, with their number; its own are not."""
    for line in ("mode: replace", "mode: merge, key: [status]"):
        loads = f"- {{name: out, from: result, target: mart, table: totals, {line}}}"
        written.tables.clear()
        (finding,) = [found for found in proved(bench, loads) if found.severity == "risk"]
        assert (finding.code, dict(finding.evidence)["rows"]) == ("overwrites_rows", "1")
        written.tables.add("totals")
        assert serious(proved(bench, loads)) == []


def test_a_protected_connection_asks(bench: Bench, settings: Settings, tmp_path: Path) -> None:
    """Any load into a protected connection is a risk, whatever its mode."""
    Path("agent_etl.toml").write_text('[connections]\nsafe = { url = "duckdb:///safe.duckdb", protected = true }\n')
    with closing(open_connections(load_settings(home=tmp_path / "home"))) as registry:
        plan = planned(
            "[]",
            "- {name: out, from: orders, target: safe, table: t}",
            "- {name: orders, source: here, dataset: orders.csv}",
        )
        made = bench(plan)
        findings = load.prove(plan, Workbench(registry, made.catalogue, made.prober, made.settings))
    assert [finding.code for finding in findings] == ["protected_target"]


def test_two_loads_of_one_table_are_stopped(bench: Bench) -> None:
    """A table that two loads write, under whatever names of the connection, is an error."""
    loads = """
- {name: one, from: result, target: mart, table: t}
- {name: two, from: orders, target: mart, table: T}
"""
    assert ("error", "same_target") in serious(proved(bench, loads))


def test_reading_what_is_replaced_is_a_risk(bench: Bench) -> None:
    """A plan that replaces the table that it reads says so before it runs."""
    extracts = "- {name: totals, source: mart, dataset: totals}"
    plan = planned("[]", "- {name: out, from: totals, target: mart, table: totals, mode: replace}", extracts)
    assert ("risk", "reads_its_target") in serious(list(load.prove(plan, bench(plan))))


def test_a_key_that_only_the_run_can_check_is_noted(bench: Bench) -> None:
    """A computed key is neither proven nor refuted: the load checks it before it writes."""
    steps = "- {name: result, sql: 'SELECT upper(status) AS s, amount FROM orders'}"
    findings = proved(bench, "- {name: out, from: result, target: warehouse, table: t, mode: merge, key: [s]}", steps)
    assert [(finding.severity, finding.code) for finding in findings] == [("note", "merge_key_checked_at_load")]


def test_a_key_with_nulls_is_stopped(bench: Bench) -> None:
    """Rows whose merge key is missing in the source cannot be merged."""
    steps = "- {name: result, sql: 'SELECT region, count(*) AS n FROM customers GROUP BY region'}"
    loads = "- {name: out, from: result, target: warehouse, table: t, mode: merge, key: [region]}"
    assert serious(proved(bench, loads, steps)) == [("error", "merge_key_null")]


@pytest.mark.postgres
def test_names_that_the_target_would_cut_are_stopped(bench: Bench, pg_url: str) -> None:
    """A name longer than PostgreSQL keeps would be cut silently: it is an error before anything runs."""
    name = "x" * 70
    loads = f"- {{name: out, from: result, target: '{pg_url}', table: t}}"
    findings = proved(bench, loads, f"- {{name: result, sql: 'SELECT status AS {name} FROM orders'}}")
    assert serious(findings) == [("error", "name_too_long")]
    assert name in findings[0].message
