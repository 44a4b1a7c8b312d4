"""A small shop of ten orders and the engine alone, without graph or planner: what plans do, task by task."""

import sqlite3
from contextlib import contextmanager
from pathlib import Path

from agent_etl.connectors.registry import open_connections
from agent_etl.engine.duck import connect
from agent_etl.engine.executor import Executor
from agent_etl.engine.plan import Plan
from agent_etl.engine.settings import load_settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore

__all__ = ["COPY", "TOTALS", "TOTAL_ROWS", "Shop"]

COPY = """
name: copy
extracts: [{name: orders, source: shop, dataset: orders}]
loads: [{name: keep, from: orders, target: warehouse, table: orders, mode: append}]
"""
TOTALS = """
name: totals
extracts:
  - {name: orders, source: shop, dataset: orders, columns: [customer, amount], where: id > 0}
transforms:
  - name: totals
    sql: SELECT customer, sum(amount) AS total, count(*) AS n FROM orders GROUP BY customer ORDER BY total DESC
checks:
  - {name: known, on: totals, kind: not_null, columns: [customer, total]}
  - {name: one_each, on: totals, kind: unique, columns: [customer]}
loads:
  - {name: keep, from: totals, target: warehouse, table: totals, mode: replace}
"""
TOTAL_ROWS = [("c0", 180, 3), ("c1", 120, 3), ("c2", 150, 3)]


class Shop:
    """A home, a SQLite shop of ten orders, and a way to run a plan over them."""

    def __init__(self, folder: Path, connections: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.settings = load_settings(
            home=folder / "home", connections={"shop": f"sqlite:///{folder}/shop.db", **(connections or {})}
        )
        self.store = RunStore(self.settings.home)
        self.stage = Stage(self.settings.home / "stage")
        self.events = []
        if not (folder / "shop.db").exists():
            self._open_shop()

    def _open_shop(self):
        self.sql(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, amount INTEGER)",
            *(f"INSERT INTO orders VALUES ({n}, 'c{n % 3}', {n * 10})" for n in range(10)),
        )

    def sql(self, *statements):
        connection = sqlite3.connect(self.folder / "shop.db")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    @contextmanager
    def executor(self, text, run_id="r1"):
        """The executor of a plan in this shop, closed after the block."""
        connections = open_connections(self.settings, cwd=self.folder)
        executor = Executor(
            Plan.parse(text),
            run_id=run_id,
            connections=connections,
            stage=self.stage,
            store=self.store,
            settings=self.settings,
            on_event=self.events.append,
        )
        try:
            yield executor
        finally:
            executor.close()
            connections.close()

    def run(self, text, run_id="r1", *, only=None):
        """Run a plan's tasks (or the first `only` of them); the results by step."""
        with self.executor(text, run_id) as executor:
            return {task.name: executor.run(task) for task in executor.tasks()[:only]}

    def rows(self, table):
        """The warehouse table's rows in order."""
        duck = connect(self.settings.home / "warehouse.duckdb", read_only=True)
        found = duck.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
        duck.close()
        return found
