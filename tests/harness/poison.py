"""Poisoned sources: orders of which some cannot be read and some break a check, and what must become of them."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.targets import rows_of

__all__ = ["KINDS", "Poison"]

KINDS = ("duckdb", "sqlite", "postgres", "parquet")
_BAD = ("short", "long", "text", "negative", "twice")


@dataclass(frozen=True)
class Poison:
    """`rows` orders into a target of `kind`, a `share` of them poisoned in turn in each of five ways."""

    kind: str
    share: float = 0.02
    rows: int = 1_000
    threshold: float | int = 0.5
    mode: str = "append"

    @property
    def target(self) -> str:
        """The target as harness.targets names it."""
        return f"{self._place}:orders_out" if self._place else "out/orders_out.parquet"

    @property
    def letters(self) -> str:
        """The dead letters as harness.targets names them."""
        return f"{self._place}:_etl_quarantine" if self._place else "out/_etl_quarantine/orders_out.parquet.jsonl"

    @property
    def named(self) -> str:
        """The target as the command line names it."""
        return "wh:orders_out" if self._place else "wh:orders_out.parquet"

    @property
    def _place(self) -> str:
        return {"duckdb": "wh.duckdb", "sqlite": "wh.sqlite", "postgres": "pg", "parquet": ""}[self.kind]

    def lay(self, folder: Path, pg_url: str | None = None) -> None:
        """Write the source, the settings, plan.yaml, and fixed.yaml, by which all but the ragged rows pass."""
        (folder / "out").mkdir(parents=True, exist_ok=True)
        lines = ["id,name,cents", *(line for line, _ in self._made())]
        (folder / "orders.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        url = {
            "duckdb": "duckdb:///wh.duckdb",
            "sqlite": "sqlite:///wh.sqlite",
            "postgres": pg_url or "",
            "parquet": f"file://{folder}/out/",
        }[self.kind]
        (folder / "agent_etl.toml").write_text(f'[connections]\nwh = "{url}"\n')
        (folder / "plan.yaml").write_text(self._plan(fixed=False))
        (folder / "fixed.yaml").write_text(self._plan(fixed=True))

    def bad(self) -> list[str]:
        """In which way each poisoned row is one."""
        return [how for _, how in self._made() if how]

    def good(self) -> int:
        """How many rows pass."""
        return self.rows - len(self.bad())

    def found(self, folder: Path, pg_url: str | None = None) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
        """The target's rows and its dead letters, read without the product; both empty where nothing is."""
        home = folder / "home"
        try:
            _, rows = rows_of(self.target, folder, home, pg_url)
            if not self._place:
                path = folder / self.letters
                kept = path.read_text().split("\n") if path.exists() else []
                return rows, [json.loads(line) for line in kept if line]
            names, letters = rows_of(self.letters, folder, home, pg_url)
        except LookupError:
            return [], []
        return rows, [dict(zip(names, letter, strict=True)) for letter in letters]

    def _made(self) -> list[tuple[str, str]]:
        chance = random.Random(7)
        count = round(self.share * self.rows)
        poisoned = dict(zip(sorted(chance.sample(range(self.rows), count)), _BAD * count, strict=False))
        return [(_line(number, poisoned.get(number, "")), poisoned.get(number, "")) for number in range(self.rows)]

    def _plan(self, *, fixed: bool) -> str:
        options: dict[str, Any] = {"delimiter": ",", "quote": '"', "header": True, "on_error": "quarantine"}
        options["types"] = {"id": "BIGINT", "name": "VARCHAR", "cents": "VARCHAR" if fixed else "BIGINT"}
        options["max_rejects"] = self.threshold
        cents = "coalesce(TRY_CAST(cents AS BIGINT), 0)" if fixed else "cents"
        plan: dict[str, Any] = {
            "name": "orders",
            "extracts": [{"name": "read", "source": "here", "dataset": "orders.csv", "options": options}],
            "transforms": [{"name": "kept", "sql": f"SELECT id, upper(name) AS name, {cents} AS cents FROM read"}],
            "checks": [
                {"name": "positive", "on": "kept", "kind": "range", "columns": ["cents"], "low": -9 if fixed else 0},
                {"name": "once", "on": "kept", "kind": "unique", "columns": ["name"] if fixed else ["id"]},
            ],
        }
        for check in plan["checks"]:
            check |= {"severity": "quarantine", "threshold": self.threshold}
        load = {"name": "load", "from": "kept", "target": "wh", "table": self.named.partition(":")[2]}
        plan["loads"] = [load | {"mode": self.mode} | ({"key": ["id"]} if self.mode == "merge" else {})]
        return yaml.safe_dump(plan, sort_keys=False)


def _line(number: int, how: str) -> str:
    name = f'"Zoë ""{number}"", ✓"' if number % 3 else f"n{number}"
    return {
        "short": f"{number},{name}",
        "long": f"{number},{name},1,2",
        "text": f"{number},{name},n/a",
        "negative": f"{number},{name},-5",
        "twice": f"-1,{name},{number}",
    }.get(how, f"{number},{name},{number * 10}")
