"""Measured facts are what plain counting gives."""

import sqlite3

import pytest

from agent_etl.connectors.registry import open_connections
from agent_etl.engine.errors import NotFound
from agent_etl.engine.ports import KeyFacts, Overlap, ValueFacts
from agent_etl.engine.probe import SourceProber
from agent_etl.engine.settings import load_settings


@pytest.fixture
def shop(tmp_path):
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.executescript(
        """
        CREATE TABLE orders (id INTEGER, customer INTEGER, region TEXT);
        INSERT INTO orders VALUES (1, 10, 'north'), (2, 10, ' North '),
            (3, 11, 'south'), (4, 12, NULL), (5, NULL, 'north');
        CREATE TABLE customers (code TEXT, name TEXT);
        INSERT INTO customers VALUES ('10', 'a'), ('11', 'b'), ('11', 'c'), ('99', 'd'), (NULL, 'e');
        """
    )
    connection.close()
    settings = load_settings(home=tmp_path / "home", connections={"shop": f"sqlite:///{tmp_path}/shop.db"})
    connections = open_connections(settings, cwd=tmp_path)
    prober = SourceProber(connections, settings)
    source = connections["shop"].source()
    yield prober, source.describe("orders"), source.describe("customers")
    prober.close()
    connections.close()


def test_keys_are_counted_without_nulls(shop):
    """Rows, distinct key values and rows with a null in the key, for one column and for several."""
    prober, orders, _ = shop
    assert prober.keys(orders, ["id"]) == KeyFacts(rows=5, distinct=5, nulls=0)
    assert prober.keys(orders, ["customer"]) == KeyFacts(rows=5, distinct=3, nulls=1)
    assert prober.keys(orders, ["customer", "region"]) == KeyFacts(rows=5, distinct=3, nulls=2)
    assert prober.keys(orders, ["id"]).unique and not prober.keys(orders, ["customer"]).unique


def test_overlap_counts_rows_without_a_partner(shop):
    """A number meets the text that spells it; nulls have no partner."""
    prober, orders, customers = shop
    assert prober.overlap(orders, ["customer"], customers, ["code"]) == Overlap(
        left_rows=5, left_unmatched=2, right_rows=5, right_unmatched=2
    )


def test_values_come_most_frequent_first(shop):
    """A column's values with their counts, ties by value, nulls apart."""
    prober, orders, _ = shop
    assert prober.values(orders, "region", top=2) == ValueFacts(
        rows=5, nulls=1, distinct=3, low=" North ", high="south", top=(("north", 2), (" North ", 1))
    )
    assert prober.values(orders, "id").high == "5"


def test_a_value_is_counted_exactly_or_folded(shop):
    """Rows equal to a value as text; folding ignores case and outer spaces."""
    prober, orders, _ = shop
    assert prober.count(orders, "region", "north") == 2
    assert prober.count(orders, "region", "NORTH", fold=True) == 3
    assert prober.count(orders, "customer", "10") == 2
    assert prober.count(orders, "region", "it's") == 0


def test_an_unknown_column_is_named(shop):
    """A question about a column that is not there is an error, not a zero."""
    prober, orders, _ = shop
    with pytest.raises(NotFound):
        prober.keys(orders, ["nope"])


def test_a_question_is_measured_once(shop, tmp_path):
    """The same question is answered from memory; another version of the table is measured again."""
    from dataclasses import replace

    prober, orders, _ = shop
    assert prober.keys(orders, ["id"]).rows == 5
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("INSERT INTO orders VALUES (6, 1, 'x')")
    connection.commit()
    connection.close()
    assert prober.keys(orders, ["id"]).rows == 5
    assert prober.keys(replace(orders, version="other"), ["id"]).rows == 6
