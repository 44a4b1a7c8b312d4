"""The corpus: tables, goals in words, and what each must become, as plain files in tests/goals/cases.

A case file holds `tables` (rows as CSV text under a header `name:TYPE`), perhaps `connections`, and `cases`. A case is
a `goal` and one expectation:

    sql       it runs, and `target` then holds exactly these rows (DuckDB SQL over the tables' bare names); a column
              alias that begins with an underscore may have any name in the target
    expect    ask, refuse or stop (either, or a failed check): it must not run, and `quote` is among the quoted words

`may_ask: true`: asking instead of running is right too. `order: true`: the rows come in this order. `before` fills
targets first. A name is `orders.csv`, `shop.sqlite:orders`, `wh.duckdb:orders` or `pg:orders`.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import yaml

__all__ = ["Case", "Schema", "cases", "expected"]

_FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Schema:
    """The tables of one case file: name to (columns with types, rows of text cells; None for an empty cell)."""

    tables: Mapping[str, tuple[tuple[tuple[str, str], ...], tuple[tuple[str | None, ...], ...]]]
    connections: Mapping[str, str]

    def bare(self) -> dict[str, str]:
        """Each table's name in expected SQL, by its full name; the first of two namesakes keeps the bare one."""
        names: dict[str, str] = {}
        for full in self.tables:
            stem = full.rsplit(":", 1)[-1].rsplit("/", 1)[-1].split(".")[0]
            names[full] = stem if stem not in names.values() else f"{full.split('.')[0]}_{stem}"
        return names

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection that holds the tables, typed; all of them share one database. The caller closes it."""
        return self._database.cursor()

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for full, bare in self.bare().items():
            columns, rows = self.tables[full]
            declared = ", ".join(f'"{column}" {kind}' for column, kind in columns)
            connection.execute(f'CREATE TABLE "{bare}" ({declared})')
            if rows:
                marks = ", ".join("?" * len(columns))
                connection.executemany(f'INSERT INTO "{bare}" VALUES ({marks})', [list(row) for row in rows])
        return connection


@dataclass(frozen=True)
class Case:
    """One goal and what it must become."""

    id: str
    goal: str
    schema: Schema
    expect: str = "run"
    sql: str | None = None
    target: str | None = None
    quote: str = ""
    order: bool = False
    may_ask: bool = False
    may_run: bool = False
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_postgres(self) -> bool:
        """The case reads or writes a PostgreSQL database, named pg."""
        return any(name.startswith("pg:") for name in (*self.schema.tables, self.target or ""))

    @property
    def must_stop(self) -> bool:
        """Running this goal would be a guess."""
        return self.expect != "run" and not self.may_run


def cases() -> tuple[Case, ...]:
    """Every case of every file, in order. Raises: ValueError for two cases of one id."""
    found: list[Case] = []
    for path in sorted(_FOLDER.glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        tables = {name: _table(text) for name, text in content["tables"].items()}
        schema = Schema(tables, content.get("connections", {}))
        found += [Case(schema=schema, **case) for case in content["cases"]]
    ids = [case.id for case in found]
    if len(set(ids)) != len(ids):
        raise ValueError(f"case ids repeat: {sorted({i for i in ids if ids.count(i) > 1})}")
    return tuple(found)


def expected(case: Case) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows that the case's SQL gives."""
    with case.schema.connect() as connection:
        cursor = connection.execute(case.sql or "")
        return [column[0] for column in cursor.description], cursor.fetchall()


def _table(text: str) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str | None, ...], ...]]:
    header, *rows = csv.reader(io.StringIO(text))
    columns = []
    for cell in header:
        name, _, kind = cell.partition(":")
        columns.append((name, (kind or "VARCHAR").replace(";", ",")))
    return tuple(columns), tuple(tuple(cell or None for cell in row) for row in rows)
