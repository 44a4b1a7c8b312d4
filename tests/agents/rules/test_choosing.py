"""Columns chosen by lists, and columns left out: the plan's rows are those of hand-written SQL."""

import pytest
from worlds import World

LISTS = [
    ("Load orders.csv, columns order_id, status and amount", "SELECT order_id, status, amount FROM {orders}"),
    ("orders.csv to few: with the columns order_id and amount", "SELECT order_id, amount FROM {orders}"),
    ("Load orders.csv into few with order_id, status and amount", "SELECT order_id, status, amount FROM {orders}"),
    ("Load orders.csv and save order_id and status to few", "SELECT order_id, status FROM {orders}"),
    ("orders where amount is over 50; order_id, amount; to few.csv",
     "SELECT order_id, amount FROM {orders} WHERE amount > 50"),
    ("Load orders.csv into few (order_id, amount)", "SELECT order_id, amount FROM {orders}"),
    ("Load orders.csv to few (order_id only)", "SELECT order_id FROM {orders}"),
    ("I need order_id and status of orders.csv in few_orders", "SELECT order_id, status FROM {orders}"),
    ("Read order_items.csv, add line_total = quantity * unit_price and write order_id, line_total to lines",
     "SELECT order_id, quantity * unit_price FROM {order_items}"),
    ("Read order_items.csv, add net = quantity * unit_price, add gross = net * 2 and save order_id, gross to lines",
     "SELECT order_id, quantity * unit_price * 2 FROM {order_items}"),
    ("Load orders.csv and write order_id and amount (renamed to total) to few",
     "SELECT order_id, amount FROM {orders}"),
    ("Copy orders.csv to few.jsonl without the currency column", "SELECT * EXCLUDE (currency) FROM {orders}"),
    ("Load orders.csv, all columns except status and currency, into few",
     "SELECT * EXCLUDE (status, currency) FROM {orders}"),
    ("Load orders.csv, without the currency, into few", "SELECT * EXCLUDE (currency) FROM {orders}"),
    ("Load orders.csv, drop the column currency, keep everything else, write to few",
     "SELECT * EXCLUDE (currency) FROM {orders}"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "sql"), LISTS)
def test_lists(shop: World, goal: str, sql: str) -> None:
    """A list of columns in any of these places chooses exactly those columns."""
    shop.agrees(goal, sql)


REFUSED = [
    ("Load orders.csv, columns order_id, frobnicate", "frobnicate"),
    ("Load orders.csv and save order_id and frobnicate to few", "frobnicate"),
    ("Load orders.csv into few (order_id, frobnicate)", "frobnicate"),
    ("Load orders.csv into few with frobnicate, order_id", "frobnicate"),
    ("Load orders.csv, all columns except frobnicate, into few", "frobnicate"),
]


@pytest.mark.parametrize(("goal", "word"), REFUSED)
def test_unknown_columns(shop: World, goal: str, word: str) -> None:
    """A listed name that is no column stops the plan and is quoted."""
    draft = shop.plan(goal)
    assert draft.plan is None
    assert any(word in item.quote for item in (*draft.questions, *draft.refusals))


def test_rows_without_a_value(shop: World) -> None:
    """`without the status` is not taken for a column that goes where rows lack a status."""
    draft = shop.plan("Load orders.csv, without the status, into few")
    assert draft.plan is None or len(shop.run(draft.plan)) == 1
