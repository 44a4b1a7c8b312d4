"""Joins in words: keys, kinds, rows without a partner, totals of children; plans are run against hand-written SQL."""

from collections.abc import Iterator
from typing import Any

import pytest
from worlds import World


@pytest.fixture
def sales() -> Iterator[World]:
    """Customers one of whom has no order, an order without a customer, an order without a payment."""
    world = World()
    world.add("orders.csv", "SELECT * FROM (VALUES (1,7,'a',10.0), (2,7,'b',5.0), (3,8,'a',7.0), (4,99,'a',2.0)) "
              "t(order_id, customer_id, status, amount)")  # fmt: skip
    world.add("customers.csv", "SELECT * FROM (VALUES (7,'Ann','north'), (8,'Bob','south'), (10,'Dee','east')) "
              "t(customer_id, name, region)")  # fmt: skip
    world.add("payments.csv", "SELECT * FROM (VALUES (1,1,3.0), (2,1,4.0), (3,2,5.0)) t(payment_id, order_id, paid)")
    yield world
    world.close()


LEFT = "SELECT order_id, name FROM {orders} LEFT JOIN {customers} USING (customer_id)"
ANTI = "SELECT customer_id, name FROM {customers} WHERE customer_id NOT IN (SELECT customer_id FROM {orders})"
SEMI = "SELECT customer_id, name FROM {customers} WHERE customer_id IN (SELECT customer_id FROM {orders})"
CHAIN = """SELECT order_id, name, paid FROM {payments} JOIN {orders} USING (order_id)
           JOIN {customers} USING (customer_id)"""
REGIONS = """SELECT region, count(order_id), coalesce(sum(amount), 0) FROM {customers}
             LEFT JOIN {orders} USING (customer_id) GROUP BY region"""
STATES = """SELECT status, count(*), sum((SELECT coalesce(sum(paid), 0) FROM {payments} p
            WHERE p.order_id = o.order_id)) FROM {orders} o GROUP BY status"""
EACH = """SELECT customer_id, name, count(order_id) FROM {customers} LEFT JOIN {orders} USING (customer_id)
          GROUP BY ALL"""

JOINS = [
    ("Join orders.csv with customers.csv on customer_id, keep all orders, and keep order_id and name", LEFT),
    ("Join orders.csv with customers.csv on customer_id, even orders without a customer, keep order_id and name", LEFT),
    ("From orders.csv and customers.csv (customer_id) keep order_id and name, even if the customer is unknown", LEFT),
    ("orders.csv left join customers.csv on customer_id; keep order_id, name", LEFT),
    ("Attach name from customers.csv to orders.csv on customer_id, write order_id and name to t", LEFT),
    ("Look up name in customers.csv for orders.csv by customer_id, keep order_id and name", LEFT),
    ("Bring in the customer's name from customers.csv for each order in orders.csv using customer_id and keep order_id"
     " and name", LEFT),
    ("Enrich orders.csv with the customer's name from customers.csv (customer_id) and keep order_id and name", LEFT),
    ("Enrich orders.csv with customers.csv on customer_id and keep order_id and name", LEFT),
    ("Load orders.csv, look up the customer's name in customers.csv, keep order_id and name", LEFT),
    ("customers in customers.csv without any order in orders.csv (customer_id): keep customer_id and name", ANTI),
    ("Find customers from customers.csv that never ordered (orders.csv), keep customer_id and name", ANTI),
    ("Load customers.csv where customer_id is not in orders.csv, keep customer_id and name", ANTI),
    ("customers.csv rows whose customer_id is missing from orders.csv, keep customer_id and name", ANTI),
    ("Load customers.csv where customer_id has no match in orders.csv, keep customer_id and name", ANTI),
    ("Load customers.csv, exclude customers with orders in orders.csv, keep customer_id and name", ANTI),
    ("customers of customers.csv who do not appear in orders.csv, keep customer_id and name", ANTI),
    ("customers in customers.csv with at least one order in orders.csv: keep customer_id and name", SEMI),
    ("Load customers.csv, keep only customers that appear in orders.csv (customer_id), keep customer_id, name", SEMI),
    ("customers of customers.csv who have placed an order (orders.csv), keep customer_id and name", SEMI),
    ("Join payments.csv with orders.csv on order_id and with customers.csv on customer_id; keep order_id, the"
     " customer's name and paid", CHAIN),
    ("payments.csv join orders.csv on order_id join customers.csv on customer_id, keep order_id, name, paid", CHAIN),
    ("Join payments.csv, orders.csv and customers.csv on order_id and customer_id, keep order id, name of the customer"
     " and paid", CHAIN),
    ("Join orders.csv with customers.csv on customer_id, keep all customers, and compute the number of orders and total"
     " amount per region", REGIONS),
    ("customers.csv left join orders.csv on customer_id; per region the number of orders and the total amount, 0 where"
     " there are no orders", REGIONS),
    ("From customers.csv and orders.csv joined on customer_id, per region number of orders and total amount; customers"
     " without orders count too", REGIONS),
    ("Using orders.csv and payments.csv, for each status give the number of orders and the total paid of their"
     " payments, counting each order once", STATES),
    ("orders.csv left join payments.csv on orders.order_id = payments.order_id; number of orders and sum of paid per"
     " status; each order counts once", STATES),
    ("Read orders.csv and payments.csv, matching orders.order_id with payments.order_id, and per status get the number"
     " of orders and the sum of paid", STATES),
    ("For every customer in customers.csv, even those without orders, list customer_id, name and the number of orders"
     " in orders.csv", EACH),
]  # fmt: skip


def rows(found: list[tuple[Any, ...]]) -> list[list[str]]:
    """Rows as text, without their order."""
    return sorted([str(float(cell)) if isinstance(cell, int | float) else str(cell) for cell in row] for row in found)


@pytest.mark.parametrize(("goal", "sql"), JOINS)
def test_joins(sales: World, goal: str, sql: str) -> None:
    """The plan of a join in words gives the rows of hand-written SQL."""
    draft = sales.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    got = sales.run(draft.plan)
    want = sales.rows(sql)
    assert rows([tuple(float(c) if hasattr(c, "as_tuple") else c for c in row) for row in got]) == rows(
        [tuple(float(c) if hasattr(c, "as_tuple") else c for c in row) for row in want]
    )


STOPPED = [
    ("Load customers.csv where customer_id is not in wobble.csv", "wobble.csv"),
    ("customers in customers.csv that never frobbed an order in orders.csv", "frobbed"),
    ("Enrich orders.csv with the shoe size from customers.csv (customer_id)", "shoe size"),
    ("Join orders.csv with customers.csv on zork_id, keep order_id and name", "zork_id"),
    ("Join orders.csv with customers.csv on customer_id, even glorps without a customer, keep order_id", "glorps"),
]


@pytest.mark.parametrize(("goal", "word"), STOPPED)
def test_unknown_words_of_joins(sales: World, goal: str, word: str) -> None:
    """A word of a join that nothing holds ends in a refusal or a question that quotes it."""
    draft = sales.plan(goal)
    assert draft.plan is None
    assert any(word in one.quote for one in (*draft.questions, *draft.refusals))


def test_two_references_to_one_table() -> None:
    """Two columns that refer to one table are a question that lists both; the answer is the join's key."""
    world = World()
    world.add("shipments.csv", "SELECT * FROM (VALUES (1,'A','B'), (2,'B','C')) t(shipment_id, origin_wh, dest_wh)")
    world.add("warehouses.csv", "SELECT * FROM (VALUES ('A','Rome'), ('B','Bern'), ('C','Oslo')) t(wh_code, city)")
    goal = "Join shipments.csv to warehouses.csv and write shipment_id and city to t"
    options = [one.value for one in world.plan(goal).questions[0].options]
    assert {"shipments.origin_wh = warehouses.wh_code", "shipments.dest_wh = warehouses.wh_code"} == set(options)
    answered = world.answered(goal, "shipments.dest_wh = warehouses.wh_code")
    assert answered.plan is not None
    assert sorted(world.run(answered.plan)) == [(1, "Bern"), (2, "Oslo")]
    world.close()


def test_keep_rows_without_after_a_join(sales: World) -> None:
    """`keep orders without payments` after a join may mean those too or only those: asked, and either answer works."""
    goal = "Join orders.csv and payments.csv on order_id, keep orders without payments, and sum paid per status"
    assert [one.value for one in sales.plan(goal).questions[0].options] == ["also", "only"]
    plan = sales.answered(goal, "also").plan
    assert plan is not None
    totals = "SELECT status, coalesce(sum(paid), 0) FROM {orders} LEFT JOIN {payments} USING (order_id) GROUP BY 1"
    assert [(s, float(v)) for s, v in sorted(sales.run(plan))] == [(s, float(v)) for s, v in sorted(sales.rows(totals))]


def test_rows_of_both_sides_that_share_a_key() -> None:
    """A total after a join in which both sides repeat the key is not guessed."""
    world = World()
    world.add("members.csv", "SELECT * FROM (VALUES (1, 'a'), (2, 'a'), (3, 'b')) t(member_no, plan)")
    world.add(
        "prices.csv", "SELECT * FROM (VALUES ('a', 2020, 5), ('a', 2021, 6), ('b', 2021, 7)) t(plan, year, price)"
    )
    draft = world.plan("Join members.csv with prices.csv on plan and total price per plan")
    assert draft.plan is None and "how often" in draft.refusals[0].reason
    turned = world.plan("Join members.csv with prices.csv on plan and total price per prices.plan")
    assert turned.plan is None and "both sides" in turned.refusals[0].reason
    world.close()


def test_a_joined_table_that_only_keeps_rows() -> None:
    """A total over one table counts its rows once, and an inner join leaves out those without a partner."""
    world = World()
    world.add("trucks.csv", "SELECT * FROM (VALUES (1, 'V', 300), (2, 'S', 10), (3, 'V', 5)) t(truck_id, model, tank)")
    world.add("repairs.csv", "SELECT * FROM (VALUES (1, 1), (2, 1), (3, 2)) t(repair_id, truck_id)")
    joined = "Join trucks.csv with repairs.csv on truck_id and total tank per model"
    world.agrees(joined, "SELECT model, sum(tank) FROM {trucks} WHERE truck_id IN (1, 2) GROUP BY 1")
    plan = world.agrees(f"Left {joined[0].lower()}{joined[1:]}", "SELECT model, sum(tank) FROM {trucks} GROUP BY 1")
    assert [one.name for one in plan.extracts] == ["trucks"]
    world.close()


def test_keys_of_two_types() -> None:
    """Whole numbers meet text as text, as they were measured; text that writes a number in several ways is refused."""
    world = World()
    world.add("orders.csv", "SELECT * FROM (VALUES (1, 7, 10), (2, 70, 5), (3, 8, 1)) t(order_id, cust, amount)")
    world.add("clients.csv", "SELECT * FROM (VALUES ('7', 'Bob'), ('70', 'Cy'), ('x9', 'Dee')) t(cust, label)")
    world.add("odd.csv", "SELECT * FROM (VALUES ('007', 'Bob'), ('7', 'Cy')) t(cust, title)")
    on = "cust::VARCHAR = c.cust"
    world.agrees(
        "Join orders.csv with clients.csv on cust and total amount per label",
        f"SELECT label, sum(amount) FROM {{orders}} o JOIN {{clients}} c ON o.{on} GROUP BY 1",
    )
    world.agrees(
        "Left join orders.csv with clients.csv on cust, keep order_id and label",
        f"SELECT order_id, label FROM {{orders}} o LEFT JOIN {{clients}} c ON o.{on}",
    )
    world.agrees(
        "orders.csv whose cust is not in clients.csv",
        "SELECT * FROM {orders} WHERE cust::VARCHAR NOT IN (SELECT cust FROM {clients})",
    )
    draft = world.plan("Join orders.csv with odd.csv on cust and total amount per title")
    assert draft.plan is None and draft.refusals[0].quote == "odd.csv"
    world.close()
