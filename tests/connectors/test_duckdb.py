"""connectors/duckdb.py"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from harness.scanning import scanned

from agent_etl.connectors import duckdb as connector
from agent_etl.connectors.conformance_subject import Subject, pairs, query
from agent_etl.connectors.duckdb import DuckdbConnection
from agent_etl.engine import duck
from agent_etl.engine.errors import Busy, NotFound, ReadError, TargetError

HOLD = "import duckdb, sys; c = duckdb.connect({path!r}, read_only={ro}); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a schema, a view and keys."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        connection.execute("CREATE SCHEMA sales")
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, mail VARCHAR UNIQUE, mood mood NOT NULL)")
        connection.execute(
            "CREATE TABLE sales.orders (id BIGINT, customer INTEGER, lines STRUCT(n INTEGER)[], big HUGEINT)"
        )
        connection.execute("CREATE TABLE refs (customer INTEGER REFERENCES customers (id))")
        connection.execute("CREATE VIEW sad AS SELECT * FROM customers WHERE mood = 'sad'")
        connection.execute("INSERT INTO customers VALUES (1, 'a@b', 'sad'), (2, NULL, 'ok')")
        connection.execute("INSERT INTO sales.orders VALUES (1, 1, [{n: 1}, NULL], 2::HUGEINT ** 100)")
    return path


def held(path: Path, read_only: bool) -> "subprocess.Popen[str]":
    """Another process that has the file open until its input is closed."""
    script = HOLD.format(path=str(path), ro=read_only)
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(path: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the file, read-only when the parameter says so."""
    process = held(path, request.param)
    yield process
    process.communicate()


def test_tables_views_and_keys_are_described(path: Path) -> None:
    """Tables, views, schemas, keys and types are told as they are."""
    source = DuckdbConnection("shop", path).source()
    assert source.tables() == ("customers", "refs", "sad", "sales.orders")
    customers = source.describe("Customers")
    assert customers.dataset == "customers"
    assert (customers.primary_key, customers.unique, customers.rows) == (("id",), (("mail",),), 2)
    assert [c.type for c in customers.columns] == ["INTEGER", "VARCHAR", "ENUM('sad', 'ok')"]
    assert [c.nullable for c in customers.columns] == [False, True, False]
    assert source.describe("refs").foreign_keys[0].table == "customers"
    assert source.describe("main.sad").rows == 1
    assert source.describe("sales.orders").columns[2].type == "STRUCT(n INTEGER)[]"


def test_odd_types_cross_unchanged(path: Path) -> None:
    """Huge integers, enums and nested values arrive with their own types."""
    shop = DuckdbConnection("shop", path)
    assert scanned(shop, "sales.orders", columns=["big", "lines"]) == [(2**100, [{"n": 1}, None])]
    relation = shop.source().scan("customers")
    connection = duck.connect()
    with duck.attached(connection, relation) as select:
        assert connection.execute(f"SELECT typeof(mood) FROM ({select}) LIMIT 1").fetchall() == [("ENUM('sad', 'ok')",)]
    connection.close()


def test_the_version_changes_with_the_bytes_alone(path: Path) -> None:
    """Reading leaves the version; loading changes it."""
    connection = DuckdbConnection("shop", path)
    source = connection.source()
    before = source.version("customers")
    scanned(connection, "customers")
    source.describe("sales.orders")
    assert source.version("customers") == before
    Subject(connection).load("words", "append", "one", pairs((1, "a")))
    assert source.version("customers") != before


@pytest.mark.parametrize("holder", [False], indirect=True)
def test_a_file_of_another_process_is_busy(path: Path, holder: "subprocess.Popen[str]") -> None:
    """A file that another process writes is Busy, with that process's id, for reading and for loading."""
    connection = DuckdbConnection("shop", path)
    for attempt in (connection.source().tables, lambda: Subject(connection).load("w", "append", "x", pairs((1, "a")))):
        with pytest.raises(Busy) as caught:
            attempt()
        assert caught.value.fields["holder"] == str(holder.pid)


@pytest.mark.parametrize("holder", [True], indirect=True)
def test_readers_do_not_exclude_each_other(path: Path, holder: "subprocess.Popen[str]") -> None:
    """A file that another process only reads can be read here too."""
    assert len(scanned(DuckdbConnection("shop", path), "customers")) == 2


def test_one_file_can_be_read_and_loaded_at_once(path: Path) -> None:
    """A table is loaded from another of the same file, in one stream."""
    connection = DuckdbConnection("shop", path)
    result = Subject(connection).load("copy", "append", "one", connection.source().scan("customers"))
    assert result.rows == 2
    assert connection.source().describe("copy").rows == 2


def test_a_load_waits_for_readers_of_this_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While this process reads the file, a load waits; when it waits too long, it is Busy and nothing hangs."""
    connection = DuckdbConnection("shop", path)
    relation = connection.source().scan("customers")
    assert relation.open is not None
    reader = relation.open()
    monkeypatch.setattr(connector, "_WAIT_SECONDS", 0.2)
    with pytest.raises(Busy):
        Subject(connection).load("words", "append", "one", pairs((1, "a")))
    monkeypatch.setattr(connector, "_WAIT_SECONDS", 30.0)
    done = threading.Thread(target=lambda: Subject(connection).load("words", "append", "one", pairs((1, "a"))))
    done.start()
    reader.read_all()
    reader.close()
    del reader
    done.join(20)
    assert not done.is_alive()
    assert connection.source().describe("words").rows == 1


def test_loads_of_threads_into_one_file_all_arrive(path: Path) -> None:
    """Loads at the same moment run one after the other: each row is there, each epoch is one more."""
    connection = DuckdbConnection("shop", path)
    threads = [
        threading.Thread(target=lambda n=n: Subject(connection).load("words", "append", f"l{n}", pairs((n, "a"))))  # type: ignore[misc]
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connection.source().describe("words").rows == 5
    newest = connection.target().newest("words")
    assert newest is not None and newest.epoch == 5


def test_a_file_open_otherwise_in_this_process_is_busy(path: Path) -> None:
    """A notebook's own plain connection to the file makes it Busy, with the way out."""
    with duckdb.connect(str(path)), pytest.raises(Busy) as caught:
        DuckdbConnection("shop", path).source().tables()
    assert "close" in caught.value.hint
    assert DuckdbConnection("shop", path).source().tables()


def test_wide_rows_travel_in_small_batches(tmp_path: Path) -> None:
    """Rows of 200 KB do not come tens of thousands at a time."""
    connection = DuckdbConnection("wide", tmp_path / "wide.duckdb")
    with duckdb.connect(str(connection.path)) as own:
        own.execute("CREATE TABLE t AS SELECT i, repeat(md5(i::VARCHAR), 6000) AS text FROM range(3000) AS r(i)")
    relation = connection.source().scan("t")
    assert relation.open is not None
    reader = relation.open()
    assert max(batch.num_rows for batch in reader) <= 2048
    reader.close()


def test_leftovers_of_a_killed_creation_are_swept(tmp_path: Path) -> None:
    """A half-made file of a dead process stands under a temporary name and goes with the next creation."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = tmp_path / f".new.duckdb.{dead.pid}.0a0b0c0d.new"
    left.write_bytes(b"half a database")
    connection = DuckdbConnection("new", tmp_path / "new.duckdb")
    assert connection.source().tables() == ()
    assert connection.target().existing("words") is None
    Subject(connection).load("words", "append", "one", pairs((1, "a")))
    assert [p.name for p in tmp_path.iterdir()] == ["new.duckdb"]


def test_reading_never_makes_a_file(tmp_path: Path) -> None:
    """A missing file is NotFound and stays missing."""
    connection = DuckdbConnection("new", tmp_path / "new.duckdb")
    with pytest.raises(NotFound):
        connection.source().describe("words")
    assert connection.target().newest("words") is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_a_read_error(tmp_path: Path) -> None:
    """Bytes that are no DuckDB file are named as such."""
    (tmp_path / "x.duckdb").write_bytes(b"id,name\n" * 5000)
    with pytest.raises(ReadError):
        DuckdbConnection("x", tmp_path / "x.duckdb").source().tables()


def test_a_constraint_refuses_without_telling_values(path: Path) -> None:
    """A row that breaks the target's constraint is refused, undone, and its value is not shown."""
    connection = DuckdbConnection("shop", path)
    rows = query("SELECT 1 AS id, 'secret@x' AS mail, 'ok' AS mood", "id INTEGER", "mail VARCHAR", "mood VARCHAR")
    with pytest.raises(TargetError) as caught:
        Subject(connection).load("customers", "append", "one", rows)
    assert "secret" not in str(caught.value)
    assert connection.source().describe("customers").rows == 2
    assert connection.target().newest("customers") is None


def test_keys_may_be_replaced_in_one_transaction(path: Path) -> None:
    """Replacing a table with a primary key by rows with the same keys works."""
    connection = DuckdbConnection("shop", path)
    rows = query("SELECT 3 AS id, 'x' AS mail, 'ok' AS mood", "id INTEGER", "mail VARCHAR", "mood VARCHAR")
    with duckdb.connect(str(path)) as own:
        own.execute("DROP TABLE refs")
    assert Subject(connection).load("customers", "replace", "one", rows).deleted == 2
    assert Subject(connection).load("customers", "replace", "two", rows).deleted == 1


def test_a_view_is_no_target(path: Path) -> None:
    """Loading into a view is refused by name."""
    rows = query("SELECT 3 AS id, 'x' AS mail, 'ok' AS mood", "id INTEGER", "mail VARCHAR", "mood VARCHAR")
    with pytest.raises(TargetError, match="view"):
        Subject(DuckdbConnection("shop", path)).load("sad", "append", "one", rows)


def test_a_schema_can_be_named(path: Path) -> None:
    """`schema.table` loads into that schema, with its marker beside it."""
    connection = DuckdbConnection("shop", path)
    Subject(connection).load("sales.words", "append", "one", pairs((1, "a")))
    assert "sales.words" in connection.source().tables()
    assert connection.target().marker("sales.words", "one") is not None
    assert connection.target().marker("words", "one") is None


def test_a_file_that_is_no_database_or_may_not_be_opened_is_told(tmp_path: Path) -> None:
    """What another program wrote, and what the system refuses to open, is each said with what to do."""
    (tmp_path / "text.duckdb").write_text("no database " * 1000)
    with pytest.raises(ReadError, match="not a DuckDB database"):
        DuckdbConnection("x", tmp_path / "text.duckdb").source().tables()
    refused = duckdb.IOException('IO Error: Cannot open file "/x.duckdb": Permission denied')
    told = duck.translate(refused, path="/x.duckdb")
    assert (told.fields, told.hint) == ({"reason": "Permission denied", "path": "/x.duckdb"}, "chmod u+rw it")
