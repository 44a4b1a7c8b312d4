"""The benchmark's data: ten mixed columns, made by DuckDB from a row number, so that every run has the same rows."""

from pathlib import Path

import duckdb
import psycopg

__all__ = ["COLUMNS", "csv_file", "filled_table"]

COLUMNS = {
    "id": "bigint",
    "customer_id": "integer",
    "created_at": "timestamp",
    "shipped_on": "date",
    "status": "text",
    "city": "text",
    "amount": "numeric(12,2)",
    "weight": "double precision",
    "paid": "boolean",
    "note": "text",
}
"""Names and PostgreSQL types."""

_SELECT = """
SELECT i AS id,
       (hash(i) % 100000)::INTEGER AS customer_id,
       TIMESTAMP '2020-01-01' + to_seconds((i * 37) % 150000000) AS created_at,
       CASE WHEN i % 13 <> 0 THEN DATE '2020-01-01' + ((i * 7) % 1800)::INTEGER END AS shipped_on,
       ['new', 'paid', 'shipped', 'returned'][1 + (hash(i * 3) % 4)::INTEGER] AS status,
       'city ' || (hash(i * 5) % 500) AS city,
       ((hash(i * 7) % 10000000)::BIGINT / 100)::DECIMAL(12, 2) AS amount,
       (hash(i * 11) % 1000000) / 997.0::DOUBLE AS weight,
       i % 3 = 0 AS paid,
       CASE WHEN i % 10 <> 0 THEN 'note number ' || i END AS note
FROM range({rows}) t(i)
"""


def csv_file(folder: Path, rows: int) -> Path:
    """A CSV file of so many rows. Side effects: writes it below `folder`."""
    path = folder / "rows.csv"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({_SELECT.format(rows=rows)}) TO '{path}' (FORMAT csv, HEADER)")
    return path


def filled_table(url: str, source: Path, table: str) -> None:
    """A PostgreSQL table of the file's rows, analysed. Side effects: creates it."""
    declared = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with psycopg.connect(url) as connection, source.open("rb") as file:
        connection.execute(f"CREATE TABLE {table} ({declared})")
        with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER true)") as copy:
            while chunk := file.read(1 << 20):
                copy.write(chunk)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"VACUUM ANALYZE {table}")
