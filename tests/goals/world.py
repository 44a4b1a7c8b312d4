"""A case made real: its tables as files and databases in the current directory."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from goals.corpus import Case

__all__ = ["build", "snapshot"]

_PG_TYPES = {"VARCHAR": "text", "DOUBLE": "double precision", "DATE": "date", "TIMESTAMP": "timestamp"}


def build(case: Case, folder: Path, pg_url: str | None) -> dict[str, str]:
    """Write the case's tables below `folder` (and into `pg_url`); gives the run's connections by name."""
    bare = case.schema.bare()
    with case.schema.connect() as oracle:
        only_before = set(case.before.values())
        for full, name in bare.items():
            if name not in only_before:
                _write(case, oracle, full, name, folder, pg_url)
        for target, name in case.before.items():
            _write(case, oracle, target, name, folder, pg_url)
    connections = dict(case.schema.connections)
    if case.needs_postgres and pg_url:
        connections["pg"] = pg_url
    return connections


def snapshot(folder: Path, home: Path) -> dict[str, bytes]:
    """Every file's bytes below `folder` but the home's, and the warehouse's tables: equal when nothing was touched."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_relative_to(home)
    }
    warehouse = home / "warehouse.duckdb"
    if warehouse.exists():
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall():
                files[f"warehouse:{name}"] = b""
    return files


def _write(case: Case, oracle: Any, full: str, name: str, folder: Path, pg_url: str | None) -> None:
    place, colon, table = full.rpartition(":")
    cursor = oracle.execute(f'SELECT * FROM "{name}"')
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    key = next(k for k, v in case.schema.bare().items() if v == name)
    types = dict(case.schema.tables[key][0])
    if place == "pg":
        columns = [f'"{c}" {_PG_TYPES.get(types[c], types[c])}' for c in names]
        with psycopg.connect(pg_url or "") as connection:
            connection.execute(f'CREATE TABLE "{table}" ({", ".join(columns)})')
            with connection.cursor() as writer:
                writer.executemany(f'INSERT INTO "{table}" VALUES ({", ".join(["%s"] * len(names))})', rows)
    elif place.endswith(".sqlite"):
        with closing(sqlite3.connect(folder / place)) as connection, connection:
            connection.execute(
                f'CREATE TABLE "{table}" ({", ".join(f"{chr(34)}{c}{chr(34)} {types[c]}" for c in names)})'
            )
            texts = [[_plain(value) for value in row] for row in rows]
            connection.executemany(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(names))})', texts)
    elif colon:
        oracle.execute(f"ATTACH '{folder / place}' AS place")
        oracle.execute(f'CREATE TABLE place."{table}" AS SELECT * FROM "{name}"')
        oracle.execute("DETACH place")
    else:
        _write_file(case, oracle, full, name, folder / full)


def _write_file(case: Case, oracle: Any, full: str, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        oracle.execute(f"COPY \"{name}\" TO '{path}' (FORMAT parquet)")
    elif path.suffix == ".jsonl":
        oracle.execute(f"COPY \"{name}\" TO '{path}' (FORMAT json)")
    else:
        columns, rows = case.schema.tables[full]
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
            writer.writerow([column for column, _ in columns])
            writer.writerows([cell or "" for cell in row] for row in rows)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else str(value)
