"""connectors/mysql_session.py"""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from harness.kill import Job, Nursery
from harness.mariadb import MariadbServer, executed
from harness.proxy import Fault, Proxy

from agent_etl.connectors.conformance_subject import Subject, pairs, query
from agent_etl.connectors.mysql import MysqlConnection
from agent_etl.engine.errors import (
    Busy,
    ConnectionLost,
    OutcomeUnknown,
    TargetError,
    TargetSchemaMismatch,
)
from agent_etl.engine.ports import LoadResult, Relation
from agent_etl.engine.schema import Column

pytestmark = pytest.mark.mysql

Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def run(mysql_url: str) -> Run:
    """Runs statements in the test's database; gives the rows of the last one."""
    return partial(executed, mysql_url)


@pytest.fixture
def subject(mysql_url: str) -> Subject:
    return Subject(MysqlConnection("shop", mysql_url))


def slow(between: Callable[[], object]) -> Relation:
    """Rows in two batches; `between` is called after the first was asked for."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": pa.array([8], pa.int32()), "word": pa.array(["new"])})
        between()
        yield pa.record_batch({"id": pa.array([9], pa.int32()), "word": pa.array(["new"])})

    schema = pa.schema([("id", pa.int32()), ("word", pa.string())])
    return Relation(
        columns=(Column("id", "INTEGER"), Column("word", "VARCHAR")),
        open=lambda: pa.RecordBatchReader.from_batches(schema, batches()),
    )


def test_a_lost_commit_reply_leaves_the_outcome_open(mariadb: MariadbServer, mysql_url: str) -> None:
    """The commit happened, its reply did not come: OutcomeUnknown, and a new connection finds the marker."""
    database = mysql_url.rpartition("/")[2]
    Subject(MysqlConnection("shop", mysql_url)).load("words", "append", "zero", pairs((0, "z")))
    with Proxy.to(mariadb.host, mariadb.port) as proxy:
        cut = Subject(MysqlConnection("shop", mariadb.url(database, port=proxy.port)))
        # Whatever the server says after it was sent COMMIT is its reply.
        proxy.fault = fault = Fault("swallow", pattern=b"", once_sent=b"\x03COMMIT")
        with pytest.raises(OutcomeUnknown):
            cut.load("words", "append", "one", pairs((1, "a")))
        assert fault.happened.is_set()
    honest = Subject(MysqlConnection("shop", mysql_url))
    assert honest.connection.target().marker("words", "one") is not None
    assert honest.load("words", "append", "one", pairs((1, "a"))).already
    assert honest.rows("words") == [("0", "z"), ("1", "a")]


@pytest.mark.parametrize("first", [True, False], ids=["new table", "old table"])
def test_a_load_that_is_cut_leaves_no_row(mariadb: MariadbServer, mysql_url: str, first: bool) -> None:
    """A connection that breaks while rows stream in leaves no row and no marker; the load can be repeated."""
    honest = Subject(MysqlConnection("shop", mysql_url))
    if not first:
        honest.load("words", "append", "zero", pairs((0, "z")))
    rows = query(
        "SELECT i::INTEGER AS id, repeat('x', 100) AS word FROM range(50000) AS r(i)", "id INTEGER", "word VARCHAR"
    )
    with Proxy.to(mariadb.host, mariadb.port) as proxy:
        cut = Subject(MysqlConnection("shop", mariadb.url(mysql_url.rpartition("/")[2], port=proxy.port)))
        proxy.fault = fault = Fault("cut", direction="up", after=1_000_000)
        with pytest.raises(ConnectionLost):
            cut.load("words", "replace", "one", rows)
        assert fault.happened.is_set()
    assert honest.connection.target().marker("words", "one") is None
    assert honest.rows("words") == ([] if first else [("0", "z")])
    assert honest.load("words", "replace", "one", rows).rows == 50_000


def test_readers_see_the_old_rows_until_the_commit(run: Run, subject: Subject) -> None:
    """During a replace another session reads the whole old table; views outlive it."""
    subject.load("words", "append", "one", pairs((1, "a"), (2, "b")))
    run("CREATE VIEW `long` AS SELECT * FROM words")
    seen: list[tuple[Any, ...]] = []
    subject.load("words", "replace", "two", slow(lambda: seen.extend(run("SELECT count(*) FROM words"))))
    assert seen == [(2,)]
    assert run("SELECT count(*) FROM `long`") == [(2,)]


def test_a_terminated_session_loses_the_load_and_nothing_else(
    mariadb: MariadbServer, subject: Subject, mysql_url: str
) -> None:
    """A session that is ended mid-load is ConnectionLost; the old rows stay and the load can be repeated."""
    subject.load("words", "append", "one", pairs((1, "a")))
    database = mysql_url.rpartition("/")[2]
    ended: list[int] = []
    with pytest.raises(ConnectionLost):
        subject.load("words", "replace", "two", slow(lambda: ended.append(mariadb.terminate_sessions(database))))
    assert ended != [0]
    assert subject.rows("words") == [("1", "a")]
    assert subject.connection.target().marker("words", "two") is None
    assert subject.load("words", "replace", "two", pairs((2, "b"))).deleted == 1


def test_loads_of_one_table_wait_for_each_other(subject: Subject) -> None:
    """Four loads at once into a new database all arrive, one epoch after the other."""
    results: list[LoadResult] = []

    def load(name: str) -> None:
        results.append(subject.load("words", "append", name, pairs((1, name))))

    threads = [threading.Thread(target=load, args=(f"l{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.marker.epoch for result in results) == [1, 2, 3, 4]
    assert len(subject.rows("words")) == 4


def test_a_lock_that_is_not_given_is_busy(mysql_url: str) -> None:
    """A load that waits too long, for another load or for another session's rows, is Busy and changes nothing."""
    patient = Subject(MysqlConnection("shop", mysql_url))
    hasty = Subject(MysqlConnection("shop", mysql_url, wait=1))
    patient.load("words", "append", "one", pairs((1, "a")))
    found: list[Exception] = []

    def try_it() -> None:
        with pytest.raises(Busy) as caught:
            hasty.load("words", "append", "two", pairs((2, "b")))
        found.append(caught.value)

    patient.load("words", "replace", "three", slow(try_it))
    assert "MySQL connection" in str(found[0])
    assert patient.rows("words") == [("8", "new"), ("9", "new")]


def test_a_first_load_that_fails_leaves_no_table(run: Run, subject: Subject) -> None:
    """DDL commits by itself here: the table of a refused first load is taken away again, a table of others is not."""
    rows = query("SELECT 1 AS id, 'inf'::DOUBLE AS part", "id INTEGER", "part DOUBLE")
    with pytest.raises(TargetError):
        subject.load("fresh", "append", "one", rows)
    run("CREATE TABLE theirs (id int, part double)")
    with pytest.raises(TargetError):
        subject.load("theirs", "append", "one", rows)
    assert subject.connection.source().tables() == ("theirs",)


@pytest.mark.kill
def test_a_first_load_that_is_killed_is_finished(nursery: Nursery, mysql_url: str, tmp_path: Any) -> None:
    """kill -9 before the commit of a first load leaves an empty table; the resumed run fills it once."""
    (tmp_path / "rows.csv").write_text("id,word\n1,a\n2,b\n")
    (tmp_path / "agent_etl.toml").write_text(f'[connections]\nshop = "{mysql_url}"\n')
    (tmp_path / "plan.yaml").write_text(
        "name: first\nextracts: [{name: rows, source: here, dataset: rows.csv}]\n"
        "loads: [{name: out, from: rows, target: shop, table: words}]\n"
    )
    killed = nursery.finish(Job(str(tmp_path), "plan.yaml", "job", fault="load.before_commit:1:kill"))
    assert killed.signal == 9
    assert executed(mysql_url, "SELECT count(*) FROM words") == [(0,)]
    done = nursery.finish(Job(str(tmp_path), "plan.yaml", "job", resume=True))
    assert (done.status, done.error) == ("succeeded", "")
    assert executed(mysql_url, "SELECT id, word FROM words ORDER BY id") == [(1, "a"), (2, "b")]
    assert executed(mysql_url, "SELECT count(*), max(`rows`) FROM _etl_loads") == [(1, 2)]


GOOD = {
    "code": "'abc'",
    "fixed": "'ab'",
    "mood": "'ok'",
    "at": "TIMESTAMP '2024-01-01 10:00:00'",
    "seen": "TIMESTAMPTZ '2024-01-01 10:00:00+02'",
    "since": "1999",
    "raw": "'\\x00\\x01'::BLOB",
    "bits": "5",
    "big": "123.5::DECIMAL(10,2)",
    "old": "'é'",
    "part": "0.25::DOUBLE",
}
BAD = {
    "code": "'secret'",
    "fixed": "'a '",
    "mood": "'OK'",
    "at": "TIMESTAMP '2024-01-01 10:00:00.5'",
    "seen": "TIMESTAMPTZ '1969-01-01 10:00:00+02'",
    "since": "70",
    "raw": "'\\x00'::BLOB",
    "bits": "300",
    "big": "0.123::DECIMAL(10,3)",
    "old": "'汉'",
    "part": "0.125::DOUBLE",
}
KINDS = ("VARCHAR", "VARCHAR", "VARCHAR", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTEGER", "BLOB", "INTEGER")


@pytest.mark.parametrize("files", [1, 0], ids=["load data", "insert"])
def test_a_table_made_by_others_takes_what_it_holds_exactly(run: Run, subject: Subject, files: int) -> None:
    """What MySQL would cut, pad, round, fold or reinterpret without a word is refused by column, never shown."""
    run(
        f"SET GLOBAL local_infile = {files}",
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, code varchar(3), fixed char(3), mood enum('sad','ok'), "
        "at datetime(0), seen timestamp(6) NULL, since year, raw binary(2), bits bit(8), big decimal(65,2), "
        "old varchar(9) CHARACTER SET latin1, part double(9,2), twice int AS (id * 2) VIRTUAL, CHECK (code <> 'bad'))",
    )
    kinds = (*KINDS, "DECIMAL(10,3)", "VARCHAR", "DOUBLE")

    def load(name: str, **changed: str) -> LoadResult:
        items = ", ".join(f'{value} AS "{column}"' for column, value in {**GOOD, **changed}.items())
        return subject.load(
            "t", "append", name, query(f"SELECT {items}", *map(" ".join, zip(GOOD, kinds, strict=True)))
        )

    try:
        load("good")
        found = run("SELECT code, mood, at, seen + INTERVAL 0 SECOND, since, hex(raw), bits + 0, big, old, part FROM t")
        assert [str(value) for value in found[0]] == [
            *("abc", "ok", "2024-01-01 10:00:00", "2024-01-01 08:00:00", "1999", "0001", "5", "123.50", "é", "0.25")
        ]
        for column, value in BAD.items():
            with pytest.raises(TargetError) as caught:
                load(f"bad {column}", **{column: value})
            assert caught.value.fields["column"] == column
            assert "secret" not in str(caught.value)
        with pytest.raises(TargetError) as caught:
            load("constraint", code="'bad'")
        assert "constraint" in caught.value.fields
        assert run("SELECT count(*) FROM t") == [(1,)]
    finally:
        run("SET GLOBAL local_infile = 1")


def test_keys_are_equal_as_the_table_says(run: Run, subject: Subject) -> None:
    """Under a collation that ignores case 'a' and 'A' are one key; a new spelling of a value is still written."""
    run("CREATE TABLE t (word varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, note varchar(9))")
    columns = ("word VARCHAR", "note VARCHAR")
    run("INSERT INTO t VALUES ('a', 'old')")
    result = subject.load("t", "merge", "one", query("SELECT 'A' AS word, 'OLD' AS note", *columns), key=("word",))
    assert (result.inserted, result.updated) == (0, 1)
    assert run("SELECT word, note FROM t") == [("a", "OLD")]
    both = query("SELECT * FROM (VALUES ('b', 'x'), ('B', 'y')) AS v(word, note)", *columns)
    with pytest.raises(Exception, match="merge key"):
        subject.load("t", "merge", "two", both, key=("word",))
    subject.load("fresh", "merge", "three", both, key=("word",))
    assert sorted(run("SELECT word FROM fresh")) == [("B",), ("b",)]


def test_every_text_and_decimal_is_written_as_it_is(run: Run, subject: Subject) -> None:
    """NUL, backslashes, separators and quotes, and the extremes of wide decimals stand in the table as they were."""
    texts = "chr(0) || '\\N' || chr(9) || chr(10) || chr(13) || chr(26) || '''\"`%_🦆'"
    select = f"SELECT {texts} AS w, 99999999999999999999999999999.123456789::DECIMAL(38,9) AS d"
    subject.load("t", "append", "one", query(select, "w VARCHAR", "d DECIMAL(38,9)"))
    assert run("SELECT w, d FROM t") == [
        ("\0\\N\t\n\r\x1a'\"`%_🦆", Decimal("99999999999999999999999999999.123456789"))
    ]


def test_a_view_and_a_set_are_no_places_to_load_into(run: Run, subject: Subject) -> None:
    """A view is refused as a target, and a column of a type whose values MySQL reorders is refused by name."""
    run("CREATE TABLE t (id int, word set('a','b'))", "CREATE VIEW v AS SELECT * FROM t")
    with pytest.raises(TargetError):
        subject.load("v", "append", "one", pairs((1, "a")))
    with pytest.raises(TargetSchemaMismatch) as caught:
        subject.load("t", "append", "one", pairs((1, "a")))
    assert list(caught.value.fields["differing"]) == ["word"]
