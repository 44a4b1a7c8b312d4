"""connectors/sqlite.py"""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest
from harness.scanning import scanned

from agent_etl.connectors import sqlite as connector
from agent_etl.connectors.conformance_subject import Subject, pairs, query
from agent_etl.connectors.sqlite import SqliteConnection
from agent_etl.engine.errors import Busy, NotFound, ReadError, TargetError, TargetSchemaMismatch
from agent_etl.engine.schema import Table

Make = Callable[..., SqliteConnection]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A database made by these statements, as a connection."""

    def made(*statements: str) -> SqliteConnection:
        connection = sqlite3.connect(tmp_path / "x.db")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return SqliteConnection("x", tmp_path / "x.db")

    return made


def types(table: Table) -> dict[str, str]:
    return {column.name: column.type for column in table.columns}


def test_no_type_is_guessed_from_the_first_rows(make: Make) -> None:
    """Ten thousand leading NULLs, then values: every value arrives with its declared type."""
    connection = make(
        "CREATE TABLE t (i INTEGER, r REAL, x TEXT, b BLOB, j JSON)",
        "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 10000) "
        "INSERT INTO t (i) SELECT NULL FROM g",
        "INSERT INTO t VALUES (7, 2, 'é', x'00ff', '{\"a\": 1}')",
    )
    rows = scanned(connection, "t")
    assert len(rows) == 10_001
    assert rows[-1] == (7, 2.0, "é", b"\x00\xff", '{"a": 1}')
    assert types(connection.source().describe("t")) == {
        "i": "BIGINT",
        "r": "DOUBLE",
        "x": "VARCHAR",
        "b": "BLOB",
        "j": "JSON",
    }


def test_declared_types_are_kept_when_every_value_holds_them(make: Make) -> None:
    """ISO texts are dates and times, 0 and 1 booleans, exact reals decimals; the decision travels in the options."""
    connection = make(
        "CREATE TABLE t (d DATE, ts DATETIME, z TIMESTAMP, ti TIME, b BOOLEAN, m DECIMAL(10,2), u UUID, n NUMERIC)",
        "INSERT INTO t VALUES ('2024-02-29', '2024-01-01 10:00:00.5', '2024-01-01T10:00:00Z', '23:59:59', 1, 44.1,"
        " '123e4567-e89b-12d3-a456-426614174000', 3), (NULL, '2024-01-01', NULL, NULL, 0, 5, NULL, 2.5)",
    )
    table = connection.source().describe("t")
    assert types(table) == {
        "d": "DATE",
        "ts": "TIMESTAMP",
        "z": "TIMESTAMP WITH TIME ZONE",
        "ti": "TIME",
        "b": "BOOLEAN",
        "m": "DECIMAL(10,2)",
        "u": "UUID",
        "n": "DOUBLE",
    }
    assert table.options["types"] == types(table)
    assert table.notes == ()
    rows = scanned(connection, "t", columns=["d", "ts", "ti", "b", "m", "n"], options=table.options)
    assert rows == [
        (date(2024, 2, 29), datetime(2024, 1, 1, 10, 0, 0, 500000), time(23, 59, 59), True, Decimal("44.10"), 3.0),
        (None, datetime(2024, 1, 1), None, False, Decimal("5.00"), 2.5),
    ]


@pytest.mark.parametrize(
    ("declared", "values", "found"),
    [
        ("DATE", "('2024-01-01'), ('2024-02-30')", "VARCHAR"),
        ("DATE", "('2024-01-01'), ('2024-01-02 10:00:00')", "TIMESTAMP"),
        ("DATETIME", "('2024-01-01 10:00:00'), ('01/02/2024')", "VARCHAR"),
        ("DATETIME", "('2024-01-01 10:00:00'), ('2024-01-01 10:00:00+02:00')", "VARCHAR"),
        ("DATETIME", "('2024-01-01 10:00:60')", "VARCHAR"),
        ("DATETIME", "('2024-01-01 10:00:00.1234567')", "VARCHAR"),
        ("DATETIME", "(1700000000), (1700000001)", "BIGINT"),
        ("BOOLEAN", "(0), (2)", "BIGINT"),
        ("BOOLEAN", "('true'), ('false')", "VARCHAR"),
        ("DECIMAL(10,2)", "(1.005)", "DOUBLE"),
        ("DECIMAL(10,2)", "(1), ('n/a')", "VARCHAR"),
        ("DECIMAL(4,2)", "(100.5)", "DOUBLE"),
        ("UUID", "('123E4567-E89B-12D3-A456-426614174000')", "VARCHAR"),
        ("JSON", "('{')", "VARCHAR"),
        ("NUMERIC", "(9007199254740993), (0.5)", "VARCHAR"),
        ("", "(1), (2)", "BIGINT"),
        ("", "(1), ('a')", "VARCHAR"),
        ("", "(x'00')", "BLOB"),
    ],
)
def test_values_decide_where_a_declaration_does_not_hold(make: Make, declared: str, values: str, found: str) -> None:
    """A column whose values are not all what it declares is read as what holds them all, with a note."""
    connection = make(f"CREATE TABLE t (v {declared})", f"INSERT INTO t VALUES {values}")
    table = connection.source().describe("t")
    assert types(table) == {"v": found}
    mixed = found == "VARCHAR" or declared not in ("", "NUMERIC", "DATE")
    assert bool(table.notes) == mixed
    texts = scanned(connection, "t", options={"types": {"v": "VARCHAR"}}) if found != "BLOB" else []
    assert [type(row[0]) for row in texts] == [str] * len(texts)
    assert len(scanned(connection, "t", options=table.options)) == values.count("(")


@pytest.mark.parametrize(
    ("declared", "bad"),
    [
        ("INTEGER", "'n/a'"),
        ("INTEGER", "1.5"),
        ("REAL", "'n/a'"),
        ("TEXT", "x'ff00'"),
        ("BLOB", "'text'"),
    ],
)
@pytest.mark.parametrize("late", [0, 200_000])
def test_a_stray_value_ends_the_read_by_name(make: Make, declared: str, bad: str, late: int) -> None:
    """A value of another storage class, in the first batch or a late one, is a ReadError with column and count."""
    good = {"INTEGER": "1", "REAL": "1.5", "TEXT": "'a'", "BLOB": "x'00'"}[declared]
    connection = make(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})",
        f"WITH RECURSIVE g(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM g WHERE n < {late}) "
        f"INSERT INTO t SELECT n, {good} FROM g",
        f"INSERT INTO t (v) VALUES ({bad})",
    )
    with pytest.raises(ReadError) as caught:
        scanned(connection, "t")
    assert (caught.value.fields["column"], caught.value.fields["values"]) == ("v", 1)
    assert "n/a" not in str(caught.value)


def test_a_stray_value_can_be_read_as_text(make: Make) -> None:
    """The hint of that error works: the column read as text gives every value."""
    connection = make("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1), ('n/a'), (0.1)")
    assert scanned(connection, "t", options={"types": {"v": "VARCHAR"}}) == [("1",), ("n/a",), ("0.1",)]


def test_invalid_utf8_ends_the_read(make: Make) -> None:
    """Text that is not UTF-8 does not travel on."""
    connection = make("CREATE TABLE t (v TEXT)", "INSERT INTO t VALUES (CAST(x'ff41' AS TEXT))")
    with pytest.raises(ReadError):
        scanned(connection, "t")


def test_decimals_of_many_digits_are_never_rounded_silently(make: Make) -> None:
    """A real with more digits than it surely keeps is not called a decimal."""
    connection = make("CREATE TABLE t (v DECIMAL(18,3))", "INSERT INTO t VALUES (12345678901234.567)")
    assert types(connection.source().describe("t")) == {"v": "DOUBLE"}


def test_keys_and_views_are_described(make: Make) -> None:
    """Primary, unique and foreign keys, views and generated columns are told as they are."""
    connection = make(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, twice INTEGER GENERATED ALWAYS AS (id * 2))",
        "CREATE TABLE b (x INT, y INT, a INT REFERENCES a (id), PRIMARY KEY (y, x))",
        "CREATE VIEW v AS SELECT mail FROM a",
        "INSERT INTO a (id, mail) VALUES (1, 'm')",
    )
    source = connection.source()
    assert source.tables() == ("a", "b", "v")
    assert source.describe("a").unique == (("mail",),)
    assert source.describe("b").primary_key == ("y", "x")
    assert source.describe("b").foreign_keys[0].referred == ("id",)
    assert scanned(connection, "a") == [(1, "m", 2)]
    assert scanned(connection, "v") == [("m",)]


def test_the_version_changes_with_the_bytes_alone(make: Make) -> None:
    """Reading leaves the version; loading changes it."""
    connection = make("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)")
    before = connection.source().version("t")
    scanned(connection, "t")
    assert connection.source().version("t") == before
    Subject(connection).load("words", "append", "one", pairs((1, "a")))
    assert connection.source().version("t") != before


def test_a_database_locked_by_another_process_is_busy(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load waits for another process's lock, and is Busy when it waits too long."""
    connection = make("CREATE TABLE t (v INTEGER)")
    script = (
        f"import sqlite3, sys; c = sqlite3.connect({str(connection.path)!r}); c.execute('BEGIN EXCLUSIVE'); "
        "print('held', flush=True); sys.stdin.read()"
    )
    monkeypatch.setattr(connector, "_WAIT_MILLISECONDS", 200)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(Busy):
            Subject(connection).load("words", "append", "one", pairs((1, "a")))
    Subject(connection).load("words", "append", "one", pairs((1, "a")))


def test_reading_never_makes_or_writes_a_file(tmp_path: Path) -> None:
    """A missing file is NotFound and stays missing; other bytes are a ReadError."""
    connection = SqliteConnection("x", tmp_path / "x.db")
    with pytest.raises(NotFound):
        connection.source().describe("t")
    assert connection.source().tables() == ()
    assert connection.target().existing("t") is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x.db").write_bytes(b"id,name\n" * 1000)
    with pytest.raises(ReadError):
        connection.source().tables()


def test_a_table_made_by_others_takes_rows_by_its_declared_types(make: Make) -> None:
    """Dates go into a TEXT column as ISO text, integers into INTEGER; a text into an INTEGER column is refused."""
    connection = make("CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL, extra TEXT DEFAULT 'x')")
    subject = Subject(connection)
    subject.load(
        "words", "append", "one", query("SELECT 7::BIGINT AS id, DATE '2024-01-02' AS word", "id BIGINT", "word DATE")
    )
    assert scanned(connection, "words") == [(7, "2024-01-02", "x")]
    with pytest.raises(TargetSchemaMismatch) as caught:
        subject.load("words", "append", "two", query("SELECT 'a' AS id, 'b' AS word", "id VARCHAR", "word VARCHAR"))
    assert list(caught.value.fields["differing"]) == ["id"]
    with pytest.raises(TargetSchemaMismatch) as caught:
        subject.load("words", "append", "three", query("SELECT 8 AS id", "id INTEGER"))
    assert caught.value.fields["extra"] == ["word"]


def test_a_constraint_refuses_without_telling_values(make: Make) -> None:
    """A row that breaks a constraint is refused and undone; its value is not shown."""
    connection = make("CREATE TABLE words (id INTEGER, word TEXT UNIQUE)", "INSERT INTO words VALUES (1, 'secret')")
    with pytest.raises(TargetError) as caught:
        Subject(connection).load("words", "append", "one", pairs((2, "other"), (3, "secret")))
    assert caught.value.fields["constraint"] == "UNIQUE"
    assert "secret" not in str(caught.value)
    assert scanned(connection, "words") == [(1, "secret")]


def test_loaded_values_are_numbers_for_others(make: Make) -> None:
    """What is loaded as a decimal can be added and compared as a number by any SQLite client."""
    connection = make("CREATE TABLE t (v INTEGER)")
    rows = query("SELECT unnest([10.5, 9.25])::DECIMAL(38,2) AS m", "m DECIMAL(38,2)")
    Subject(connection).load("sums", "append", "one", rows)
    own = sqlite3.connect(connection.path)
    assert own.execute("SELECT sum(m), count(*) FROM sums WHERE m > 9.5").fetchall() == [(10.5, 1)]
    own.close()
