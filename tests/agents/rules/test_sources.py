"""Sources in many places of the sentence: the plan's rows are those of hand-written SQL."""

import pytest
from worlds import World

BOOKS = [
    ("From lib.sqlite Book sum Seconds by AuthorId", "SELECT AuthorId, sum(Seconds) FROM {Book} GROUP BY 1"),
    ("Load lib.sqlite Book where Seconds is over 100", "SELECT * FROM {Book} WHERE Seconds > 100"),
    ("In lib.sqlite, count the books per AuthorId", "SELECT AuthorId, count(*) FROM {Book} GROUP BY 1"),
    ("lib.sqlite: count the books per AuthorId", "SELECT AuthorId, count(*) FROM {Book} GROUP BY 1"),
    ("Books of lib.sqlite sorted by Title descending", "SELECT * FROM {Book} ORDER BY Title DESC"),
    ("Count the rows per AuthorId. Book and Author are both in lib.sqlite and join on AuthorId.",
     "SELECT AuthorId, count(*) FROM {Book} JOIN {Author} USING (AuthorId) GROUP BY 1"),
    ("Export Book from lib.sqlite to books.parquet", "SELECT * FROM {Book}"),
]  # fmt: skip
SHOP = [
    ("Append orders.csv to all_orders", "SELECT * FROM {orders}"),
    ("Upsert orders.csv into all_orders by order_id", "SELECT * FROM {orders}"),
    ("Count orders by status in orders.csv", "SELECT status, count(*) FROM {orders} GROUP BY 1"),
    ("Count the rows by status according to orders.csv", "SELECT status, count(*) FROM {orders} GROUP BY 1"),
    ("Sum amount by status (orders.csv)", "SELECT status, sum(amount) FROM {orders} GROUP BY 1"),
    ("orders.csv with amount over 50 -> big.csv", "SELECT * FROM {orders} WHERE amount > 50"),
    ("Add line_total = quantity * unit_price to order_items.csv", "SELECT *, quantity * unit_price FROM {order_items}"),
    ("Append the customers of crm with region EU to eu_people", "SELECT * FROM {customers} WHERE region = 'EU'"),
]


@pytest.mark.parametrize(("goal", "sql"), BOOKS)
def test_places(library: World, goal: str, sql: str) -> None:
    """A database before, after or between the words says where the tables are."""
    library.agrees(goal, sql)


@pytest.mark.parametrize(("goal", "sql"), SHOP)
def test_names(shop: World, goal: str, sql: str) -> None:
    """A file is read wherever the goal names it, after verbs of writing too."""
    shop.agrees(goal, sql)


def test_a_second_file_is_not_ignored(shop: World) -> None:
    """A file that is named and not used stops the plan."""
    assert shop.plan("Load orders.csv into copies (products.parquet)").plan is None


@pytest.mark.parametrize(
    ("goal", "sql"),
    [
        ("Load pg.visits into copies", "SELECT * FROM {visits}"),
        ("Export pg.visits to visits.csv", "SELECT * FROM {visits}"),
        ("Join pg.visits and pg.wards on visits.ward_id = wards.id and count visits per title",
         "SELECT title, count(*) FROM {visits} JOIN {wards} ON ward_id = id GROUP BY 1"),
        ("Load visits from pg, keep pg.visits.visit_no only", "SELECT visit_no FROM {visits}"),
    ],
)  # fmt: skip
def test_a_connection_before_a_name_in_a_schema(shop: World, goal: str, sql: str) -> None:
    """`pg.visits` is the table `public.visits` of the connection pg."""
    visits = "SELECT * FROM (VALUES (1, 7), (2, 7), (3, 8)) t(visit_no, ward_id)"
    shop.add("public.visits", visits, connection="pg", kind="postgres")
    shop.add("public.wards", "SELECT 7 AS id, 'Eye' AS title", connection="pg", kind="postgres")
    shop.agrees(goal, sql)


def test_one_name_in_two_schemas_is_asked(shop: World) -> None:
    """A table that two schemas hold is not chosen silently."""
    for schema in ("public", "archive"):
        shop.add(f"{schema}.visits", "SELECT 1 AS visit_no", connection="pg", kind="postgres")
    assert [one.quote for one in shop.plan("Load pg.visits into copies").questions] == ["pg.visits"]


def test_a_table_called_sales_is_a_table(shop: World) -> None:
    """A table's name that is also a word for revenue means its rows, and `sales per shop` is not guessed."""
    shop.add(
        "sales.csv", "SELECT * FROM (VALUES (1, 'A', 5.5, NULL), (2, 'B', 7, 'x')) t(sale_no, place, amount, note)"
    )
    shop.agrees("sales without a note", "SELECT * FROM {sales} WHERE note IS NULL")
    shop.agrees("total sales per place from sales.csv", "SELECT place, sum(amount) FROM {sales} GROUP BY 1")
    assert [one.quote for one in shop.plan("sales per place from sales.csv").refusals] == ["sales"]
