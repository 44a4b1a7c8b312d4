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


EITHER = [
    ("customers with email", "column", "SELECT email FROM {customers}"),
    ("customers with email", "rows", "SELECT * FROM {customers} WHERE email IS NOT NULL"),
    ("Load products.parquet with cost minus 10 % as reduced", "column", "SELECT cost * 0.9 FROM {products}"),
    ("Load products.parquet with cost minus 10 % as reduced", "added", "SELECT *, cost * 0.9 FROM {products}"),
    ("Load orders.csv without status", "column", "SELECT * EXCLUDE (status) FROM {orders}"),
    ("Load orders.csv without status", "rows", "SELECT * FROM {orders} WHERE status IS NULL"),
    ("Load orders.csv, without the status, into few", "column", "SELECT * EXCLUDE (status) FROM {orders}"),
]


@pytest.mark.parametrize(("goal", "answer", "sql"), EITHER)
def test_with_and_without_one_column(shop: World, goal: str, answer: str, sql: str) -> None:
    """One column after `with` or `without` is shown or left out, or its values choose rows: asked, and followed."""
    assert len(shop.plan(goal).questions) == 1
    draft = shop.answered(goal, answer)
    assert draft.plan is not None, draft.refusals
    assert sorted(shop.run(draft.plan), key=repr) == sorted(shop.rows(sql), key=repr)


def test_things_without_a_value(shop: World) -> None:
    """`customers without email` and `without an email` are rows."""
    for goal in ("customers without email", "customers without an email"):
        shop.agrees(goal, "SELECT * FROM {customers} WHERE email IS NULL")


def test_rows_without_a_value(shop: World) -> None:
    """`without the status` is not taken for a column that goes where rows lack a status."""
    draft = shop.plan("Load orders.csv, without the status, into few")
    assert draft.plan is None or len(shop.run(draft.plan)) == 1
