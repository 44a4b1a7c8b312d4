"""Two goals as people phrase them, what each must give by hand-written SQL, and the data that they are run over.

The real data lies beside the repository (`shared_data`) and is read in place. `make_shop` and `make_media` make tables
of the same names and columns, with the rows that tempt a plan into a wrong number: orders without a payment and with
several, payments of no order, artists of one name, an artist with exactly as many tracks as are asked for.
"""

import csv
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

__all__ = ["CATALOGUE", "GOALS", "STATUSES", "Goal", "by_hand", "make_media", "make_shop"]


@dataclass(frozen=True)
class Goal:
    """`words` load `table` from the tables of `folder`; `sql` says by hand what it holds, over the raw files.

    `columns` are its columns with their types in DuckDB and in PostgreSQL. `descending` is the column whose order the
    words ask for.
    """

    words: str
    folder: str
    table: str
    columns: Mapping[str, tuple[str, str]]
    sql: str
    descending: str | None = None


STATUSES = Goal(
    words="From raw_orders and raw_payments compute per order status the number of orders and the total amount paid in "
    "dollars (raw_payments.amount is in cents, raw_payments.order_id is the order's id; count an order once however "
    "many payments it has) and replace order_status_summary",
    folder="jaffle_classic",
    table="order_status_summary",
    columns={
        "status": ("VARCHAR", "text"),
        "number_of_orders": ("BIGINT", "bigint"),
        "total_amount_paid_in_dollars": ("DOUBLE", "double precision"),
    },
    sql="""
        SELECT status, count(*), sum(cents) / 100
        FROM (
            SELECT o.status, coalesce((SELECT sum(p.amount) FROM raw_payments p WHERE p.order_id = o.id), 0) AS cents
            FROM raw_orders o
        )
        GROUP BY status
    """,
)
CATALOGUE = Goal(
    words="Load Track, Album and Artist from chinook.sqlite, join them on AlbumId and ArtistId, and for each artist "
    "with at least 10 tracks write the artist's name, the number of tracks, the number of distinct albums and the "
    "total length in minutes rounded to 2 decimals to artist_catalogue, longest first",
    folder="chinook",
    table="artist_catalogue",
    columns={
        "artist_name": ("VARCHAR", "text"),
        "number_of_tracks": ("BIGINT", "bigint"),
        "number_of_distinct_albums": ("BIGINT", "bigint"),
        "total_length_in_minutes": ("DOUBLE", "double precision"),
    },
    sql="""
        WITH per_album AS (
            SELECT AlbumId, count(*) AS tracks, sum(Milliseconds) AS milliseconds FROM Track GROUP BY AlbumId
        ), per_artist AS (
            SELECT ArtistId, sum(tracks) AS tracks, count(*) AS albums, sum(milliseconds) AS milliseconds
            FROM Album NATURAL JOIN per_album GROUP BY ArtistId
        )
        SELECT Name, tracks, albums, round(milliseconds / 60000, 2) AS minutes
        FROM Artist NATURAL JOIN per_artist WHERE tracks >= 10 ORDER BY minutes DESC
    """,
    descending="total_length_in_minutes",
)
GOALS = (STATUSES, CATALOGUE)


def by_hand(goal: Goal, folder: Path) -> list[tuple[Any, ...]]:
    """What the goal's hand-written SQL gives: DuckDB computes it over every raw file below `folder`."""
    with duckdb.connect() as connection:
        for path in sorted(folder.glob("*.csv")):
            connection.execute(f"CREATE VIEW {path.stem} AS FROM read_csv('{path}', header = true)")
        for path in folder.glob("*.sqlite"):
            for name, table in _sqlite_tables(path).items():
                connection.register(name, table)
        return connection.execute(goal.sql).fetchall()


def _sqlite_tables(path: Path) -> dict[str, pa.Table]:
    """The tables that the goal reads. DuckDB reads SQLite only with an extension, which would be downloaded."""
    tables = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for name in ("Track", "Album", "Artist"):
            cursor = connection.execute(f"SELECT * FROM {name}")
            columns = [column[0] for column in cursor.description]
            tables[name] = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in cursor])
    return tables


def make_shop(folder: Path) -> None:
    """Orders and payments as CSV."""
    statuses = ("placed", "completed", "returned")
    orders = [(number, number % 7, f"2018-01-{number:02}", statuses[number % 3]) for number in range(1, 25)]
    orders += [(25, 3, "2018-01-25", "abandoned"), (26, 3, "2018-01-26", "abandoned")]
    payments = [(number, 10 * number + cents) for number in range(1, 24) for cents in range(number % 4)]
    payments += [(99, 123_456)]
    _write(folder / "raw_orders.csv", ("id", "user_id", "order_date", "status"), orders)
    rows = [(number, order, "card", cents) for number, (order, cents) in enumerate(payments, 1)]
    _write(folder / "raw_payments.csv", ("id", "order_id", "payment_method", "amount"), rows)


def make_media(folder: Path) -> None:
    """Tracks, albums and artists as SQLite."""
    # (tracks of each album) by artist: 1 and 2 share a name, 4 has one track too few, 5 has no track at all.
    albums = {1: (6, 4), 2: (12,), 3: (5, 5, 7), 4: (9,), 5: (0,)}
    names = {1: "The Band", 2: "The Band", 3: "Solo", 4: "Short", 5: "Silent", 6: "Unheard"}
    with closing(sqlite3.connect(folder / "chinook.sqlite")) as connection, connection:
        connection.executescript(
            "CREATE TABLE Artist (ArtistId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));"
            "CREATE TABLE Album (AlbumId INTEGER NOT NULL PRIMARY KEY, Title NVARCHAR(160) NOT NULL, "
            "  ArtistId INTEGER NOT NULL REFERENCES Artist (ArtistId));"
            "CREATE TABLE Track (TrackId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(200) NOT NULL, "
            "  AlbumId INTEGER REFERENCES Album (AlbumId), Milliseconds INTEGER NOT NULL, "
            "  UnitPrice NUMERIC(10,2) NOT NULL);"
        )
        connection.executemany("INSERT INTO Artist VALUES (?, ?)", names.items())
        for artist, counts in albums.items():
            for tracks in counts:
                title = f"album of {artist}"
                album = connection.execute("INSERT INTO Album VALUES (NULL, ?, ?)", (title, artist)).lastrowid
                lengths = [(f"track {n}", album, 200_000 + 7_919 * n * artist, 0.99) for n in range(tracks)]
                connection.executemany("INSERT INTO Track VALUES (NULL, ?, ?, ?, ?)", lengths)
        connection.execute("INSERT INTO Track VALUES (NULL, 'on no album', NULL, 1000, 0.99)")


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *rows])
