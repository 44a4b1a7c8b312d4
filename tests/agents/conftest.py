"""A small shop in a real SQLite file and CSV files, a DuckDB target, and a workbench over them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from harness.bench import ORDERS, PAYMENTS, SHOP, Written

from agent_etl.agents.workbench import Workbench
from agent_etl.connectors.registry import Registry, open_connections
from agent_etl.engine.duck import connect
from agent_etl.engine.plan import Plan
from agent_etl.engine.probe import SourceProber
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.tools.catalog import describe_plan_sources


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    Path("orders.csv").write_text(ORDERS)
    Path("payments.csv").write_text(PAYMENTS)
    with closing(sqlite3.connect("shop.sqlite")) as shop:
        shop.executescript(SHOP)
        shop.commit()
    with closing(connect(Path("mart.duckdb"))) as mart:
        mart.execute("CREATE TABLE totals (status VARCHAR, total DOUBLE); INSERT INTO totals VALUES ('paid', 1)")
        mart.execute("CREATE TABLE loose (status VARCHAR, total DOUBLE)")
        mart.execute("INSERT INTO loose VALUES ('paid', 1), ('paid', 2)")
        mart.execute("CREATE TABLE strict (status VARCHAR, total INTEGER, who VARCHAR NOT NULL)")
    return load_settings(
        home=tmp_path / "home",
        connections={"shop": "sqlite:///shop.sqlite", "mart": "duckdb:///mart.duckdb", "box": "file:///box/"},
    )


@pytest.fixture
def connections(settings: Settings) -> Iterator[Registry]:
    with closing(open_connections(settings)) as registry:
        yield registry


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def bench(connections: Registry, settings: Settings, written: Written) -> Iterator[Callable[[Plan], Workbench]]:
    """A workbench for a plan, its sources described as a run would do it."""
    prober = SourceProber(connections, settings)

    def make(plan: Plan) -> Workbench:
        there = tuple(step for step in plan.extracts if step.source in connections.names())
        known = Plan.model_construct(extracts=there, loads=())
        return Workbench(connections, describe_plan_sources(known, connections), prober, settings, store=written)

    yield make
    prober.close()
