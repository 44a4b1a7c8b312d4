"""Whether a goal's words may mean a table."""

import pytest

from agent_etl.engine.mentions import mentions
from agent_etl.tools.relevance import Wanted


def wanted(goal: str) -> Wanted:
    return Wanted(goal, mentions(goal))


@pytest.mark.parametrize(
    ("goal", "dataset"),
    [
        ("count orders per customer", "customers"),
        ("the category of each product", "categories"),
        ("boxes by size", "box"),
        ("InvoiceLine totals", "InvoiceLine"),
        ("total of invoice lines", "InvoiceLine"),
        ("load crm.public.people", "public.people"),
        ("payments in cents", "raw_payments.csv"),
        ("order items", "order_items.parquet"),
    ],
)
def test_singular_plural_and_parts_are_meant(goal: str, dataset: str) -> None:
    """One or many, spoken or written in snake or camel case: the table is meant."""
    assert wanted(goal).plausible(dataset)
    assert wanted(goal).likely(dataset)


@pytest.mark.parametrize(
    ("goal", "dataset"), [("load raw_orders.csv", "raw_payments.csv"), ("count the rain", "train"), ("a to b", "t_a")]
)
def test_other_tables_are_not(goal: str, dataset: str) -> None:
    """Words inside file names, parts of words and one-letter words mean no table."""
    assert not wanted(goal).plausible(dataset)


def test_only_a_head_noun_is_likely() -> None:
    """A first word alone is plausible for one of many tables, and not enough for a file that happens to be there."""
    assert wanted("sum of orders").plausible("order_status_history")
    assert not wanted("sum of orders").likely("order_status_history")


def test_a_connection_is_named_alone_or_before_a_dot() -> None:
    """`crm` and `crm.customers` both name the connection crm; `crmx` does not."""
    assert wanted("load crm.customers").names("crm")
    assert wanted("load customers from CRM").names("crm")
    assert not wanted("load crmx.customers").names("crm")
