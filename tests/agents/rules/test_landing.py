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


BOTH = [
    "Load orders.csv, append and replace all_orders",
    "Load orders.csv, append it to all_orders, then replace all_orders",
    "Load orders.csv, upsert into all_orders by order_id and overwrite all_orders",
]


@pytest.mark.parametrize("goal", BOTH)
def test_two_modes_are_refused(shop: World, goal: str) -> None:
    """A goal that states two modes for one table is refused; none of the two is dropped."""
    draft = shop.plan(goal)
    assert draft.plan is None
    assert any("both" in one.reason for one in draft.refusals), draft.refusals


def test_a_stated_mode_is_stronger_than_load(shop: World) -> None:
    """`load` adds rows only where no word says how."""
    draft = shop.plan("Load orders.csv into all_orders, then upsert it into all_orders by order_id")
    assert draft.plan is not None
    assert (draft.plan.loads[0].mode, draft.plan.loads[0].key) == ("merge", ("order_id",))


def test_totals_are_not_added_to_a_table_by_load(shop: World) -> None:
    """`load a, total b per c, into d` does not say that totals are added to those that are there: it is asked."""
    shop.add("totals", "SELECT 'x' AS status, 1.5 AS total", connection="warehouse", kind="duckdb")
    draft = shop.plan("Load orders.csv, total amount per status as total, into totals")
    assert [one.id.split("-")[0] for one in draft.questions] == ["mode"]


def test_a_source_by_its_full_name_is_no_silent_target(shop: World) -> None:
    """Writing into what is read is refused also where a schema or connection stands before the name."""
    shop.add("public.visits", "SELECT 1 AS visit_no", connection="pg", kind="postgres")
    for name in ("pg.visits", "pg.public.visits"):
        draft = shop.plan(f"Load visits from pg and append it to {name}")
        assert draft.plan is None
        assert any("one of the sources" in one.reason for one in draft.refusals), (name, draft.refusals)


def test_into_after_a_cast(shop: World) -> None:
    """A verb that has an `into` of its own governs no further than its clause."""
    draft = shop.plan("Load orders.csv, cast order_id to text, total amount per status, into totals")
    assert draft.plan is not None and draft.plan.loads[0].table == "totals"
