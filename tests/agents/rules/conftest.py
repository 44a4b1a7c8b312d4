"""Worlds for the planner's tests: a shop with fan-out and orphans; a library with declared keys."""

from collections.abc import Iterator

import pytest
from worlds import World

ORDERS = """
  SELECT * FROM (VALUES
    (1, 10, DATE '2024-01-05', 'completed', 100.0, 'EUR'), (2, 10, DATE '2024-02-05', 'cancelled', 50.0, 'USD'),
    (3, 11, DATE '2024-02-07', 'completed', 70.5, 'EUR'), (4, 12, DATE '2023-12-31', 'pending', 20.0, 'USD'),
    (5, 12, DATE '2024-03-31', NULL, NULL, 'USD'), (6, 99, DATE '2024-03-31', 'pending', 5.25, 'EUR'),
    (7, 10, DATE '2024-02-28', 'completed', 30.0, 'EUR')
  ) t(order_id, customer_id, order_date, status, amount, currency)"""
CUSTOMERS = """
  SELECT * FROM (VALUES
    (10, 'Ann', 'ann@x.de', 'EU', 'DE', TIMESTAMP '2023-01-01 10:00'), (11, 'Bob', NULL, 'US', 'US', '2023-05-01'),
    (12, 'Cid', 'cid@x.de', 'EU', 'FR', TIMESTAMP '2024-02-29 23:59'), (13, 'Dee', 'ann@x.de', 'EU', 'DE', NULL)
  ) t(customer_id, full_name, email, region, country, created_at)"""
PAYMENTS = """
  SELECT * FROM (VALUES
    (1, 1, 'card', 6000), (2, 1, 'voucher', 4000), (3, 2, 'card', 5000), (4, 3, 'card', 7050), (5, 7, 'paypal', 1000),
    (6, 7, 'card', 1000), (7, 7, 'card', 1000)
  ) t(payment_id, order_id, method, amount_cents)"""
ITEMS = """
  SELECT * FROM (VALUES
    (1, 1, 100, 2, 10.0), (1, 2, 101, 1, 80.0), (2, 1, 100, 5, 10.0), (3, 1, 102, 3, 23.5), (7, 1, 101, 1, 30.0)
  ) t(order_id, line_no, product_id, quantity, unit_price)"""
PRODUCTS = """
  SELECT * FROM (VALUES
    (100, 'Pen', 'office', 4.0, false), (101, 'Lamp', 'home', 55.5, true), (102, 'Mug', 'home', 9.0, false)
  ) t(product_id, product_name, category, cost, discontinued)"""


@pytest.fixture
def shop() -> Iterator[World]:
    """Orders, payments and items as files, customers in a PostgreSQL named crm."""
    world = World()
    world.add("orders.csv", ORDERS).add("payments.csv", PAYMENTS).add("order_items.csv", ITEMS)
    world.add("products.parquet", PRODUCTS)
    world.add("customers", CUSTOMERS, key=["customer_id"], connection="crm", kind="postgres")
    yield world
    world.close()


@pytest.fixture
def library() -> Iterator[World]:
    """A database with declared keys and camel-case names."""
    world = World()
    world.add("Author", "SELECT * FROM (VALUES (1,'Le Guin'),(2,'Lem'),(3,'Nobody')) t(AuthorId, Name)",
              key=["AuthorId"], connection="lib.sqlite", kind="sqlite")  # fmt: skip
    world.add("Book", "SELECT * FROM (VALUES (10,'A',1,3600),(11,'B',1,5400),(12,'C',2,60),(13,'D',2,NULL)) "
              "t(BookId, Title, AuthorId, Seconds)", key=["BookId"],
              references={"AuthorId": ("Author", "AuthorId")}, connection="lib.sqlite", kind="sqlite")  # fmt: skip
    world.add("Loan", "SELECT * FROM (VALUES (1,10,DATE '2024-01-01',250),(2,10,DATE '2024-01-09',0),"
              "(3,12,DATE '2024-02-01',100)) t(LoanId, BookId, LoanDate, FeeCents)", key=["LoanId"],
              references={"BookId": ("Book", "BookId")}, connection="lib.sqlite", kind="sqlite")  # fmt: skip
    yield world
    world.close()
