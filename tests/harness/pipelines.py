"""Pipelines to break: a CSV file into a target that holds rows already, in each mode, and what must come out."""

import csv
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.rows import Rows

__all__ = ["KINDS", "MODES", "Pipeline"]

KINDS = ("duckdb", "sqlite", "postgres", "parquet")
MODES = ("append", "replace", "merge")
_STATES = ("paid", "open", "void")
_BEFORE = 40


@dataclass(frozen=True)
class Pipeline:
    """`rows` orders into a target of `kind` by `mode`.

    `staged`: through a transform and so through a sealed package; else straight from the file, where the engine may
    fuse reading and loading. The target holds rows of an earlier load; the new ones repeat half of their keys.
    """

    kind: str
    mode: str
    staged: bool = True
    rows: int = 400

    @property
    def target(self) -> str:
        """The target as harness.targets names it."""
        return {
            "duckdb": "wh.duckdb:orders_out",
            "sqlite": "wh.sqlite:orders_out",
            "postgres": "pg:orders_out",
            "parquet": "out/orders_out.parquet",
        }[self.kind]

    def lay(self, folder: Path, pg_url: str | None) -> None:
        """Write source files, settings and the two plans: before.yaml fills the target first, plan.yaml is the job."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "out").mkdir(exist_ok=True)
        _write(folder / "before.csv", self._before())
        _write(folder / "orders.csv", self._orders())
        urls = {
            "duckdb": "duckdb:///wh.duckdb",
            "sqlite": "sqlite:///wh.sqlite",
            "postgres": pg_url or "",
            "parquet": f"file://{folder}/out/",
        }
        (folder / "agent_etl.toml").write_text(f'[connections]\nwh = "{urls[self.kind]}"\n')
        (folder / "before.yaml").write_text(self._plan("before.csv", "append"))
        (folder / "plan.yaml").write_text(self._plan("orders.csv", self.mode))

    def copy(self, laid: Path, folder: Path, pg_url: str | None) -> None:
        """A laid folder with its filled target again elsewhere (a PostgreSQL database is copied by its server)."""
        shutil.copytree(laid, folder, ignore=shutil.ignore_patterns("report-*"))
        self.lay(folder, pg_url)

    def expected(self) -> Rows:
        """What one clean run leaves in the target."""
        new, old = self._output(self._orders()), self._output(self._before())
        if self.mode == "replace":
            rows = new
        elif self.mode == "append":
            rows = old + new
        else:
            keys = {row[0] for row in new}
            rows = [row for row in old if row[0] not in keys] + new
        return ["id", "customer", "cents"], rows

    @property
    def new_rows(self) -> int:
        """How many rows the job loads."""
        return len(self._output(self._orders()))

    @property
    def old_rows(self) -> int:
        """How many rows the target holds before the job."""
        return len(self._output(self._before()))

    def _orders(self) -> list[tuple[Any, ...]]:
        return _orders(_BEFORE // 2, self.rows)

    def _before(self) -> list[tuple[Any, ...]]:
        return _orders(0, _BEFORE)

    def _output(self, orders: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [(key, name, cents) for key, name, cents, state in orders if not (self.staged and state == "void")]

    def _plan(self, dataset: str, mode: str) -> str:
        load: dict[str, Any] = {
            "name": "load_orders",
            "from": "read",
            "target": "wh",
            "table": "orders_out",
            "mode": mode,
        }
        extract: dict[str, Any] = {"name": "read", "source": "here", "dataset": dataset}
        plan: dict[str, Any] = {"name": "orders", "extracts": [extract], "loads": [load]}
        if self.staged:
            sql = "SELECT id, customer, cents FROM read WHERE state <> 'void'"
            plan["transforms"] = [{"name": "kept", "sql": sql}]
            load["from"] = "kept"
        else:
            extract["columns"] = ["id", "customer", "cents"]
        if mode == "merge":
            load["key"] = ["id"]
        if self.kind == "parquet":
            load |= {"table": "orders_out.parquet", "format": "parquet"}
        return yaml.safe_dump(plan, sort_keys=False)


def _orders(first: int, count: int) -> list[tuple[Any, ...]]:
    chance = random.Random(first * 1_000_003 + count)
    return [
        (
            first + i,
            chance.choice(("Ada", "Béla", "O'Neil", 'quote "x"')),
            chance.randrange(10**6),
            chance.choice(_STATES),
        )
        for i in range(count)
    ]


def _write(path: Path, orders: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "customer", "cents", "state"))
        writer.writerows(orders)
