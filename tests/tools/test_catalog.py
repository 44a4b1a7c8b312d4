"""The survey: what a goal's words mean among files, folders, databases and connections."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent_etl.connectors.registry import open_connections
from agent_etl.engine.errors import ConnectionLost, ReadError, SettingsError
from agent_etl.engine.plan import Plan
from agent_etl.engine.schema import Catalogue
from agent_etl.engine.settings import load_settings
from agent_etl.tools.catalog import describe_plan_sources, survey

# ruff: noqa: E501
Survey = Callable[..., Catalogue]


@pytest.fixture
def surveyed(tmp_path: Path) -> Iterator[Survey]:
    """Survey a goal in a folder with two CSV files, a folder of exports and two databases."""
    Path("raw_orders.csv").write_text("id,amount\n1,2\n")
    Path("weather.csv").write_text("day,rain\n2024-01-01,3\n")
    Path("exports").mkdir()
    Path("exports/jan.csv").write_text("id,n\n1,2\n")
    Path("exports/feb.csv").write_text("id,n\n1,2\n")
    database("shop.sqlite", "customers", "products")
    database("big.sqlite", *(f"t{number}" for number in range(60)), "invoices", "invoice_lines")

    def look(goal: str, **connections: str) -> Catalogue:
        with closing(open_connections(load_settings(home=tmp_path / "home", connections=connections))) as registry:
            return survey(goal, registry)

    yield look


def database(path: str, *tables: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT)")
        connection.commit()


def names(catalogue: Catalogue) -> list[tuple[str, str]]:
    return [(table.connection, table.dataset) for table in catalogue.tables]


@pytest.mark.parametrize(
    ("goal", "found"),
    [
        ("Load raw_orders.csv into t", [("here", "raw_orders.csv")]),
        ("Load raw_orders into t", [("here", "raw_orders.csv")]),
        ("Sum the orders into t", [("here", "raw_orders.csv")]),
        ("Load ./exports/jan.csv", [("here", "./exports/jan.csv")]),
        ("Load exports/*.csv into t", [("here", "exports/*.csv")]),
        ("Load the files in exports/ into t", [("here", "exports/feb.csv"), ("here", "exports/jan.csv")]),
        ("Load customers from shop.sqlite", [("shop.sqlite", "customers"), ("shop.sqlite", "products")]),
        ("Load customers from sqlite:///shop.sqlite", [("sqlite:///shop.sqlite", "customers"), ("sqlite:///shop.sqlite", "products")]),
        ("Copy nothing at all", []),
    ],
)  # fmt: skip
def test_what_a_goal_mentions_is_found(surveyed: Survey, goal: str, found: list[tuple[str, str]]) -> None:
    """Files, globs, folders, database files and URLs of the goal, and files that its words mean, are described."""
    assert names(surveyed(goal)) == found


def test_configured_connections_are_whole(surveyed: Survey) -> None:
    """All tables of a configured connection are surveyed: a goal may mean them without naming them."""
    catalogue = surveyed("Count the people", shop="sqlite:///shop.sqlite")
    assert names(catalogue) == [("shop", "customers"), ("shop", "products")]
    assert catalogue.connections == {"here": "files", "shop": "sqlite", "warehouse": "duckdb"}


def test_of_many_tables_only_the_plausible_are_described(surveyed: Survey) -> None:
    """In a database of more than 50 tables those are described whose name, or a part of it, stands in the goal."""
    catalogue = surveyed("Total of each invoice into t", big="sqlite:///big.sqlite")
    assert names(catalogue) == [("big", "invoice_lines"), ("big", "invoices")]


def test_names_that_lead_nowhere_are_told(surveyed: Survey) -> None:
    """A file, folder or database that is not there is listed as missing; it may be a target that is made later."""
    catalogue = surveyed("Load sales.csv and old/ from gone.sqlite into out.parquet")
    assert catalogue.missing == ("sales.csv", "old/", "gone.sqlite", "out.parquet")


def test_a_missing_file_has_those_that_are_called_almost_so(surveyed: Survey) -> None:
    """Near names are told and are no tables: what nobody named is no source."""
    catalogue = surveyed("Load raw_ordes.csv and replace x")
    assert (catalogue.missing, dict(catalogue.near)) == (("raw_ordes.csv",), {"raw_ordes.csv": ("raw_orders.csv",)})
    assert surveyed("Load nothing_like_it.csv").near == {}


def test_a_named_folder_connection_is_searched_for_files(surveyed: Survey) -> None:
    """A file name that is not in the current directory is looked up in the folder connections."""
    folder = Path("exports").absolute().as_uri() + "/"
    catalogue = surveyed("Load jan.csv into t", lake=folder)
    assert ("lake", "jan.csv") in names(catalogue)
    assert catalogue.missing == ()


def test_a_connection_that_is_down_matters_when_the_goal_names_it(surveyed: Survey) -> None:
    """A database that cannot be reached stops only the goals that name it, by its name."""
    url = "postgresql://nobody@127.0.0.1:1/x"
    catalogue = surveyed("Load raw_orders.csv into t", crm=url)
    assert names(catalogue) == [("here", "raw_orders.csv")]
    assert catalogue.unreachable == ("crm",)
    with pytest.raises(ConnectionLost) as lost:
        surveyed("Load crm.customers into t", crm=url)
    assert "crm" in str(lost.value)


@pytest.mark.parametrize("url", ["postgresql://u:${NOT_SET_HERE}@127.0.0.1/x", "nosuch://h/d"])
def test_a_connection_that_cannot_be_used_matters_when_the_goal_names_it(surveyed: Survey, url: str) -> None:
    """A secret that is not set, or a system that nobody knows, stops only the goals that name the connection."""
    assert surveyed("Load raw_orders.csv into t", crm=url).unreachable == ("crm",)
    with pytest.raises(SettingsError):
        surveyed("Load crm.customers into t", crm=url)


def test_a_broken_file_matters_when_the_goal_names_it(surveyed: Survey) -> None:
    """A file that is not what it says stops the goal that names it, and no other."""
    Path("broken.parquet").write_bytes(b"not parquet")
    assert names(surveyed("Load raw_orders.csv")) == [("here", "raw_orders.csv")]
    with pytest.raises(ReadError) as failure:
        surveyed("Load broken.parquet into t")
    assert failure.value.fields["dataset"] == "broken.parquet"


def test_a_plans_sources_are_described_under_the_plans_names(surveyed: Survey, tmp_path: Path) -> None:
    """A hand-written plan's sources are found by its own names of them; one that is gone is listed as missing."""
    plan = Plan.parse(
        "name: p\nextracts:\n"
        "- {name: people, source: shop.sqlite, dataset: customers}\n"
        "- {name: orders, source: here, dataset: raw_orders.csv, options: {types: {id: VARCHAR}}}\n"
        "- {name: gone, source: here, dataset: gone.csv}\n"
        "loads:\n- {name: out, from: people, target: warehouse, table: t}\n"
    )
    with closing(open_connections(load_settings(home=tmp_path / "home"))) as registry:
        catalogue = describe_plan_sources(plan, registry)
    orders = catalogue.get("here", "raw_orders.csv")
    assert catalogue.get("shop.sqlite", "customers") is not None
    assert orders is not None
    assert orders.columns[0].type == "VARCHAR"
    assert catalogue.missing == ("gone.csv",)
    assert catalogue.connections["warehouse"] == "duckdb"
