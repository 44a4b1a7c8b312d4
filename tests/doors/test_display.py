"""Plans, clauses and tables as a terminal shows them."""

import io

import pyarrow as pa
import pytest
from rich.console import Console, RenderableType

from agent_etl.agents.planner import PlanDraft
from agent_etl.display import consoles, rows_view, table_view
from agent_etl.drawing import clauses_view, plan_view
from agent_etl.engine.goal import Clause, Question, Refusal
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


def text(view: RenderableType, width: int = 160) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(view)
    return file.getvalue()


def test_a_plan_is_a_tree_from_load_to_sources() -> None:
    """Every step appears with what it does; names that look like markup stay as they are."""
    shown = text(plan_view(PLAN))
    for name in ("orders", "payments", "joined", "both", "whole", "out", PLAN.hash[:12], "[bold]paid"):
        assert name in shown
    assert shown.index("out") < shown.index("both") < shown.index("joined") < shown.index("payments.json")


def test_every_clause_shows_what_became_of_it() -> None:
    """A clause that is asked about or refused is shown as such, not left out."""
    draft = PlanDraft(
        goal="load orders, by date, email it",
        plan=None,
        clauses=(Clause(0, 12, ("orders",)), Clause(13, 21), Clause(22, 30)),
        questions=(Question("q", "Which date?", "date", (16, 20)),),
        refusals=(Refusal("email it", (22, 30), "cannot"),),
    )
    lines = text(clauses_view(draft)).splitlines()
    for words, became in (("load orders", "orders"), ("by date", "a question"), ("email it", "refused")):
        assert any(words in line and line.rstrip().endswith(became) for line in lines)


def test_rows_show_the_first_of_all() -> None:
    """The title says how many rows of how many; a null is empty, a long text is cut."""
    rows = pa.table({"id": list(range(1, 31)), "note": [None, "x" * 100, *["y"] * 28]})
    shown = text(rows_view("warehouse.t", rows, limit=5))
    assert "warehouse.t: 5 of 30 rows" in shown
    assert "…" in shown
    assert "None" not in shown


def test_a_title_is_not_broken_by_a_narrow_table() -> None:
    """A table of one short column has its title on one line above it."""
    shown = text(table_view("warehouse.orders_per_customer: 10 of 62 rows", ("id",), [(1,), (2,)]))
    assert shown.splitlines()[0] == "warehouse.orders_per_customer: 10 of 62 rows"


def test_a_row_takes_one_line_where_it_should() -> None:
    """Only the last column is cut to the width of the screen; what stands before it is whole."""
    run_id = "20261123-222253-k5da"
    shown = text(table_view("runs", ("run", "goal"), [(run_id, "Load " + "x" * 300)], one_line=True), width=80)
    (line,) = [line for line in shown.splitlines() if "Load" in line]
    assert run_id in line
    assert line.rstrip().endswith("…")


def test_what_is_piped_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody looks a line is not folded at 80 columns, unless COLUMNS says so."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert consoles()[0].width > 120
    monkeypatch.setenv("COLUMNS", "50")
    assert consoles()[0].width == 50
