"""Destinations in many places of the sentence."""

import pytest
from worlds import World

PLACES = [
    ("Count orders per status to status_counts", "warehouse", "status_counts"),
    ("Count orders per status; to counts", "warehouse", "counts"),
    ("orders.csv -> only amount over 50 -> order_id, amount -> big.csv", "here", "big.csv"),
    ("orders where amount is over 50 go to big_orders", "warehouse", "big_orders"),
    ("List order_id and amount of orders.csv in short_list", "warehouse", "short_list"),
    ("Count orders per status. Table status_counts.", "warehouse", "status_counts"),
    ("Count orders per status; target counts.parquet", "here", "counts.parquet"),
    ("Count orders per status; status_totals", "warehouse", "status_totals"),
    ("Count orders per status; totals table", "warehouse", "totals"),
    ("Count orders per status. Call the result status_counts.", "warehouse", "status_counts"),
    ("Take orders.csv, exclude rows where status = 'cancelled', and append the rest to kept", "warehouse", "kept"),
    ("1. read orders.csv 2. keep order_id, status 3. write to few", "warehouse", "few"),
]


@pytest.mark.parametrize(("goal", "target", "table"), PLACES)
def test_places(shop: World, goal: str, target: str, table: str) -> None:
    """The name that these words introduce is where the load writes."""
    draft = shop.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    load = draft.plan.loads[0]
    assert (load.target, load.table) == (target, table)
    shop.run(draft.plan)


def test_a_verb_of_writing_keeps_its_mode(shop: World) -> None:
    """`append a, sort it, into b` adds rows whatever verbs stand between."""
    draft = shop.plan("Append orders.csv, sort it by amount descending, into all_orders")
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert draft.plan.loads[0].mode == "append"


@pytest.mark.parametrize(
    "goal",
    [
        "Load orders.csv sorted by amount from high to low_amounts",
        "Load orders.csv and rename amount to total_amount",
        "Load orders.csv with amount up to twenty",
    ],
)
def test_other_uses_of_to(shop: World, goal: str) -> None:
    """`to` in a range, a rename or a comparison names no destination."""
    draft = shop.plan(goal)
    assert draft.plan is None or draft.plan.loads[0].table == "orders_result"


def test_a_system_is_no_schema(shop: World) -> None:
    """`pg.orders` is in the one PostgreSQL connection; a system without one is refused, never made a schema."""
    draft = shop.plan("Load orders.csv into pg.orders")
    assert draft.plan is not None
    assert (draft.plan.loads[0].target, draft.plan.loads[0].table) == ("crm", "orders")
    for system in ("mysql", "snowflake"):
        refused = shop.plan(f"Load orders.csv into {system}.orders")
        assert [refusal.quote for refusal in refused.refusals] == [f"{system}.orders"]
