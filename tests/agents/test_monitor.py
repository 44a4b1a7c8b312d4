"""The monitor agent's proofs."""

from collections.abc import Callable

import pytest
from harness.bench import planned

from agent_etl.agents import monitor
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Plan

Bench = Callable[[Plan], Workbench]
LOAD = "- {name: out, from: orders, target: warehouse, table: t}"
ORDERS = "- {name: orders, source: here, dataset: orders.csv}"


def proved(bench: Bench, check: str) -> list[Finding]:
    plan = planned("[]", LOAD, ORDERS, f"- {{name: c, 'on': orders, {check}}}")
    return [finding for finding in monitor.prove(plan, bench(plan)) if finding.step == "c"]


@pytest.mark.parametrize(
    "check",
    [
        "kind: not_null, columns: [id, status]",
        "kind: unique, columns: [id]",
        "kind: accepted, columns: [status], values: [paid, open]",
        "kind: accepted, columns: [id], values: [1, 2]",
        "kind: range, columns: [amount], low: 0",
        "kind: row_count, low: 1, high: 10",
        "kind: expression, sql: amount >= 0 OR status = 'open'",
    ],
)
def test_checks_that_can_be_asked_are_silent(bench: Bench, check: str) -> None:
    """Each kind of check over real columns passes."""
    assert proved(bench, check) == []


@pytest.mark.parametrize(
    ("check", "code", "sentence"),
    [
        ("kind: not_null, columns: [statuss]", "unknown_column", "orders has no column statuss → nearest: status"),
        ("kind: unique", "incomplete_check", "unique needs columns"),
        ("kind: range, columns: [amount]", "incomplete_check", "range needs low or high"),
        ("kind: range, columns: [amount], low: 5, high: 1", "incomplete_check", "low 5 is above high 1"),
        ("kind: range, columns: [status], low: 5", "type_mismatch", "status is VARCHAR"),
        ("kind: accepted, columns: [status]", "incomplete_check", "accepted needs values"),
        ("kind: accepted, columns: [id], values: [1, one]", "type_mismatch", "1 of the accepted values are no BIGINT"),
        ("kind: row_count", "incomplete_check", "row_count needs low or high"),
        ("kind: expression", "incomplete_check", "expression needs sql"),
        ("kind: expression, sql: amont > 0", "unknown_column", "nearest: amount"),
        ("kind: expression, sql: amount + 1", "type_mismatch", "not true or false"),
        ("kind: expression, sql: sum(amount) > 1", "guard", "one row only"),
    ],
)
def test_a_check_that_cannot_be_asked_is_stopped(bench: Bench, check: str, code: str, sentence: str) -> None:
    """A check that names nothing real, is incomplete or can never hold is an error before anything runs."""
    (finding,) = proved(bench, check)
    assert (finding.severity, finding.code) == ("error", code)
    assert sentence in str(finding)


@pytest.mark.parametrize(("mode", "severity"), [("replace", "risk"), ("append", "note")])
def test_an_empty_source_is_seen_before_it_empties_a_target(bench: Bench, mode: str, severity: str) -> None:
    """A source without rows is a risk for a replace, and a note otherwise."""
    loads = f"- {{name: out, from: blank, target: warehouse, table: t, mode: {mode}}}"
    plan = planned("[]", loads, "- {name: blank, source: shop, dataset: blank}")
    found = [(finding.severity, finding.code) for finding in monitor.prove(plan, bench(plan))]
    assert (severity, "empty_source") in found


def test_the_rows_that_will_be_written_are_bounded(bench: Bench) -> None:
    """Where the source says how many rows it has and nothing multiplies them, the load's size is foreseen."""
    plan = planned("- {name: result, sql: 'SELECT * FROM orders WHERE amount > 15'}", extracts=ORDERS)
    found = {finding.code: finding for finding in monitor.prove(plan, bench(plan))}
    assert found["estimated_rows"].message == "at most 4 rows are written to t in warehouse"
    joined = planned("- {name: result, sql: 'SELECT o.id FROM orders o JOIN payments p ON p.order_id = o.id'}")
    assert "estimated_rows" not in {finding.code for finding in monitor.prove(joined, bench(joined))}
