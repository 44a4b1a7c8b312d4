"""connectors/narrowing.py: what a database leaves out is never a row that the range holds."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_etl.connectors.sqlite import SqliteConnection
from agent_etl.engine.duck import attached, connect
from agent_etl.engine.ranges import condition
from agent_etl.engine.watermark import Watermark, Within

CASES = {
    "integer": ("INTEGER", "BIGINT", [-5, 0, 1, 7, 8, 9, 2**62, None], "0", "9"),
    "number": ("DECIMAL(9,2)", "DECIMAL(9,2)", [-1.25, 0, 0.5, 7.1, 7.11, 8, None], "-0.50", "7.11"),
    "text": ("TEXT", "VARCHAR", ["", "A", "a", "b", "é", "z", None], "a", "é"),
    "date": (
        "DATE",
        "DATE",
        ["0001-01-01", "2024-02-28", "2024-02-29", "2024-03-01", None],
        "2024-02-29",
        "2024-03-01",
    ),
    "time": (
        "TIMESTAMP",
        "TIMESTAMP",
        [
            "2024-03-01",
            "2024-03-01T00:00:00",
            "2024-03-01 09:30:00.5",
            "2024-03-02 00:00:00",
            "2024-02-29 23:59:59",
            None,
        ],
        "2024-03-01 00:00:00",
        "2024-03-01 09:30:00.5",
    ),
    "instant": (
        "TIMESTAMPTZ",
        "TIMESTAMP WITH TIME ZONE",
        [
            "2024-03-01T01:00:00+02:00",
            "2024-02-29 23:00:00Z",
            "2024-03-01 23:30:00-02:00",
            "2024-03-05 00:00:00Z",
            None,
        ],
        "2024-02-29 23:00:00+00",
        "2024-03-02 01:30:00.000001+00",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_sqlite_leaves_out_no_row_of_the_range(tmp_path: Path, case: str) -> None:
    """Whatever way a value is stored, rows within the range and rows without a value arrive; some others do not."""
    declared, kind, values, low, high = CASES[case]
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t (c {declared})")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    source = SqliteConnection("shop", path).source()
    within = Within("c", Watermark(kind, low), Watermark(kind, high), nulls=True)
    with closing(connect()) as duck:
        counts = []
        for part in (None, within):
            with attached(duck, source.scan("t", within=part)) as rows:
                asked = f"SELECT count(*), count(*) FILTER ({condition(within)}) FROM ({rows})"
                counts.append(duck.execute(asked).fetchall()[0])
    (every, wanted), (arrived, found) = counts
    assert every == len(values) and found == wanted and arrived < every
