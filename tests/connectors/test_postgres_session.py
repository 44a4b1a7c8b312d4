"""connectors/postgres_session.py"""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from harness.postgres import PostgresServer, executed
from harness.proxy import Fault, Proxy
from harness.scanning import scanned

from agent_etl import Plan, run_pipeline
from agent_etl.connectors import postgres_session
from agent_etl.connectors.conformance_subject import Subject, pairs, query
from agent_etl.connectors.postgres import PostgresConnection
from agent_etl.engine import duck
from agent_etl.engine.errors import (
    Busy,
    ConnectionLost,
    OutcomeUnknown,
    TargetError,
)
from agent_etl.engine.plan import Extract, Load
from agent_etl.engine.ports import LoadResult, Relation
from agent_etl.engine.schema import Column

pytestmark = pytest.mark.postgres

Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def run(pg_url: str) -> Run:
    """Runs statements in the test's database; gives the rows of the last one."""
    return partial(executed, pg_url)


@pytest.fixture
def subject(pg_url: str) -> Subject:
    return Subject(PostgresConnection("crm", pg_url))


def test_a_lost_commit_reply_leaves_the_outcome_open(postgres: PostgresServer, pg_url: str) -> None:
    """The commit happened, its reply did not come: OutcomeUnknown, and a new connection finds the marker."""
    database = pg_url.rpartition("/")[2]
    with Proxy.to(postgres.host, postgres.port) as proxy:
        cut = Subject(PostgresConnection("crm", postgres.url(database, port=proxy.port)))
        fault = Fault("swallow", pattern=b"COMMIT\0", once_sent=b"_etl_loads")
        proxy.fault = fault
        with pytest.raises(OutcomeUnknown):
            cut.load("words", "append", "one", pairs((1, "a")))
        assert fault.happened.is_set()
    honest = Subject(PostgresConnection("crm", pg_url))
    assert honest.connection.target().marker("words", "one") is not None
    assert honest.load("words", "append", "one", pairs((1, "a"))).already
    assert honest.rows("words") == [("1", "a")]


def slow(between: Callable[[], None]) -> Relation:
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


def test_readers_see_the_old_rows_until_the_commit(run: Run, subject: Subject) -> None:
    """During a replace another session reads the whole old table; grants and views outlive it."""
    subject.load("words", "append", "one", pairs((1, "a"), (2, "b")))
    run("CREATE ROLE reader", "GRANT SELECT ON words TO reader", "CREATE VIEW long AS SELECT * FROM words")
    seen: list[tuple[Any, ...]] = []
    subject.load("words", "replace", "two", slow(lambda: seen.extend(run("SELECT count(*) FROM words"))))
    assert seen == [(2,)]
    assert run("SELECT count(*) FROM long") == [(2,)]
    assert run("SELECT has_table_privilege('reader', 'words', 'select')") == [(True,)]
    run("DROP OWNED BY reader", "DROP ROLE reader")


def test_a_terminated_session_loses_the_load_and_nothing_else(
    postgres: PostgresServer, subject: Subject, pg_url: str
) -> None:
    """A session that is ended mid-load is ConnectionLost; the old rows stay and the load can be repeated."""
    subject.load("words", "append", "one", pairs((1, "a")))
    database = pg_url.rpartition("/")[2]
    ended: list[int] = []
    with pytest.raises(ConnectionLost):
        subject.load("words", "replace", "two", slow(lambda: ended.append(postgres.terminate_sessions(database))))
    assert subject.rows("words") == [("1", "a")]
    assert subject.connection.target().marker("words", "two") is None
    assert subject.load("words", "replace", "two", pairs((2, "b"))).deleted == 1


def test_loads_of_one_table_wait_for_each_other(subject: Subject) -> None:
    """Two loads at once into a new schema both arrive, one epoch after the other."""
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


def test_a_lock_that_is_not_given_is_busy(subject: Subject, pg_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that waits too long for another session's lock is Busy."""
    subject.load("words", "append", "one", pairs((1, "a")))
    monkeypatch.setattr(postgres_session, "_LOCK_TIMEOUT", "100ms")
    with psycopg.connect(pg_url) as other:
        other.execute("LOCK TABLE words IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Busy):
            subject.load("words", "replace", "two", pairs((2, "b")))
    assert subject.rows("words") == [("1", "a")]


def test_a_table_made_by_others_takes_what_it_holds_exactly(run: Run, subject: Subject) -> None:
    """Typed columns of somebody's table take values that fit, and refuse the others without showing them."""
    run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY, code varchar(3), mood mood, at timestamp(0), "
        "u uuid, j jsonb, n numeric, twice integer GENERATED ALWAYS AS (length(code) * 2) STORED, "
        "CHECK (code <> 'bad'))",
    )
    kinds = ("code VARCHAR", "mood VARCHAR", "at TIMESTAMP", "u VARCHAR", "j VARCHAR", "n DOUBLE")

    def load(name: str, **changed: str) -> LoadResult:
        values = {
            "code": "'abc'",
            "mood": "'ok'",
            "at": "TIMESTAMP '2024-01-01 10:00:00'",
            "u": "'123E4567-e89b-12d3-a456-426614174000'",
            "j": "'{\"a\": 1}'",
            "n": "0.1::DOUBLE",
            **changed,
        }
        items = ", ".join(f'{value} AS "{column}"' for column, value in values.items())
        return subject.load("t", "append", name, query(f"SELECT {items}", *kinds))

    load("good")
    assert run("SELECT code, mood::text, u::text, j->>'a', n, twice FROM t") == [
        ("abc", "ok", "123e4567-e89b-12d3-a456-426614174000", "1", Decimal("0.1"), 6)
    ]
    bad = {
        "code": "'secret'",
        "mood": "'secret'",
        "at": "TIMESTAMP '2024-01-01 10:00:00.5'",
        "u": "'secret'",
        "j": "'secret'",
    }
    for column, value in bad.items():
        with pytest.raises(TargetError) as caught:
            load(f"bad {column}", **{column: value})
        assert "secret" not in str(caught.value)
    with pytest.raises(TargetError) as caught:
        load("constraint", code="'bad'")
    assert caught.value.fields["constraint"] == "t_code_check"
    assert run("SELECT count(*) FROM t") == [(1,)]


def test_text_with_nul_is_refused_by_column(subject: Subject) -> None:
    """A text with NUL, which PostgreSQL cannot store, is refused with its column."""
    with pytest.raises(TargetError) as caught:
        subject.load("t", "append", "one", query("SELECT 1 AS a, 'x' || chr(0) AS b", "a INTEGER", "b VARCHAR"))
    assert caught.value.fields["column"] == "b"
    assert subject.connection.target().existing("t") is None


def test_every_decimal_is_written_digit_for_digit(run: Run, subject: Subject) -> None:
    """For each precision and scale, extremes, zero, small ones and NULL agree on both sides, over several batches."""
    columns = []
    items = []
    for precision, scale in [(4, 0), (9, 2), (10, 6), (18, 3), (18, 18), (19, 7), (38, 0), (38, 9), (38, 38)]:
        name = f"d{precision}_{scale}"
        top, least = "9" * (precision - scale) or "0", "0"
        if scale:
            top, least = f"{top}.{'9' * scale}", f"0.{'0' * (scale - 1)}1"
        choices = [top, f"-{top}", "0", least, f"-{least}"]
        listed = ", ".join(f"'{choice}'" for choice in choices)
        items.append(f"CAST([{listed}, NULL][1 + i % 6] AS DECIMAL({precision},{scale})) AS {name}")
        columns.append(f"{name} DECIMAL({precision},{scale})")
    select = f"SELECT {', '.join(items)} FROM range(140000) AS r(i)"
    subject.load("t", "append", "one", query(select, *columns))
    names = [column.partition(" ")[0] for column in columns]
    facts = ", ".join(f"count({n})::text, min({n})::text, max({n})::text" for n in names)
    between = duck.connect()
    own = ", ".join(f"count({n})::VARCHAR, min({n})::VARCHAR, max({n})::VARCHAR" for n in names)
    wanted = between.execute(f"SELECT {own} FROM ({select})").fetchall()
    found = run(f"SELECT {facts} FROM t")
    assert [str(Decimal(v)) for v in found[0]] == [str(Decimal(v)) for v in wanted[0]]
    assert scanned(subject.connection, "t", own) == wanted  # type: ignore[arg-type]
    between.close()


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_stale_statistics_fail_no_load(
    home: Path, tmp_path: Path, run: Run, pg_url: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large table's row count is the server's estimate, and the load that it contradicts is not called wrong."""
    monkeypatch.setattr("agent_etl.connectors.postgres_catalog._EXACT_BELOW_BYTES", 0)
    run("CREATE TABLE t AS SELECT i::int8 AS id FROM generate_series(1, 9) AS i", "ANALYZE t")
    run("DELETE FROM t WHERE id > 2")
    (tmp_path / "new.csv").write_text("id\n10\n11\n")
    plan = Plan(
        name="grow",
        extracts=(Extract(name="new", source="here", dataset="new.csv"),),
        loads=(Load(name="load", from_="new", target="pg", table="t", mode=mode),),
    )
    done = run_pipeline(plan, connections={"pg": pg_url}, approve="auto")
    assert done.status == "succeeded", done.report()
    assert len(run("SELECT id FROM t")) == (4 if mode == "append" else 2)
