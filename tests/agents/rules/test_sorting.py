"""Orders and limits in words: rows come in the order of hand-written SQL."""

import pytest
from worlds import World

ORDERS = [
    ("Load orders.csv sorted from the highest amount to the lowest",
     "SELECT * FROM {orders} ORDER BY amount DESC NULLS LAST, order_id"),
    ("Load orders.csv, sorted by status then amount descending",
     "SELECT * FROM {orders} ORDER BY status NULLS LAST, amount DESC NULLS LAST, order_id"),
    ("Load orders.csv, highest amount first then order_id",
     "SELECT * FROM {orders} ORDER BY amount DESC NULLS LAST, order_id"),
    ("Load orders.csv, sort by amount descending, take the first 2 and write order_id, amount to best",
     "SELECT order_id, amount FROM {orders} ORDER BY amount DESC NULLS LAST LIMIT 2"),
    ("Load orders.csv sorted by amount descending, just the top one, order_id and amount, to best",
     "SELECT order_id, amount FROM {orders} ORDER BY amount DESC NULLS LAST LIMIT 1"),
    ("orders per status from orders.csv; count column n; order by n descending, then status",
     "SELECT status, count(*) FROM {orders} GROUP BY 1 ORDER BY 2 DESC, 1"),
    ("Load orders.csv sorted by amount, first 2 rows",
     "SELECT * FROM {orders} ORDER BY amount NULLS LAST, order_id LIMIT 2"),
    ("Load orders.csv sorted by status, order_id only",
     "SELECT order_id FROM {orders} ORDER BY status NULLS LAST, order_id"),
    ("Load orders.csv in chronological order",
     "SELECT * FROM {orders} ORDER BY order_date, order_id"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "sql"), ORDERS)
def test_orders(shop: World, goal: str, sql: str) -> None:
    """The words give that order and that many rows."""
    shop.agrees(goal, sql)


@pytest.mark.parametrize(
    "goal",
    [
        "Load orders.csv, worst amount first",
        "Load orders.csv sorted by amount descending, bottom 2",
        "Load orders.csv sorted by amount ascending and amount descending",
        "Load orders.csv sorted by order_date, newest first",
        "Load orders.csv sorted by amount, top 2",
    ],
)
def test_unsaid_directions(shop: World, goal: str) -> None:
    """Which end comes first is never guessed."""
    assert shop.plan(goal).plan is None
