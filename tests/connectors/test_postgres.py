"""connectors/postgres.py"""

import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from harness.postgres import HOSTILE_PASSWORD, PostgresServer
from harness.proxy import Fault, Proxy

from agent_etl.connectors import postgres_session
from agent_etl.connectors.conformance_subject import Subject, pairs, query
from agent_etl.connectors.postgres import PostgresConnection
from agent_etl.engine import duck
from agent_etl.engine.errors import (
    Busy,
    ConnectionLost,
    NotFound,
    OutcomeUnknown,
    ReadError,
    SettingsError,
    TargetError,
)
from agent_etl.engine.ports import LoadResult, Relation
from agent_etl.engine.schema import Column

pytestmark = pytest.mark.postgres

Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def run(pg_url: str) -> Run:
    """Runs statements in the test's database; gives the rows of the last one."""

    def ran(*statements: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(pg_url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return ran


@pytest.fixture
def subject(pg_url: str) -> Subject:
    return Subject(PostgresConnection("crm", pg_url))


def read(connection: PostgresConnection, dataset: str, select: str = "*", **more: Any) -> list[tuple[object, ...]]:
    between = duck.connect()
    try:
        with duck.attached(between, connection.source().scan(dataset, **more)) as rows:
            return between.execute(f"SELECT {select} FROM ({rows})").fetchall()
    except duck.Error as error:
        raise duck.translate(error) from None
    finally:
        between.close()


TYPES = [
    ("smallint", "-32768", "SMALLINT", "-32768"),
    ("integer", "2147483647", "INTEGER", "2147483647"),
    ("bigint", "-9223372036854775808", "BIGINT", "-9223372036854775808"),
    ("oid", "4294967295", "BIGINT", "4294967295"),
    ("real", "0.1", "FLOAT", "0.1"),
    ("double precision", "0.1", "DOUBLE", "0.1"),
    ("double precision", "'NaN'", "DOUBLE", "nan"),
    ("numeric(10,2)", "-44.10", "DECIMAL(10,2)", "-44.10"),
    ("numeric(18,18)", "0.000000000000000001", "DECIMAL(18,18)", ".000000000000000001"),
    ("numeric(18,0)", "-999999999999999999", "DECIMAL(18,0)", "-999999999999999999"),
    ("numeric(19,4)", "999999999999999.9999", "DECIMAL(19,4)", "999999999999999.9999"),
    (
        "numeric(38,9)",
        "99999999999999999999999999999.123456789",
        "DECIMAL(38,9)",
        "99999999999999999999999999999.123456789",
    ),
    ("numeric(60,5)", "1.5", "DECIMAL(38,5)", "1.50000"),
    ("numeric", "1.5", "DECIMAL(38,1)", "1.5"),
    ("numeric", "999999999.123456789012", "DECIMAL(38,12)", "999999999.123456789012"),
    ("numeric", "1e-18", "DECIMAL(38,18)", "0.000000000000000001"),
    ("numeric", "1e40", "VARCHAR", "1" + "0" * 40),
    ("numeric", "'NaN'", "VARCHAR", "NaN"),
    ("money", "1234.56", "DECIMAL(19,2)", "1234.56"),
    ("text", "''", "VARCHAR", ""),
    ("varchar(5)", "'ab  '", "VARCHAR", "ab  "),
    ("char(5)", "'ab'", "VARCHAR", "ab"),
    ('"char"', "'x'", "VARCHAR", "x"),
    ("name", "'n'", "VARCHAR", "n"),
    ("boolean", "false", "BOOLEAN", "false"),
    ("bytea", "'\\x00ff'", "BLOB", "\\x00\\xFF"),
    ("date", "'0001-01-01'", "DATE", "0001-01-01"),
    ("date", "'infinity'", "DATE", "infinity"),
    ("date", "'-infinity'", "DATE", "-infinity"),
    ("date", "'4713-01-01 BC'", "DATE", "4713-01-01 (BC)"),
    ("time", "'24:00'", "TIME", "24:00:00"),
    ("timetz", "'10:00:00.5+02'", "TIME WITH TIME ZONE", "10:00:00.5+02"),
    ("timestamp", "'9999-12-31 23:59:59.999999'", "TIMESTAMP", "9999-12-31 23:59:59.999999"),
    ("timestamp", "'infinity'", "TIMESTAMP", "infinity"),
    ("timestamp", "'-infinity'", "TIMESTAMP", "-infinity"),
    ("timestamptz", "'2024-10-27 02:30:00.000001+02'", "TIMESTAMP WITH TIME ZONE", "2024-10-27 00:30:00.000001+00"),
    ("interval", "'1 mon -2 days 03:04:05.000001'", "INTERVAL", "1 month -2 days 03:04:05.000001"),
    ("uuid", "'123e4567-e89b-12d3-a456-426614174000'", "UUID", "123e4567-e89b-12d3-a456-426614174000"),
    ("json", '\'{"b": 1,  "a": 1.10}\'', "JSON", '{"b": 1,  "a": 1.10}'),
    ("jsonb", "'[1, null]'", "JSON", "[1, null]"),
    ("integer[]", "'{{1,2},{3,NULL}}'", "JSON", "[[1,2],[3,null]]"),
    ("text[]", "'{}'", "JSON", "[]"),
    ("inet", "'10.0.0.1/24'", "VARCHAR", "10.0.0.1/24"),
    ("bit(3)", "B'101'", "VARCHAR", "101"),
    ("xml", "'<a/>'", "VARCHAR", "<a/>"),
    ("int4range", "'[1,5)'", "VARCHAR", "[1,5)"),
    ("point", "'(1,2)'", "VARCHAR", "(1,2)"),
    ("tsvector", "'a b'", "VARCHAR", "'a' 'b'"),
    ("mood", "'ok'", "VARCHAR", "ok"),
    ("price", "1.5", "DECIMAL(10,2)", "1.50"),
    ("pair", "ROW(1,'x')", "JSON", '{"n":1,"t":"x"}'),
]


def test_every_type_arrives_exactly(run: Run, pg_url: str) -> None:
    """Each PostgreSQL type, at its edges and after 150,000 NULLs, is read as a logical type that holds it exactly."""
    columns = ", ".join(f"c{n} {kind}" for n, (kind, *_) in enumerate(TYPES))
    values = ", ".join(text for _, text, *_ in TYPES)
    run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN price AS numeric(10,2)",
        "CREATE TYPE pair AS (n integer, t text)",
        f"CREATE TABLE t ({columns})",
        "INSERT INTO t (c0) SELECT NULL FROM generate_series(1, 150000)",
        f"INSERT INTO t VALUES ({values})",
    )
    connection = PostgresConnection("crm", pg_url)
    table = connection.source().describe("t")
    assert [c.type for c in table.columns] == [logical for _, _, logical, _ in TYPES]
    texts = ", ".join(f"CAST(c{n} AS VARCHAR)" for n in range(len(TYPES)))
    rows = read(connection, "t", f"{texts}", options=table.options)
    assert len(rows) == 150_001
    expected = [text for *_, text in TYPES]
    assert list(rows[-1]) == expected


@pytest.mark.parametrize(
    ("kind", "value", "read_as"),
    [
        ("numeric(10,2)", "'NaN'", "DECIMAL(10,2)"),
        ("numeric(30,2)", "'NaN'", "DECIMAL(30,2)"),
        ("timestamp", "'294276-12-31'", "TIMESTAMP"),
        ("numeric", "1.55", "DECIMAL(38,1)"),
        ("text", "'n/a'", "BIGINT"),
    ],
)
def test_what_a_type_cannot_hold_is_named(run: Run, pg_url: str, kind: str, value: str, read_as: str) -> None:
    """A value that the logical type cannot hold ends the read with the column's name, and never its value."""
    run(f"CREATE TABLE t (ok integer, odd {kind})", f"INSERT INTO t VALUES (1, NULL), (2, {value})")
    connection = PostgresConnection("crm", pg_url)
    with pytest.raises(ReadError) as caught:
        read(connection, "t", options={"types": {"odd": read_as}})
    assert caught.value.fields["column"] == "odd"
    assert "n/a" not in str(caught.value)
    assert len(read(connection, "t", options={"types": {"odd": "VARCHAR"}})) == 2


def test_names_are_found_as_people_write_them(run: Run, pg_url: str) -> None:
    """Bare, qualified, quoted and wrongly cased names find their table; other schemas need theirs."""
    run(
        "CREATE SCHEMA sales",
        'CREATE TABLE sales.orders ("Order Id" integer PRIMARY KEY, n integer UNIQUE)',
        'CREATE TABLE "Items.Old" (o integer REFERENCES sales.orders ("Order Id"))',
        "CREATE VIEW recent AS SELECT * FROM sales.orders",
    )
    source = PostgresConnection("crm", pg_url).source()
    assert source.tables() == ("public.Items.Old", "public.recent", "sales.orders")
    for written in ("sales.orders", "SALES.Orders", '"sales"."orders"'):
        assert source.describe(written).primary_key == ("Order Id",), written
    for written in ("Items.Old", '"Items.Old"', "items.old", "public.Items.Old"):
        assert source.describe(written).foreign_keys[0].table == "sales.orders", written
    assert source.describe("recent").dataset == "public.recent"
    with pytest.raises(NotFound) as caught:
        source.describe("orders")
    assert "sales.orders" in caught.value.fields["valid"]


def test_columns_that_differ_in_case_alone_all_arrive(run: Run, pg_url: str) -> None:
    """DuckDB takes `Id` and `id` for one: the later one is read under a name of its own, with a note."""
    run('CREATE TABLE t ("Id" integer, id integer, "ID" integer, id_2 integer)', "INSERT INTO t VALUES (1, 2, 3, 4)")
    connection = PostgresConnection("crm", pg_url)
    table = connection.source().describe("t")
    assert [column.name for column in table.columns] == ["Id", "id_3", "ID_4", "id_2"]
    assert len(table.notes) == 2
    assert read(connection, "t") == [(1, 2, 3, 4)]
    assert read(connection, "t", columns=["ID_4", "Id"]) == [(3, 1)]


def test_a_hostile_password_is_used_and_never_shown(postgres: PostgresServer, run: Run, pg_url: str) -> None:
    """A password of awkward characters logs in; a wrong one is refused by name, and neither is ever shown."""
    database = pg_url.rpartition("/")[2]
    good = PostgresConnection("crm", postgres.hostile_url(database))
    assert good.source().tables() == ()
    bad = PostgresConnection("crm", postgres.hostile_url(database).replace("@127", "wrong@127"))
    with pytest.raises(SettingsError) as caught:
        bad.source().tables()
    shown = f"{caught.value} {caught.value.fields} {caught.value.__cause__} {good.url} {bad.url}"
    assert HOSTILE_PASSWORD[:8] not in shown
    assert "%40b%40c" not in shown


def test_a_server_that_is_not_there_is_a_lost_connection() -> None:
    """Nobody listening is ConnectionLost, which may be tried again; a missing database is not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionLost):
        PostgresConnection("crm", f"postgresql://etl:geheim@127.0.0.1:{port}/x").source().tables()


def test_a_missing_database_is_a_setting_to_correct(postgres: PostgresServer) -> None:
    """A database that does not exist is named as a wrong setting."""
    with pytest.raises(SettingsError):
        PostgresConnection("crm", postgres.url("nowhere")).source().tables()


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


def test_a_terminated_read_is_a_lost_connection(postgres: PostgresServer, run: Run, pg_url: str) -> None:
    """A read whose session is ended fails as ConnectionLost instead of giving fewer rows."""
    run("CREATE TABLE t AS SELECT g AS id, repeat('x', 500) AS pad FROM generate_series(1, 200000) AS g")
    relation = PostgresConnection("crm", pg_url).source().scan("t")
    assert relation.open is not None
    reader = relation.open()
    rows = reader.read_next_batch().num_rows
    postgres.terminate_sessions(pg_url.rpartition("/")[2])
    with pytest.raises((pa.ArrowException, OSError, RuntimeError, Exception)) as caught:
        for batch in reader:
            rows += batch.num_rows
    del reader
    assert isinstance(duck.translate(caught.value), ConnectionLost)  # type: ignore[arg-type]
    assert rows < 200_000


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
    assert read(subject.connection, "t", own) == wanted  # type: ignore[arg-type]
    between.close()
