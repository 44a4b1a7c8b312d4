"""Values of every kind in every system: laid there, and read back, by its own SQL and by none of the product's code."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from harness import mariadb
from harness.kinds import HARD, WIDE, Kind, canonical

__all__ = ["MANY", "SYSTEMS", "Place", "lay", "rows", "same_many"]

SYSTEMS = ("duckdb", "postgres", "mysql", "sqlite", "parquet", "csv", "jsonl")
MANY = 140_000
"""Rows of the long table: more than two batches of 65,536, so that a buffer that is used again would show."""
FILES = ("parquet", "csv", "jsonl")
_DUCK_NESTED = "if(typeof({0}) LIKE '%[]', CAST(to_json({0}) AS VARCHAR), CAST({0} AS VARCHAR))"

_MANY = {
    "duckdb": (
        "CREATE TABLE many AS SELECT i AS id, CAST((i % 9973) * 1.000001 - 4 AS DECIMAL(10,6)) AS d6,"
        " CAST(i * 1.000000001 AS DECIMAL(38,9)) AS d9, TIMESTAMP '2024-01-01' + to_microseconds(i * 1000003) AS ts"
        " FROM range(1, {n} + 1) AS r(i)"
    ),
    "postgres": (
        "CREATE TABLE many AS SELECT i::bigint AS id, ((i % 9973) * 1.000001 - 4)::numeric(10,6) AS d6,"
        " i * 1.000000001 AS d9, timestamp '2024-01-01' + i * interval '1.000003 seconds' AS ts"
        " FROM generate_series(1, {n}) AS r(i)"
    ),
    "mysql": (
        "CREATE TABLE many (id BIGINT PRIMARY KEY) AS SELECT CAST(seq AS SIGNED) AS id,"
        " CAST((seq % 9973) * 1.000001 - 4 AS DECIMAL(10,6)) AS d6, CAST(seq * 1.000000001 AS DECIMAL(38,9)) AS d9,"
        " CAST('2024-01-01' AS DATETIME(6)) + INTERVAL seq * 1000003 MICROSECOND AS ts FROM seq_1_to_{n}"
    ),
}


@dataclass(frozen=True)
class Place:
    """Where a system's sources or targets lie: `where` is a URL of a server, else the path of a file or a folder."""

    system: str
    where: str

    @property
    def url(self) -> str:
        """What a connection of the product is given."""
        scheme = {"duckdb": "duckdb:///", "sqlite": "sqlite:///"}.get(self.system, "file://")
        return self.where if self.system in {"postgres", "mysql"} else f"{scheme}{self.where}"

    def dataset(self, table: str) -> str:
        """The table's name as a plan says it."""
        return f"{table}.{self.system}" if self.system in FILES else table

    def has(self, table: str) -> bool:
        """Whether there is such a table."""
        match self.system:
            case "duckdb":
                with duckdb.connect(self.where) as connection:
                    return bool(connection.execute("FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall())
            case "sqlite":
                with closing(sqlite3.connect(self.where)) as connection:
                    return bool(connection.execute("PRAGMA table_info(" + table + ")").fetchall())
            case "postgres":
                return self.sql(f"SELECT to_regclass('{table}')") != [(None,)]
            case "mysql":
                return bool(self.sql(f"SHOW TABLES LIKE '{table}'"))
        return (Path(self.where) / self.dataset(table)).exists()

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last of some statements, run by the system's own client with UTC as the session's zone."""
        match self.system:
            case "postgres":
                with psycopg.connect(self.where, autocommit=True) as connection:
                    connection.execute("SET timezone = 'UTC'")
                    for statement in statements:
                        cursor = connection.execute(statement.encode())
                    return cursor.fetchall() if cursor.description else []
            case "mysql":
                return mariadb.executed(self.where, "SET time_zone = '+00:00'", *statements)
            case "sqlite":
                with closing(sqlite3.connect(self.where)) as connection:
                    connection.text_factory = str
                    for statement in statements:
                        found = connection.execute(statement).fetchall()
                    connection.commit()
                    return found
        with duckdb.connect(self.where if self.system == "duckdb" else ":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall()


def lay(place: Place, duck: Place) -> None:
    """Make the source tables `wide` (a column for each kind that all systems hold), one for each harder kind, `many`.

    Files are made by DuckDB from the place `duck`, which is laid first, or from the values' own texts.
    """
    held = [kind for kind in WIDE if place.system in kind.types]
    _lay_table(place, duck, "wide", held)
    for kind in HARD:
        if place.system in kind.types:
            _lay_table(place, duck, kind.name, [kind])
    _lay_many(place, duck)


def _lay_table(place: Place, duck: Place, table: str, kinds: Sequence[Kind]) -> None:
    columns = [(f"{kind.name}", kind) for kind in kinds]
    lines = [
        [kind.values[i] if i < len(kind.values) else None for kind in kinds]
        for i in range(1 + max(len(kind.values) for kind in kinds))
    ]
    if place.system in {"csv", "jsonl"}:
        write = _csv if place.system == "csv" else _jsonl
        text = write(columns, lines)
        (Path(place.where) / place.dataset(table)).write_text(text, encoding="utf-8", newline="")
        return
    if place.system == "parquet":
        names = ", ".join(["id", *(name for name, _ in columns)])
        duck.sql(f"COPY (SELECT {names} FROM {table}) TO '{place.where}/{table}.parquet'")
        return
    made = ", ".join(f"{name} {kind.types[place.system]} NULL" for name, kind in columns)
    made = made.replace(" NULL", "") if place.system in {"duckdb", "sqlite"} else made
    values = ", ".join(
        f"({i}, {', '.join(_literal(place.system, kind, cell) for kind, cell in zip(kinds, line, strict=True))})"
        for i, line in enumerate(lines)
    )
    place.sql(f"CREATE TABLE {table} (id INTEGER, {made})", f"INSERT INTO {table} VALUES {values}")


def _literal(system: str, kind: Kind, cell: str | None) -> str:
    if cell is None:
        return "NULL"
    if kind.family == "bytes":
        return {"postgres": f"'\\x{cell}'", "duckdb": f"unhex('{cell}')"}.get(system, f"x'{cell}'")
    if kind.family == "bool" and system in {"mysql", "sqlite"}:
        return cell.upper()
    if kind.family == "float" and system == "sqlite":
        return {"inf": "9e999", "-inf": "-9e999"}.get(cell, cell)
    text = "'" + (cell.replace("\\", "\\\\") if system == "mysql" else cell).replace("'", "''") + "'"
    if kind.family == "instant" and system == "mysql":
        return text.replace("+00", "")
    if system == "postgres" and kind.types[system].endswith("[]"):
        return text.replace("[", "{").replace("]", "}")
    return text


def _csv(columns: Sequence[tuple[str, Kind]], lines: Sequence[Sequence[str | None]]) -> str:
    def cell(kind: Kind, text: str | None) -> str:
        if text is None:
            return ""
        return '"' + text.replace('"', '""') + '"' if kind.family in {"text", "json"} else text

    made = [",".join(["id", *(name for name, _ in columns)])]
    for i, line in enumerate(lines):
        made.append(",".join([str(i), *(cell(kind, text) for (_, kind), text in zip(columns, line, strict=True))]))
    return "\n".join(made) + "\n"


def _jsonl(columns: Sequence[tuple[str, Kind]], lines: Sequence[Sequence[str | None]]) -> str:
    def cell(kind: Kind, text: str | None) -> str:
        if text is None:
            return "null"
        return text if kind.family in {"int", "decimal", "float", "bool", "json"} else json.dumps(text)

    made = []
    for i, line in enumerate(lines):
        items = [f'"{name}": {cell(kind, text)}' for (name, kind), text in zip(columns, line, strict=True)]
        made.append(f'{{"id": {i}, {", ".join(items)}}}\n')
    return "".join(made)


def _lay_many(place: Place, duck: Place) -> None:
    if place.system in _MANY:
        place.sql(_MANY[place.system].format(n=MANY))
    elif place.system == "sqlite":
        values = duck.sql("SELECT id, CAST(d6 AS DOUBLE), CAST(d9 AS DOUBLE), CAST(ts AS VARCHAR) FROM many")
        with closing(sqlite3.connect(place.where)) as connection:
            connection.execute("CREATE TABLE many (id BIGINT, d6 DECIMAL(10,6), d9 DECIMAL(38,9), ts TIMESTAMP)")
            connection.executemany("INSERT INTO many VALUES (?, ?, ?, ?)", values)
            connection.commit()
    else:
        form = {"csv": "FORMAT csv", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}[place.system]
        duck.sql(f"COPY many TO '{place.where}/{place.dataset('many')}' ({form})")


def rows(place: Place, table: str, kinds: Sequence[Kind]) -> list[tuple[Any, ...]]:
    """All rows in the order of `id`, each value in the one form that its family has, whatever the system."""
    found = sorted(_read(place, table, kinds), key=lambda row: int(row[0]))
    return [
        tuple(
            None if value is None else canonical(kind.family, value) for kind, value in zip(kinds, row[1:], strict=True)
        )
        for row in found
    ]


def _read(place: Place, table: str, kinds: Sequence[Kind]) -> list[tuple[Any, ...]]:
    path = Path(place.where) / place.dataset(table)
    if place.system == "csv":
        return _from_csv(path, kinds)
    if place.system == "jsonl":
        return _from_jsonl(path, kinds)
    if place.system == "parquet" and not any("infinity" in kind.name for kind in kinds):
        return _from_parquet(path, kinds)
    text = {"mysql": "CAST({0} AS CHAR)", "postgres": "CAST({0} AS text)", "sqlite": "{0}"}
    hexed = {"postgres": "encode({0}, 'hex')", "duckdb": "hex({0})", "mysql": "HEX({0})", "sqlite": "hex({0})"}
    nested = {"postgres": "CAST(to_json({0}) AS text)", "duckdb": _DUCK_NESTED}
    items = [
        ({"bytes": hexed, "json": text | nested}.get(kind.family, text))
        .get(place.system, "CAST({0} AS VARCHAR)")
        .format(kind.name)
        for kind in kinds
    ]
    if place.system == "sqlite":
        # hex(NULL) is an empty text.
        items = [f"CASE WHEN {kind.name} IS NOT NULL THEN {item} END" for kind, item in zip(kinds, items, strict=True)]
    if place.system == "mysql":
        # A datetime has no zone of its own: the session's is UTC.
        zones = [", '+00'" if kind.family == "instant" else ", ''" for kind in kinds]
        items = [f"CONCAT({item}{zone})" for item, zone in zip(items, zones, strict=True)]
    origin = f"'{path}'" if place.system == "parquet" else table
    return place.sql(f"SELECT id, {', '.join(items)} FROM {origin}")


def _from_parquet(path: Path, kinds: Sequence[Kind]) -> list[tuple[Any, ...]]:
    read = pq.ParquetFile(path).read()
    columns = [read["id"].to_pylist()]
    for kind in kinds:
        column = read[kind.name].combine_chunks()
        column = column.storage if isinstance(column, pa.ExtensionArray) else column
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) or pa.types.is_decimal(column.type):
            column = column.cast(pa.string())
        values = column.to_pylist()
        if kind.family == "json" and pa.types.is_list(column.type):
            values = [None if value is None else json.dumps(value) for value in values]
        columns.append(
            [value.hex() if isinstance(value, bytes) and kind.family != "json" else value for value in values]
        )
    return list(zip(*columns, strict=True))


def _from_jsonl(path: Path, kinds: Sequence[Kind]) -> list[tuple[Any, ...]]:
    found = []
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        cells = json.loads(line, parse_float=Decimal)
        values = [cells[kind.name] for kind in kinds]
        for i, kind in enumerate(kinds):
            if kind.family == "bytes" and values[i] is not None:
                values[i] = _unescaped(values[i])
            elif kind.family == "json" and values[i] is not None:
                values[i] = ("parsed", values[i])
        found.append((cells["id"], *values))
    return found


def _from_csv(path: Path, kinds: Sequence[Kind]) -> list[tuple[Any, ...]]:
    names, *lines = _cells(path.read_bytes().decode())
    found = []
    for line in lines:
        cells = dict(zip(names, line, strict=True))
        values = [cells[kind.name] for kind in kinds]
        for i, kind in enumerate(kinds):
            if kind.family == "bytes" and values[i] is not None:
                values[i] = _unescaped(values[i])
        found.append((cells["id"], *values))
    return found


def _cells(text: str) -> Iterator[list[Any]]:
    """The records of a CSV file; a cell that is empty and without quotes is None."""
    line: list[Any] = []
    for quoted, plain, end in re.findall(
        r'(?:"((?:[^"]|"")*)"|([^,\n"]*))(,|\n)', re.sub(r'""(?=[,\n])', '"\0"', text)
    ):
        value = quoted.replace('""', '"').replace("\0", "") if quoted else plain or None
        line.append(value)
        if end == "\n":
            yield line
            line = []


def _unescaped(text: str) -> str:
    """Bytes as DuckDB writes them into text, in hexadecimal digits."""
    plain = re.sub(r"\\x([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)
    return plain.encode("latin-1").hex()


def same_many(place: Place, table: str, source: Place, duck: Place) -> list[tuple[Any, ...]]:
    """By SQL of the target itself: its rows, sums, least and greatest, and how many are those of its own `many`.

    `source` is the same system's place of sources; files are compared by DuckDB with its own.
    """
    there = {"duckdb": "there.", "sqlite": "there."}.get(place.system, "")
    attach = f"ATTACH '{source.where}' AS there" + (" (READ_ONLY)" if place.system == "duckdb" else "")
    origin, many = table, f"{there}many"
    if place.system in FILES:
        path = f"{place.where}/{place.dataset(table)}"
        types = "{'id': 'BIGINT', 'd6': 'DECIMAL(10,6)', 'd9': 'DECIMAL(38,9)', 'ts': 'TIMESTAMP'}"
        form = {"csv": "csv", "jsonl": "json", "parquet": "parquet"}[place.system]
        argument = {"csv": f", types = {types}", "jsonl": f", columns = {types}", "parquet": ""}[place.system]
        origin, many = f"read_{form}('{path}'{argument})", "there.many"
        attach = f"ATTACH '{duck.where}' AS there (READ_ONLY)"
    facts = "count(*), sum(id), min(o.d6), max(o.d6), min(o.d9), max(o.d9)"
    equal = (
        f"SELECT count(*) FROM {origin} o JOIN {many} m USING (id) WHERE o.d6 = m.d6 AND o.d9 = m.d9 AND o.ts = m.ts"
    )
    query = f"SELECT {facts.replace('sum(id)', 'sum(o.id)')}, ({equal}) FROM {origin} o"
    return place.sql(query) if place.system in {"postgres", "mysql"} else place.sql(attach, query)
