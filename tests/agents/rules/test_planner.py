"""Plans are right when their rows are: each goal's plan is executed and compared with hand-written SQL."""

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


def check(world: World, goal: str, sql: str) -> None:
    draft = world.plan(goal)
    assert draft.plan is not None, (goal, draft.questions, draft.refusals)
    assert rows_of(world.run(draft.plan)) == rows_of(world.rows(sql)), draft.plan.to_yaml()


FILTERS = [
    ("Load orders.csv, keep only rows with status completed", "status = 'completed'"),
    ("orders where status is completed or pending", "status IN ('completed', 'pending')"),
    ("orders where status in (completed, pending)", "status IN ('completed', 'pending')"),
    ("orders whose status is one of 'completed', 'pending'", "status IN ('completed', 'pending')"),
    ("Read orders.csv and exclude cancelled rows where status = 'cancelled'", None),
    ("Read orders.csv and exclude rows where status = 'cancelled'", "status IS DISTINCT FROM 'cancelled'"),
    ("Take orders.csv and drop rows where amount is null", "amount IS NOT NULL"),
    ("Take orders.csv and drop rows with missing amount", "amount IS NOT NULL"),
    ("orders with amount over 50", "amount > 50"),
    ("orders with amount of at least 50", "amount >= 50"),
    ("orders where amount >= 50 and currency = 'EUR'", "amount >= 50 AND currency = 'EUR'"),
    ("orders where amount is between 20 and 70.5", "amount BETWEEN 20 AND 70.5"),
    ("orders from 2024", "order_date >= '2024-01-01' AND order_date < '2025-01-01'"),
    ("orders in February 2024", "order_date >= '2024-02-01' AND order_date < '2024-03-01'"),
    ("orders since 2024-02-07", "order_date >= '2024-02-07'"),
    ("orders after 2024-02-07", "order_date > '2024-02-07'"),
    ("orders before 2024", "order_date < '2024-01-01'"),
    ("orders between 2024-02-05 and 2024-02-28", "order_date BETWEEN '2024-02-05' AND '2024-02-28'"),
    ("orders from Q1 2024", "order_date >= '2024-01-01' AND order_date < '2024-04-01'"),
    ("orders with order date on or after 2024-02-28", "order_date >= '2024-02-28'"),
    ("orders where status is missing", "status IS NULL"),
    ("orders where status is not null and amount < 60", "status IS NOT NULL AND amount < 60"),
    ("orders where not (currency = 'EUR' or order_id < 4)", "NOT (currency = 'EUR' OR order_id < 4)"),
    ("orders where status starts with 'c'", "starts_with(status, 'c')"),
    ("orders where status = COMPLETED", "status = 'completed'"),
    (
        "orders where currency is EUR and status is completed or status is pending",
        "(currency = 'EUR' AND status = 'completed') OR status = 'pending'",
    ),
]


@pytest.mark.parametrize(("goal", "where"), FILTERS)
def test_filters(shop: World, goal: str, where: str | None) -> None:
    """A condition in words keeps exactly the rows that it says; one that is not understood gives no plan."""
    if where is None:
        assert shop.plan(goal).plan is None
    else:
        check(shop, goal, f"SELECT * FROM {{orders}} WHERE {where}")


TOTALS = [
    ("count orders per status", "SELECT status, count(*) FROM {orders} GROUP BY 1"),
    ("number of orders by status from orders.csv", "SELECT status, count(*) FROM {orders} GROUP BY 1"),
    ("How many orders per currency?", "SELECT currency, count(*) FROM {orders} GROUP BY 1"),
    ("total amount per currency in orders.csv", "SELECT currency, sum(amount) FROM {orders} GROUP BY 1"),
    ("From orders.csv sum amount by currency and status",
     "SELECT currency, status, sum(amount) FROM {orders} GROUP BY 1, 2"),
    ("average, min and max amount per currency of orders.csv",
     "SELECT currency, avg(amount), min(amount), max(amount) FROM {orders} GROUP BY 1"),
    ("Load orders.csv and compute the monthly revenue per currency",
     "SELECT date_trunc('month', order_date)::DATE, currency, sum(amount) FROM {orders} GROUP BY 1, 2"),
    ("From orders.csv: revenue per year", "SELECT year(order_date), sum(amount) FROM {orders} GROUP BY 1"),
    ("From orders.csv compute the number of orders per quarter",
     "SELECT date_trunc('quarter', order_date)::DATE, count(*) FROM {orders} GROUP BY 1"),
    ("Count distinct customers per currency in orders.csv",
     "SELECT currency, count(DISTINCT customer_id) FROM {orders} GROUP BY 1"),
    ("Read orders.csv; only currencies with at least 4 orders; count orders per currency",
     "SELECT currency, count(*) FROM {orders} GROUP BY 1 HAVING count(*) >= 4"),
    ("From orders.csv compute total amount per status having total amount > 60",
     "SELECT status, sum(amount) FROM {orders} GROUP BY 1 HAVING sum(amount) > 60"),
    ("What is the median amount per currency in orders.csv?",
     "SELECT currency, median(amount) FROM {orders} GROUP BY 1"),
    ("latest order date and first order date per customer_id of orders.csv",
     "SELECT customer_id, max(order_date), min(order_date) FROM {orders} GROUP BY 1"),
    ("Load orders.csv and count the rows", "SELECT count(*) FROM {orders}"),
    ("From order_items.csv compute the total of quantity * unit_price per order_id",
     "SELECT order_id, sum(quantity * unit_price) FROM {order_items} GROUP BY 1"),
    ("From order_items.csv compute revenue = quantity * unit_price, then total revenue per product_id",
     "SELECT product_id, sum(quantity * unit_price) FROM {order_items} GROUP BY 1"),
    ("From payments.csv compute the total amount in dollars per method",
     "SELECT method, sum(amount_cents) / 100.0 FROM {payments} GROUP BY 1"),
    ("From payments.csv sum amount_cents per method",
     "SELECT method, sum(amount_cents) FROM {payments} GROUP BY 1"),
    ("Join order_items and products, total quantity per category",
     "SELECT category, sum(quantity) FROM {order_items} JOIN {products} USING (product_id) GROUP BY 1"),
    ("From order_items.csv and products.parquet: for each product list the product name and the total quantity",
     "SELECT product_name, sum(quantity) FROM {order_items} JOIN {products} USING (product_id) GROUP BY product_id, 1"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "sql"), TOTALS)
def test_totals(shop: World, goal: str, sql: str) -> None:
    """Groups and totals in words give what hand-written SQL gives."""
    check(shop, goal, sql)


PAID = """
  SELECT status, count(*), coalesce(sum(paid), 0) / 100.0 FROM {orders}
  LEFT JOIN (SELECT order_id, sum(amount_cents) paid FROM {payments} GROUP BY 1) USING (order_id) GROUP BY 1"""
FANNED = [
    "From orders and payments compute per order status the number of orders and the total amount paid in dollars "
    "(payments.amount_cents is in cents, payments.order_id is the order's id; count an order once however many "
    "payments it has) and replace order_status_summary",
    "Using orders.csv and payments.csv, for each order status give the number of orders and the total paid amount in "
    "dollars. An order can have several payments. Replace order_status_summary.",
    "Take orders.csv and payments.csv (payments.order_id = orders.order_id). Per status: how many orders, and the sum "
    "of amount_cents in dollars. Overwrite order_status_summary with it.",
    "count orders and sum amount_cents in dollars by orders.status, from orders.csv and payments.csv",
]


@pytest.mark.parametrize("goal", FANNED)
def test_a_parent_counts_once(shop: World, goal: str) -> None:
    """Orders are counted once and payments added up once, orders without payments included."""
    draft = shop.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert rows_of(shop.run(draft.plan)) == rows_of(shop.rows(PAID))


def test_two_children_do_not_multiply(shop: World) -> None:
    """Payments and items of an order are each added up on their own before they meet."""
    check(
        shop,
        "From orders, payments and order_items compute per currency the number of orders, the total amount_cents and "
        "the total quantity",
        """SELECT currency, count(*), coalesce(sum(p), 0), coalesce(sum(q), 0) FROM {orders}
           LEFT JOIN (SELECT order_id, sum(amount_cents) p FROM {payments} GROUP BY 1) USING (order_id)
           LEFT JOIN (SELECT order_id, sum(quantity) q FROM {order_items} GROUP BY 1) USING (order_id) GROUP BY 1""",
    )


CATALOGUE = [
    "Load Book and Author from lib.sqlite, join them on AuthorId, and for each author with at least 2 books write the "
    "author's name, the number of books and the total length in minutes rounded to 2 decimals to author_catalogue, "
    "longest first",
    "Join Author and Book. For every author write the author's name, how many books, and the total seconds in minutes "
    "rounded to 2 decimals into author_catalogue; only authors with 2 or more books; sorted by total seconds in "
    "minutes descending",
]


@pytest.mark.parametrize("goal", CATALOGUE)
def test_each_thing_with_totals(library: World, goal: str) -> None:
    """`for each author` groups by the key, shows the name, keeps the condition and the order."""
    draft = library.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    want = library.rows(
        "SELECT Name, count(*), round(sum(Seconds) / 60.0, 2) FROM {Book} JOIN {Author} USING (AuthorId) "
        "GROUP BY AuthorId, Name HAVING count(*) >= 2 ORDER BY sum(Seconds) DESC"
    )
    assert library.run(draft.plan) == want
    assert library.columns[0] == "Name"


ROWS = [
    ("Load orders.csv and drop duplicates", "SELECT DISTINCT * FROM {orders}"),
    ("From orders.csv keep order_id, status and amount", "SELECT order_id, status, amount FROM {orders}"),
    ("Select order_id and currency from orders.csv", "SELECT order_id, currency FROM {orders}"),
    ("Load orders.csv, drop the columns currency and status",
     "SELECT * EXCLUDE (currency, status) FROM {orders}"),
    ("Load orders.csv, rename amount to total and cast order_id to text",
     "SELECT order_id::VARCHAR, customer_id, order_date, status, amount, currency FROM {orders}"),
    ("Load order_items.csv and add a column line_total = quantity * unit_price",
     "SELECT *, quantity * unit_price FROM {order_items}"),
    ("Load orders.csv, dedupe by customer_id keeping the latest order_date",
     "SELECT DISTINCT ON (customer_id) * FROM {orders} ORDER BY customer_id, order_date DESC"),
    ("Deduplicate orders.csv on customer_id, keep the row with the highest amount",
     "SELECT DISTINCT ON (customer_id) * FROM {orders} ORDER BY customer_id, amount DESC NULLS LAST"),
    ("customers without orders",
     "SELECT * FROM {customers} WHERE customer_id NOT IN (SELECT customer_id FROM {orders})"),
    ("Customers that have no orders",
     "SELECT * FROM {customers} WHERE customer_id NOT IN (SELECT customer_id FROM {orders})"),
    ("orders without payments, only order_id and amount",
     "SELECT order_id, amount FROM {orders} WHERE order_id NOT IN (SELECT order_id FROM {payments})"),
    ("customers without email", "SELECT * FROM {customers} WHERE email IS NULL"),
    ("Join orders.csv with crm.customers on customer_id and keep order_id, full_name and region",
     "SELECT order_id, full_name, region FROM {orders} JOIN {customers} USING (customer_id)"),
    ("Left join orders.csv with crm.customers on customer_id and keep order_id and region",
     "SELECT order_id, region FROM {orders} LEFT JOIN {customers} USING (customer_id)"),
    ("Load orders.csv, join crm.customers on orders.customer_id = customers.customer_id, only region EU, "
     "keep order_id and full_name",
     "SELECT order_id, full_name FROM {orders} JOIN {customers} USING (customer_id) WHERE region = 'EU'"),
    ("Enrich orders.csv with region and country from crm.customers",
     "SELECT o.*, region, country FROM {orders} o LEFT JOIN {customers} USING (customer_id)"),
    ("Read crm.customers, keep customer_id and uppercase full_name as name",
     "SELECT customer_id, upper(full_name) FROM {customers}"),
    ("customers created before 2024", "SELECT * FROM {customers} WHERE created_at < '2024-01-01'"),
    ("Load orders.csv, rename status to currency and currency to status",
     "SELECT order_id, customer_id, order_date, status, amount, currency FROM {orders}"),
    ("Load orders.csv, drop currency, rename status to currency",
     "SELECT order_id, customer_id, order_date, status, amount FROM {orders}"),
    ("Load orders.csv, rename status to currency", None),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "sql"), ROWS)
def test_rows(shop: World, goal: str, sql: str | None) -> None:
    """Choosing, renaming, deriving, de-duplicating and joining rows give what hand-written SQL gives."""
    if sql is None:
        assert shop.plan(goal).plan is None
    else:
        check(shop, goal, sql)


def test_top(shop: World) -> None:
    """A limit is over a total order: ties are settled by the groups' keys."""
    draft = shop.plan("top 2 customers by total amount from orders.csv")
    if draft.plan is not None:
        rows = shop.run(draft.plan)
        assert [float(row[-1]) for row in rows] == [180.0, 70.5]


def test_order_of_operations(shop: World) -> None:
    """A condition before the de-duplication decides which rows it sees; one after it, which stay."""
    first = "Load orders.csv, keep only status = 'completed', dedupe by customer_id keeping the latest order_date"
    last = "Load orders.csv, dedupe by customer_id keeping the latest order_date, keep only status = 'completed'"
    newest = "SELECT DISTINCT ON (customer_id) * FROM {source} ORDER BY customer_id, order_date DESC"
    one = newest.format(source="(SELECT * FROM {orders} WHERE status = 'completed')")
    other = f"SELECT * FROM ({newest.format(source='{orders}')}) WHERE status = 'completed'"
    check(shop, first, one)
    check(shop, last, other)


@pytest.mark.parametrize(
    ("goal", "answer", "wanted"),
    [
        ("Load weights.csv, cast kilos to integer", "round", [1, 3, -3, 4]),
        ("Load weights.csv, cast kilos to integer", "cut", [1, 2, -2, 4]),
        ("Load weights.csv, cast noted to integer", "round", [3, 7, None, 1]),
        ("Load weights.csv, cast noted to integer", "cut", [2, 7, None, 1]),
    ],
)
def test_fractions_in_a_cast_to_whole_numbers(goal: str, answer: str, wanted: list[int | None]) -> None:
    """Whether fractions are rounded or cut off is asked where there are any, and followed; whole numbers are cast."""
    world = World()
    rows = "(1, 1.2, '2.5'), (2, 2.5, '7'), (3, -2.5, NULL), (4, 4.0, '1')"
    world.add("weights.csv", f"SELECT a AS n, b::DOUBLE AS kilos, c AS noted FROM (VALUES {rows}) t(a, b, c)")
    draft = world.answered(goal, answer)
    assert draft.plan is not None
    at = 1 if "kilos" in goal else 2
    assert [row[at] for row in sorted(world.run(draft.plan))] == wanted
    assert world.plan("Load weights.csv, cast n to integer").plan is not None
    world.close()
