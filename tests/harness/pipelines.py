"""Pipelines to break: a CSV file into a target that holds rows already, in each mode, and what must come out."""

import csv
import random
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from harness.rows import Rows

__all__ = ["KINDS", "MODES", "Pipeline"]

KINDS = ("duckdb", "sqlite", "postgres", "mysql", "parquet")
MODES = ("append", "replace", "merge", "delete", "scd2")
"""Load modes; `delete` is a merge that deletes by a flag and what is missing."""
_STATES = ("paid", "open", "void")
_BEFORE = 40
_MORE: dict[str, dict[str, Any]] = {
    "merge": {"key": ["id"]},
    "delete": {"key": ["id"], "delete_by": "gone", "delete_missing": True},
    "scd2": {"key": ["id"], "effective": "changed"},
}
_STEERING = {"delete": ("gone",), "scd2": ("changed",)}


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
            "mysql": "my:orders_out",
            "parquet": "out/orders_out.parquet",
        }[self.kind]

    @property
    def load_mode(self) -> str:
        """The mode as a plan and a marker name it."""
        return "merge" if self.mode == "delete" else self.mode

    @property
    def first_mode(self) -> str:
        """The mode of the load that fills the target before the job."""
        return "scd2" if self.mode == "scd2" else "append"

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
            "mysql": pg_url or "",
            "parquet": f"file://{folder}/out/",
        }
        (folder / "agent_etl.toml").write_text(f'[connections]\nwh = "{urls[self.kind]}"\n')
        (folder / "before.yaml").write_text(self._plan("before.csv", self.first_mode))
        (folder / "plan.yaml").write_text(self._plan("orders.csv", self.mode))

    def copy(self, laid: Path, folder: Path, pg_url: str | None) -> None:
        """A laid folder with its filled target again elsewhere (a PostgreSQL database is copied by its server)."""
        shutil.copytree(laid, folder, ignore=shutil.ignore_patterns("report-*"))
        self.lay(folder, pg_url)

    def expected(self) -> Rows:
        """What one clean run leaves in the target."""
        new, old = self._output(self._orders()), self._output(self._before())
        if self.mode == "scd2":
            return ["id", "customer", "cents", "valid_from", "valid_to"], _versions(old + new)
        keys = {row[0] for row in new}
        rows = {
            "append": old + new,
            "replace": new,
            "merge": [row for row in old if row[0] not in keys] + new,
            "delete": [row for row in new if not row[-1]],
        }[self.mode]
        return ["id", "customer", "cents"], [row[:3] for row in rows]

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
        """The rows (id, customer, cents, changed, gone) that are loaded."""
        return [(*rest, gone) for *rest, state, gone in orders if not (self.staged and state == "void")]

    def _plan(self, dataset: str, mode: str) -> str:
        load: dict[str, Any] = {
            "name": "load_orders",
            "from": "read",
            "target": "wh",
            "table": "orders_out",
            "mode": "merge" if mode == "delete" else mode,
            **_MORE.get(mode, {}),
        }
        columns = ["id", "customer", "cents", *_STEERING.get(mode, ())]
        extract: dict[str, Any] = {"name": "read", "source": "here", "dataset": dataset}
        plan: dict[str, Any] = {"name": "orders", "extracts": [extract], "loads": [load]}
        if self.staged:
            sql = f"SELECT {', '.join(columns)} FROM read WHERE state <> 'void'"
            plan["transforms"] = [{"name": "kept", "sql": sql}]
            load["from"] = "kept"
        else:
            extract["columns"] = columns
        if self.kind == "parquet":
            load |= {"table": "orders_out.parquet", "format": "parquet"}
        return yaml.safe_dump(plan, sort_keys=False)


def _orders(first: int, count: int) -> list[tuple[Any, ...]]:
    """Rows (id, customer, cents, changed, state, gone); of the later ones each fourth changed long before."""
    chance = random.Random(first * 1_000_003 + count)
    return [
        (
            first + i,
            chance.choice(("Ada", "Béla", "O'Neil", 'quote "x"')),
            chance.randrange(10**6),
            datetime(2024 if first == 0 or i % 4 else 2023, 1 if first == 0 else 2, 1) + timedelta(minutes=i),
            chance.choice(_STATES),
            i % 3 == 0,
        )
        for i in range(count)
    ]


def _versions(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Each key's rows in the order of their times, each valid until the next."""
    ordered = sorted(rows, key=lambda row: (row[0], row[3]))
    ends = [after[3] if after[0] == row[0] else None for row, after in pairwise(ordered)]
    return [(*row[:4], end) for row, end in zip(ordered, [*ends, None], strict=True)]


def _write(path: Path, orders: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "customer", "cents", "changed", "state", "gone"))
        writer.writerows(orders)
