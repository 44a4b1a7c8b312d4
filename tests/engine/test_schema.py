"""Catalogues: how the names that people use find tables."""

import pytest

from agent_etl.engine.schema import Catalogue, Column, Table


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("orders.csv", "orders"),
        ("data/orders.csv.gz", "orders"),
        ("C:\\data\\orders.jsonl", "orders"),
        ("public.orders", "orders"),
        ("Orders", "Orders"),
        ("2024.orders.parquet", "2024.orders"),
    ],
)
def test_bare_names(dataset: str, name: str) -> None:
    """A dataset is known by the name that people say: no folder, no suffix, no schema."""
    assert Table("here", dataset, ()).name == name


def test_tables_are_found_by_any_of_their_names() -> None:
    """A table answers to its dataset, to connection.dataset and to its bare name, in any case; each match is given."""
    catalogue = Catalogue((Table("crm", "public.Orders", ()), Table("here", "orders.csv", ())))
    assert [table.connection for table in catalogue.named("ORDERS")] == ["crm", "here"]
    assert [table.connection for table in catalogue.named("crm.public.orders")] == ["crm"]
    assert [table.connection for table in catalogue.named("orders.csv")] == ["here"]
    assert catalogue.named("order") == ()


def test_a_column_in_another_case_is_found_only_when_it_is_the_only_one() -> None:
    """`id` finds `Id`, but neither of `Id` and `ID`."""
    assert Table("c", "t", (Column("Id", "BIGINT"),)).column("id") == Column("Id", "BIGINT")
    assert Table("c", "t", (Column("Id", "BIGINT"), Column("ID", "BIGINT"))).column("id") is None
    assert Table("c", "t", (Column("Id", "BIGINT"), Column("ID", "BIGINT"))).column("ID") == Column("ID", "BIGINT")
