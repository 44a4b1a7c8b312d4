"""Totals, formulas and names in words: each goal's plan is executed and compared with hand-written SQL."""

from collections import Counter
from typing import Any

import pytest
from worlds import World


def rows_of(found: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """Rows without order; numbers compare by value."""
    return Counter(
        tuple(round(float(v), 6) if type(v).__name__ in ("Decimal", "float", "int") else v for v in row)
        for row in found
    )


def check(world: World, goal: str, names: str, sql: str) -> None:
    """The goal's columns are called so, and its rows are those of the SQL."""
    draft = world.plan(goal)
    assert draft.plan is not None, (goal, draft.questions, draft.refusals)
    found = world.run(draft.plan)
    assert world.columns == names.split()
    assert rows_of(found) == rows_of(world.rows(sql)), draft.plan.to_yaml()


SUM = "SELECT currency, sum(amount) FROM {orders} GROUP BY 1"
COUNT = "SELECT status, count(*) FROM {orders} GROUP BY 1"
BOTH = "SELECT currency, sum(amount), count(*) FROM {orders} GROUP BY 1"
NAMES = [
    ("total amount per currency from orders.csv as total_amt", "currency total_amt", SUM),
    ("From orders.csv sum amount per currency, named area, into t", "currency area", SUM),
    ("From orders.csv count orders per order status", "status count_orders", COUNT),
    ("From orders.csv count orders per status, call the count n", "status n", COUNT),
    ("From orders.csv count orders per status; call it n", "status n", COUNT),
    ("From orders.csv total amount and number of orders per currency as a and b into t", "currency a b", BOTH),
    ("From orders.csv total amount, number of orders per currency. Columns currency, total, n. Overwrite t",
     "currency total n", BOTH),
    ("From orders.csv total amount and number of orders per currency into t (currency, n, total)",
     "currency n total", "SELECT currency, count(*), sum(amount) FROM {orders} GROUP BY 1"),
    ("From orders.csv count orders per status; write status and orders to t", "status orders", COUNT),
    ("From orders.csv compute the min and max amount per currency as low and high", "currency low high",
     "SELECT currency, min(amount), max(amount) FROM {orders} GROUP BY 1"),
    ("average amount and worst amount (maximum) per status from orders.csv as a and b into t", "status a b",
     "SELECT status, avg(amount), max(amount) FROM {orders} GROUP BY 1"),
    ("average amount per currency from orders.csv, rounded to 1 decimal", "currency average_amount",
     "SELECT currency, round(avg(amount), 1) FROM {orders} GROUP BY 1"),
    ("From orders.csv count orders per status, average amount; sort by avg_amount; columns status, orders, avg_amount",
     "status orders avg_amount", "SELECT status, count(*), avg(amount) FROM {orders} GROUP BY 1"),
    ("From orders.csv total amont per curency", "currency total_amount", SUM),
    ("From orders.csv total amont per currency as amont", "currency amont", SUM),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "names", "sql"), NAMES)
def test_names_of_totals(shop: World, goal: str, names: str, sql: str) -> None:
    """A total has the name that the goal gives it, a key that of its column; a slip of the keyboard names nothing."""
    check(shop, goal, names, sql)


HAVING = [
    ("From orders.csv count orders per customer_id, with more than 2 orders", "customer_id, count(*)", "count(*) > 2"),
    ("From orders.csv total amount per status, keep groups with at least 2 orders",
     "status, sum(amount)", "count(*) >= 2"),
    ("From orders.csv total amount per currency, only those above 100", "currency, sum(amount)", "sum(amount) > 100"),
    ("From orders.csv total amount per currency, only currencies whose total exceeds 100",
     "currency, sum(amount)", "sum(amount) > 100"),
    ("From orders.csv total amount per currency; currencies with more than three orders",
     "currency, sum(amount)", "count(*) > 3"),
    ("From orders.csv total amount per currency, at least four orders", "currency, sum(amount)", "count(*) >= 4"),
    ("From orders.csv total amount per currency; only currencies with an average amount over 40",
     "currency, sum(amount)", "avg(amount) > 40"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "shown", "condition"), HAVING)
def test_conditions_on_groups(shop: World, goal: str, shown: str, condition: str) -> None:
    """A condition on groups keeps the groups that it says, however it names them."""
    draft = shop.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    sql = f"SELECT {shown} FROM {{orders}} GROUP BY 1 HAVING {condition}"
    assert rows_of(shop.run(draft.plan)) == rows_of(shop.rows(sql))


ITEMS = "SELECT *, {} FROM {{order_items}}"
ORDERS = "SELECT *, {} FROM {{orders}}"
PEOPLE = "SELECT *, {} FROM {{customers}}"
FORMULAS = [
    ("Load order_items.csv, add line_total as quantity times unit_price", "line_total",
     ITEMS.format("quantity * unit_price")),
    ("Load order_items.csv, compute net price as unit_price minus 10 %", "net_price", ITEMS.format("unit_price * 0.9")),
    ("Load order_items.csv, unit_price including 20 % tax as gross", "gross", ITEMS.format("unit_price * 1.2")),
    ("Load order_items.csv, price per piece (unit_price / quantity, 2 decimals) as ppp", "ppp",
     ITEMS.format("round(unit_price / quantity, 2)")),
    ("Load order_items.csv, total cost = quantity * unit_price", "total_cost", ITEMS.format("quantity * unit_price")),
    ("Load orders.csv, add a flag big = amount > 50", "big", ORDERS.format("amount > 50")),
    ("Load orders.csv, flag orders with amount over 50 as big", "big", ORDERS.format("amount > 50")),
    ("Load orders.csv, flag each row as big when amount is at least 50", "big", ORDERS.format("amount >= 50")),
    ("Load crm.customers, add a column label = full_name + ' ' + region", "label",
     PEOPLE.format("full_name || ' ' || region")),
    ("Load crm.customers, add label as full_name plus a space plus region", "label",
     PEOPLE.format("full_name || ' ' || region")),
    ("Load crm.customers, concatenate full_name and region with a space as label", "label",
     PEOPLE.format("full_name || ' ' || region")),
    ("Load crm.customers, year of created_at as joined_year", "joined_year", PEOPLE.format("year(created_at)")),
    ("Load crm.customers, add size = length of full_name", "size", PEOPLE.format("length(full_name)")),
    ("Load crm.customers, add e = first 2 letters of email", "e", PEOPLE.format("left(email, 2)")),
    ("Load order_items.csv, absolute value of (quantity - unit_price) as gap", "gap",
     ITEMS.format("abs(quantity - unit_price)")),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "name", "sql"), FORMULAS)
def test_formulas(shop: World, goal: str, name: str, sql: str) -> None:
    """A formula that the goal gives is one more column under the name that it gives."""
    draft = shop.plan(goal)
    assert draft.plan is not None, (goal, draft.questions, draft.refusals)
    found = shop.run(draft.plan)
    assert shop.columns[-1] == name
    assert rows_of(found) == rows_of(shop.rows(sql))


def test_days_between_dates() -> None:
    """A date minus a date is a number of days."""
    world = World()
    world.add("stays.csv", "SELECT 1 AS id, DATE '2024-01-01' AS came, DATE '2024-01-09' AS went")
    draft = world.plan("Load stays.csv, length of stay in days (went minus came) as stay_days, keep id and stay_days")
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert world.run(draft.plan) == [(1, 8)]
    world.close()


def test_for_each_row(shop: World) -> None:
    """`for each` thing without a total is about the thing's own rows."""
    check(
        shop,
        "Read crm.customers, for each customer compute label as full_name + region, keep customer_id and label",
        "customer_id label",
        "SELECT customer_id, full_name || region FROM {customers}",
    )


SEVERAL = [
    ("From order_items.csv sum quantity and unit_price per product_id", "product_id, sum(quantity), sum(unit_price)"),
    ("From order_items.csv average quantity and unit_price by product_id",
     "product_id, avg(quantity), avg(unit_price)"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "shown"), SEVERAL)
def test_one_function_over_several_columns(shop: World, goal: str, shown: str) -> None:
    """A function before a list of columns holds for each of them."""
    draft = shop.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert rows_of(shop.run(draft.plan)) == rows_of(shop.rows(f"SELECT {shown} FROM {{order_items}} GROUP BY 1"))


def test_a_group_said_again(shop: World) -> None:
    """The date of a group may be said again in brackets."""
    check(
        shop,
        "average amount per month from orders.csv (month of order_date)",
        "month average_amount",
        "SELECT date_trunc('month', order_date)::DATE, avg(amount) FROM {orders} GROUP BY 1",
    )


UNKNOWN = [
    ("From orders.csv count orders per status; columns status, amount; into t", "amount"),
    ("From orders.csv count orders per status; columns status, flurbs, zog; into t", "flurbs"),
    ("From orders.csv count orders per status and average amount; columns status, orders; into t", "status, orders"),
    ("From orders.csv total amount and average amount per currency as a", "as a"),
    ("From orders.csv count orders per status; only routes flown more than once", "flown"),
    ("From orders.csv total amount and average amount per currency, rounded to 1 decimal", "rounded"),
    ("From payments.csv sum amount_cents per method as total_dollars", "total_dollars"),
    ("Load order_items.csv, add gross = unit_price plus 20 % zorb", "zorb"),
    ("Load orders.csv, flag orders with zorb over 50 as big", "zorb"),
    ("Load orders.csv; amount must be zorbly", "zorbly"),
    ("Load orders.csv; keep order_id; amount must be positive", "amount"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "quote"), UNKNOWN)
def test_what_is_not_plain_is_quoted(shop: World, goal: str, quote: str) -> None:
    """A name, a condition or a formula that may mean nothing or two things gives no plan and quotes the words."""
    draft = shop.plan(goal)
    assert draft.plan is None
    spans = [one.span for one in (*draft.questions, *draft.refusals)]
    assert any(quote in goal[slice(*span)] for span in spans), [goal[slice(*span)] for span in spans]


CHECKS = [
    ("order_id must be unique and not null",
     [("unique", ("order_id",), None), ("not_null", ("order_id",), None)]),
    ("fail if amount < 0", [("expression", (), "(((amount < 0)) IS NOT TRUE)")]),
    ("ensure that amount is at least 0", [("expression", (), "(((amount >= 0)) IS NOT FALSE)")]),
    ("status must be one of completed, pending, cancelled",
     [("expression", (), "(((status IN ('completed', 'pending', 'cancelled'))) IS NOT FALSE)")]),
    ("order_id and customer_id must not be null",
     [("not_null", ("order_id",), None), ("not_null", ("customer_id",), None)]),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "checks"), CHECKS)
def test_requirements_become_checks(shop: World, clause: str, checks: list[Any]) -> None:
    """What must hold is a check of the plan that fails the run before the load; the rows stay as they are."""
    draft = shop.plan(f"Load orders.csv; {clause}; append to t")
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert [(one.kind, one.columns, one.sql) for one in draft.plan.checks] == checks
    assert {one.severity for one in draft.plan.checks} == {"fail"}
    assert {one.on for one in draft.plan.checks} == {draft.plan.loads[0].from_}
    assert rows_of(shop.run(draft.plan)) == rows_of(shop.rows("SELECT * FROM {orders}"))
