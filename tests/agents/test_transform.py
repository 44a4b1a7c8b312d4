"""The transform agent's proofs, over real sources."""

from collections.abc import Callable

import pytest
from harness.bench import planned

from agent_etl.agents import transform
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.plan import Plan

Bench = Callable[[Plan], Workbench]

TRAP = (
    "- {name: result, sql: 'SELECT o.status, count(DISTINCT o.id) AS n, sum(o.amount) AS s FROM orders o "
    "LEFT JOIN payments p ON p.order_id = o.id GROUP BY o.status'}"
)
RIGHT = """
- {name: paid, sql: 'SELECT order_id, sum(amount) AS paid FROM payments GROUP BY order_id'}
- name: result
  sql: SELECT o.status, count(*) AS n, sum(o.amount) AS s, sum(coalesce(p.paid, 0)) AS paid
    FROM orders o LEFT JOIN paid p ON p.order_id = o.id GROUP BY o.status
"""


def codes(bench: Bench, steps: str, *severities: str) -> list[str]:
    plan = planned(steps)
    found = transform.prove(plan, bench(plan))
    return [finding.code for finding in found if finding.severity in (severities or ("error", "risk"))]


def test_the_fan_out_trap_is_stopped_with_measured_counts(bench: Bench) -> None:
    """Summing an order's amount after joining its payments does not run; the counts come from the files."""
    plan = planned(TRAP)
    (finding,) = [found for found in transform.prove(plan, bench(plan)) if found.severity == "error"]
    assert str(finding) == (
        "result: sum(o.amount) counts each row of orders once for every matching row of payments: payments.order_id "
        "is not unique (4 rows, 3 keys) → aggregate payments per order_id before the join"
    )


def test_the_aggregated_plan_passes(bench: Bench) -> None:
    """Payments summed per order before the join give no error and no risk."""
    assert codes(bench, RIGHT) == []


def test_declared_keys_need_no_measuring(bench: Bench) -> None:
    """A join on a table's declared primary key multiplies nothing."""
    sql = "SELECT c.region, sum(o.amount) AS s FROM orders o LEFT JOIN customers c ON c.id = o.customer_id GROUP BY 1"
    assert codes(bench, f"- {{name: result, sql: '{sql}'}}") == []


@pytest.mark.parametrize(
    ("sql", "code", "severity"),
    [
        ("SELECT * FROM orders LIMIT 3", "arbitrary_rows", "note"),
        ("SELECT status, count(*) AS n FROM orders GROUP BY 1 ORDER BY n DESC LIMIT 1", "ties", "note"),
        ("SELECT *, row_number() OVER () AS n FROM orders", "arbitrary_rows", "note"),
        ("SELECT DISTINCT ON (status) * FROM orders", "arbitrary_rows", "note"),
        ("SELECT status, first(amount) AS f FROM orders GROUP BY 1", "order_dependent", "note"),
        ("SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id", "row_loss", "note"),
    ],
)
def test_what_chance_decides_is_said(bench: Bench, sql: str, code: str, severity: str) -> None:
    """Limits without order, ties, unordered numbering and lost rows are findings, none of them an error."""
    steps = f'- {{name: result, sql: "{sql}"}}'
    assert code in codes(bench, steps, severity)
    assert codes(bench, steps, "error") == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders ORDER BY id LIMIT 3",
        "SELECT id AS k, amount FROM orders ORDER BY amount DESC, k LIMIT 3",
        "SELECT status, count(*) AS n FROM orders GROUP BY 1 ORDER BY n DESC, status LIMIT 1",
        "SELECT status, count(*) AS n FROM orders GROUP BY status ORDER BY count(*) DESC, 1 LIMIT 1",
        "SELECT DISTINCT ON (status) * FROM orders ORDER BY status, id",
        "SELECT status, string_agg(day, '-' ORDER BY id) AS days FROM orders GROUP BY 1",
        "SELECT *, row_number() OVER w AS n FROM orders WINDOW w AS (ORDER BY id)",
    ],
)
def test_a_total_order_is_silent(bench: Bench, sql: str) -> None:
    """Results that are the same at every run are not commented on."""
    assert codes(bench, f'- {{name: result, sql: "{sql}"}}', "error", "risk", "note") == []


def test_a_step_that_nobody_reads_is_stopped(bench: Bench) -> None:
    """A transform whose rows go nowhere is a mistake of the plan."""
    steps = "- {name: stray, sql: SELECT 1 AS one}\n- {name: result, sql: SELECT id FROM orders}"
    assert codes(bench, steps) == ["unused_step"]


def test_a_broken_step_hides_no_other_finding_and_makes_none(bench: Bench) -> None:
    """A step that does not bind is one error; steps around it are judged as far as they can be."""
    steps = f"- {{name: bad, sql: SELECT amout FROM orders}}\n{TRAP}"
    assert sorted(codes(bench, steps, "error")) == ["fan_out", "unknown_column", "unused_step"]


def test_a_lost_source_column_is_the_extracts_finding(bench: Bench) -> None:
    """SQL that names a column which the source has lost is not blamed for it."""
    extracts = "- {name: orders, source: here, dataset: orders.csv, expect: {total: DOUBLE}}"
    plan = planned("- {name: result, sql: SELECT total FROM orders}", extracts=extracts)
    assert transform.prove(plan, bench(plan)) == ()
