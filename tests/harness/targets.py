"""What a target holds, read without any code of the product."""

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg
import pymysql

from harness.mariadb import executed
from harness.rows import Rows

__all__ = ["rows_of", "tables_of"]


def rows_of(target: str, folder: Path, home: Path, pg_url: str | None) -> Rows:
    """Column names and rows of a target; LookupError when it is not there.

    A target is `x.csv` (or tsv, jsonl, parquet), `x.sqlite:table`, `x.duckdb:table`, `pg:table`, `my:table`
    (`pg_url` is the server database's URL); a bare name is a
    table of the home's warehouse.
    """
    place, colon, table = target.rpartition(":")
    if place == "pg":
        return _pg_rows(pg_url or "", table)
    if place == "my":
        return _mysql_rows(pg_url or "", table)
    if place.endswith(".sqlite"):
        return _sqlite_rows(folder / place, table)
    if colon or "." not in target:
        return _duck_rows(folder / place if colon else home / "warehouse.duckdb", table)
    return _file_rows(folder / target)


def tables_of(place: str, folder: Path, pg_url: str | None) -> set[str]:
    """The names of all tables and views of a database: `x.sqlite`, `x.duckdb` or `pg`; for a folder all its files."""
    if place == "pg":
        with psycopg.connect(pg_url or "") as connection:
            found = connection.execute(
                "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^(pg_|information_schema)'"
            ).fetchall()
            return {name for (name,) in found}
    if place == "my":
        return {name for (name,) in executed(pg_url or "", "SHOW TABLES")}
    if place.endswith(".sqlite"):
        with closing(sqlite3.connect(folder / place)) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type <> 'index'")}
    if place.endswith(".duckdb"):
        with duckdb.connect(str(folder / place), read_only=True) as connection:
            return {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    return {str(path.relative_to(folder / place)) for path in (folder / place).rglob("*") if path.is_file()}


def _duck_rows(path: Path, table: str) -> Rows:
    if not path.exists():
        raise LookupError(f"no file {path.name}")
    with duckdb.connect(str(path), read_only=True) as connection:
        try:
            cursor = connection.execute(f'SELECT * FROM "{table}"')
        except duckdb.CatalogException:
            raise LookupError(f"no table {table} in {path.name}") from None
        return [column[0] for column in cursor.description], cursor.fetchall()


def _sqlite_rows(path: Path, table: str) -> Rows:
    with closing(sqlite3.connect(path)) as connection:
        try:
            cursor = connection.execute(f'SELECT * FROM "{table}"')
        except sqlite3.OperationalError:
            raise LookupError(f"no table {table} in {path.name}") from None
        return [column[0] for column in cursor.description], cursor.fetchall()


def _pg_rows(url: str, table: str) -> Rows:
    with psycopg.connect(url) as connection:
        try:
            cursor = connection.execute(f'SELECT * FROM "{table}"')
        except psycopg.errors.UndefinedTable:
            raise LookupError(f"no table {table} in pg") from None
        return [column.name for column in cursor.description or ()], cursor.fetchall()


def _mysql_rows(url: str, table: str) -> Rows:
    try:
        columns = executed(url, f"SHOW COLUMNS FROM `{table}`")
        return [column[0] for column in columns], executed(url, f"SELECT * FROM `{table}`")
    except pymysql.err.ProgrammingError:
        raise LookupError(f"no table {table} in my") from None


def _file_rows(path: Path) -> Rows:
    if not path.exists():
        raise LookupError(f"no file {path.name}")
    with duckdb.connect() as connection:
        if path.suffix == ".parquet":
            pattern = path / "*.parquet" if path.is_dir() else path
            cursor = connection.execute(f"SELECT * FROM read_parquet('{pattern}')")
        elif path.suffix == ".jsonl":
            cursor = connection.execute(f"SELECT * FROM read_json_auto('{path}', format = 'newline_delimited')")
        else:
            mark = "\t" if path.suffix == ".tsv" else ","
            cursor = connection.execute(
                f"SELECT * FROM read_csv('{path}', header = true, all_varchar = true, delim = '{mark}')"
            )
        return [column[0] for column in cursor.description], cursor.fetchall()
