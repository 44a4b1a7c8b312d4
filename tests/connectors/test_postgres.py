"""connectors/postgres.py"""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from harness.postgres import HOSTILE_PASSWORD, PostgresServer, executed
from harness.scanning import scanned

from agent_etl.connectors.postgres import PostgresConnection
from agent_etl.engine import duck
from agent_etl.engine.errors import (
    ConnectionLost,
    NotFound,
    ReadError,
    SettingsError,
)
from agent_etl.engine.relay import Relayed

pytestmark = pytest.mark.postgres

Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def run(pg_url: str) -> Run:
    """Runs statements in the test's database; gives the rows of the last one."""
    return partial(executed, pg_url)


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
    rows = scanned(connection, "t", f"{texts}", options=table.options)
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
        scanned(connection, "t", options={"types": {"odd": read_as}})
    assert caught.value.fields["column"] == "odd"
    assert "n/a" not in str(caught.value)
    assert len(scanned(connection, "t", options={"types": {"odd": "VARCHAR"}})) == 2


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
    assert scanned(connection, "t") == [(1, 2, 3, 4)]
    assert scanned(connection, "t", columns=["ID_4", "Id"]) == [(3, 1)]


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


def test_a_terminated_read_is_a_lost_connection(postgres: PostgresServer, run: Run, pg_url: str) -> None:
    """A read whose session is ended fails as ConnectionLost instead of giving fewer rows."""
    run("CREATE TABLE t AS SELECT g AS id, repeat('x', 500) AS pad FROM generate_series(1, 200000) AS g")
    relation = PostgresConnection("crm", pg_url).source().scan("t")
    assert relation.open is not None
    reader = relation.open()
    rows = reader.read_next_batch().num_rows
    postgres.terminate_sessions(pg_url.rpartition("/")[2])
    with pytest.raises(Relayed) as caught:
        for batch in reader:
            rows += batch.num_rows
    del reader
    assert isinstance(duck.translate(caught.value), ConnectionLost)  # type: ignore[arg-type]
    assert rows < 200_000
