"""Plans, clauses and tables as a terminal shows them."""

import io

import pyarrow as pa
from rich.console import Console, RenderableType

from agent_etl.display import rows_view
from agent_etl.drawing import clauses_view, plan_view
from agent_etl.engine.goal import Clause
from agent_etl.engine.plan import Plan

PLAN = Plan.parse(
    """
name: paid
extracts:
  - {name: orders, source: here, dataset: orders.csv}
  - {name: payments, source: here, dataset: payments.json}
transforms:
  - {name: joined, sql: SELECT * FROM orders JOIN payments USING (order_id)}
  - {name: both, sql: SELECT * FROM joined UNION ALL SELECT * FROM joined}
checks: [{name: whole, on: joined, kind: not_null, columns: [order_id]}]
loads: [{name: out, from: both, target: warehouse, table: "[bold]paid", mode: merge, key: [order_id]}]
"""
)


def text(view: RenderableType) -> str:
    file = io.StringIO()
    Console(file=file, width=160).print(view)
    return file.getvalue()


def test_a_plan_is_a_tree_from_load_to_sources() -> None:
    """Every step appears with what it does; names that look like markup stay as they are."""
    shown = text(plan_view(PLAN))
    for name in ("orders", "payments", "joined", "both", "whole", "out", PLAN.hash[:12], "[bold]paid"):
        assert name in shown
    assert shown.index("out") < shown.index("both") < shown.index("joined") < shown.index("payments.json")


def test_every_clause_shows_what_became_of_it() -> None:
    """A clause without steps is shown as asked about, not left out."""
    goal = "load orders, email it"
    shown = text(clauses_view(goal, (Clause(0, 11, ("orders",)), Clause(13, 21)), PLAN))
    assert "load orders" in shown
    assert "email it" in shown
    assert "asked about" in shown


def test_rows_show_the_first_of_all() -> None:
    """The title says how many rows of how many; a null is empty, a long text is cut."""
    rows = pa.table({"id": list(range(1, 31)), "note": [None, "x" * 100, *["y"] * 28]})
    shown = text(rows_view("warehouse.t", rows, limit=5))
    assert "warehouse.t: 5 of 30 rows" in shown
    assert "…" in shown
    assert "None" not in shown
