"""connectors/mysql.py"""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from harness.mariadb import MariadbServer, executed
from harness.postgres import HOSTILE_PASSWORD
from harness.scanning import scanned

from agent_etl.connectors.mysql import MysqlConnection
from agent_etl.engine import duck
from agent_etl.engine.errors import ConnectionLost, NotFound, ReadError, SettingsError
from agent_etl.engine.relay import Relayed
from agent_etl.engine.watermark import Watermark, Within

pytestmark = pytest.mark.mysql

Run = Callable[..., list[tuple[Any, ...]]]

TYPES = (
    ("flag", "tinyint(1)", "1", "BOOLEAN", "true"),
    ("small", "tinyint unsigned", "255", "UTINYINT", "255"),
    ("medium", "mediumint(6) zerofill", "42", "UINTEGER", "42"),
    ("big", "bigint unsigned", "18446744073709551615", "UBIGINT", "18446744073709551615"),
    ("price", "decimal(38,9)", "-99999999999999999999999999999.123456789", "DECIMAL(38,9)", None),
    ("wide", "decimal(65,30)", "12345678901234567890123456789012345.000000000000000000000000000001", "VARCHAR", None),
    ("single", "float", "0.1", "FLOAT", "0.1"),
    ("part", "double", "-0.30000000000000004", "DOUBLE", "-0.30000000000000004"),
    ("bits", "bit(9)", "b'100000001'", "UBIGINT", "257"),
    ("bit1", "bit(1)", "b'1'", "BOOLEAN", "true"),
    ("day", "date", "'0001-01-01'", "DATE", "0001-01-01"),
    ("made", "datetime(6)", "'9999-12-31 23:59:59.999999'", "TIMESTAMP", "9999-12-31 23:59:59.999999"),
    ("whole", "datetime", "'2024-03-31 02:30:00'", "TIMESTAMP", "2024-03-31 02:30:00"),
    ("seen", "timestamp(6)", "'2024-03-31 02:30:00.000001'", "TIMESTAMP WITH TIME ZONE", None),
    ("clock", "time(6)", "'23:59:59.999999'", "TIME", "23:59:59.999999"),
    ("since", "year", "1999", "SMALLINT", "1999"),
    ("code", "char(5)", "'ab'", "VARCHAR", "ab"),
    ("duck", "varchar(20)", "'🦆 ŐŰ'", "VARCHAR", "🦆 ŐŰ"),
    ("old", "varchar(20) CHARACTER SET latin1", "'é'", "VARCHAR", "é"),
    ("mood", "enum('sad','ok')", "'ok'", "VARCHAR", "ok"),
    ("tags", "set('x','y')", "'x,y'", "VARCHAR", "x,y"),
    ("doc", "json", "'{\"a\": 1.10}'", "JSON", '{"a": 1.10}'),
    ("raw", "varbinary(9)", "0x00FF0A5C", "BLOB", "\\x00\\xFF\\x0A\\x5C"),
    ("key16", "uuid", "'123e4567-e89b-12d3-a456-426614174000'", "UUID", "123e4567-e89b-12d3-a456-426614174000"),
    ("net", "inet6", "'::1'", "VARCHAR", "::1"),
)


@pytest.fixture
def run(mysql_url: str) -> Run:
    """Runs statements in the test's database; gives the rows of the last one."""
    return partial(executed, mysql_url)


def test_every_type_is_read_exactly(run: Run, mysql_url: str) -> None:
    """Each column type has a logical type that holds its values, and extremes, small ones and NULLs agree."""
    declared = ", ".join(f"{name} {kind} NULL" for name, kind, *_ in TYPES)
    values = ", ".join(value for _, _, value, *_ in TYPES)
    nulls = ", ".join("NULL" for _ in TYPES)
    run(f"CREATE TABLE t ({declared}) CHARACTER SET utf8mb4", f"INSERT INTO t VALUES ({values}), ({nulls})")
    connection = MysqlConnection("shop", mysql_url)
    table = connection.source().describe("t")
    assert {c.name: c.type for c in table.columns} == {name: kind for name, _, _, kind, _ in TYPES}
    texts = ", ".join(f'CAST("{name}" AS VARCHAR)' for name, *_ in TYPES)
    first, second = sorted(scanned(connection, "t", texts), key=lambda row: row[0] is None)
    assert list(first) == [
        text or (value.strip("'") + ("+00" if name == "seen" else "")) for name, _, value, _, text in TYPES
    ]
    assert set(second) == {None}
    assert [note for note in table.notes if "wide" in note]


@pytest.mark.parametrize(
    ("kind", "value", "read_as"),
    [
        ("date", "'0000-00-00'", None),
        ("datetime", "'0000-00-00 00:00:00'", None),
        ("date", "'2024-02-00'", None),
        ("time", "'-100:00:00'", None),
        ("tinyint(1)", "2", None),
        ("varchar(9)", "'secret'", "BIGINT"),
        ("decimal(65,30)", "1.55", "DECIMAL(38,1)"),
    ],
)
def test_what_a_type_cannot_hold_is_named(run: Run, mysql_url: str, kind: str, value: str, read_as: str | None) -> None:
    """A value that the logical type cannot hold ends the read with the column's name; as text it can be read."""
    run("SET GLOBAL sql_mode = ''")
    run(f"CREATE TABLE t (ok int, odd {kind})", f"INSERT INTO t VALUES (1, NULL), (2, {value})")
    connection = MysqlConnection("shop", mysql_url)
    with pytest.raises(ReadError) as caught:
        scanned(connection, "t", options={"types": {"odd": read_as}} if read_as else None)
    assert caught.value.fields["column"] == "odd"
    assert "secret" not in str(caught.value)
    text = scanned(connection, "t", options={"types": {"odd": "VARCHAR"}})[1][1]
    assert text.startswith(value.strip("'")[:4])


def test_rows_of_all_sizes_arrive_in_many_blocks(run: Run, mysql_url: str) -> None:
    """Empty texts, texts of 16 MB that come in two packets, and 200,000 small rows around them all arrive once."""
    run(
        "CREATE TABLE t (id int, pad longtext)",
        "INSERT INTO t SELECT seq, repeat('x', seq % 300) FROM seq_1_to_100000",
        "INSERT INTO t VALUES (0, repeat('y', 16777215 - 10)), (-1, repeat('z', 70000)), (-2, '')",
        "UPDATE t SET pad = concat(pad, pad) WHERE id = 0",
        "INSERT INTO t SELECT seq, repeat('x', seq % 300) FROM seq_100001_to_200000",
    )
    facts = "count(*), sum(id), sum(length(coalesce(pad, ''))), max(length(pad))"
    wanted = run(f"SELECT {facts} FROM t")
    found = scanned(MysqlConnection("shop", mysql_url), "t", facts)
    assert [int(value) for value in found[0]] == [int(value) for value in wanted[0]]


def test_a_scan_is_one_snapshot(run: Run, mysql_url: str) -> None:
    """What others commit while a table is read is not in it."""
    run("CREATE TABLE t ENGINE=InnoDB AS SELECT seq AS id, repeat('x', 200) AS pad FROM seq_1_to_100000")
    relation = MysqlConnection("shop", mysql_url).source().scan("t")
    assert relation.open is not None
    reader = relation.open()
    rows = reader.read_next_batch().num_rows
    run("DELETE FROM t WHERE id > 10", "INSERT INTO t SELECT seq, '' FROM seq_200000_to_300000")
    rows += sum(batch.num_rows for batch in reader)
    assert rows == 100_000


@pytest.mark.parametrize(
    ("kind", "values", "logical", "floor"),
    [
        ("decimal(9,2)", "1.5, 1.49, 20", "DECIMAL(9,2)", "1.50"),
        ("bigint unsigned", "9, 10, 18446744073709551615", "UBIGINT", "10"),
        ("datetime(6)", "'2024-01-01', '2023-12-31 23:59:59.999999', '2024-02-01'", "TIMESTAMP", "2024-01-01 00:00:00"),
        ("date", "'2024-01-01', '2023-12-31', '2024-02-01'", "DATE", "2024-01-01"),
        ("timestamp", "'2024-01-01', '2023-12-31', '2024-02-01'", "TIMESTAMP WITH TIME ZONE", "2024-01-01 00:00:00+00"),
        ("varchar(9) COLLATE utf8mb4_general_ci", "'b', 'B', 'É'", "VARCHAR", "b"),
    ],
)
def test_a_range_of_a_cursor_is_left_to_the_server(
    run: Run, mysql_url: str, kind: str, values: str, logical: str, floor: str
) -> None:
    """Of a range the server sends no more than needed, never less: rows in it, also by a collation, and NULLs."""
    rows = ", ".join(f"({value})" for value in values.split(", "))
    run(f"CREATE TABLE t (c {kind} NULL) CHARACTER SET utf8mb4", f"INSERT INTO t VALUES {rows}, (NULL)")
    within = Within("c", Watermark(logical, floor), None, True)
    connection = MysqlConnection("shop", mysql_url)
    assert scanned(connection, "t", "count(*)", within=within) == [(3,)]
    inside = f"c IS NULL OR c >= {within.floor.sql}" if within.floor else ""
    assert scanned(connection, "t", f"count(*) FILTER (WHERE {inside})", within=within) == [(3,)]


def test_names_are_found_as_people_write_them(run: Run, mysql_url: str) -> None:
    """Bare, qualified, quoted and wrongly cased names find their table, with its keys; views have no row count."""
    database = mysql_url.rpartition("/")[2]
    run(
        'CREATE TABLE Orders ("Order Id" int PRIMARY KEY, n int UNIQUE, word varchar(9), UNIQUE (word(2)))'.replace(
            '"', "`"
        ),
        "CREATE TABLE `Items.Old` (o int, FOREIGN KEY (o) REFERENCES Orders (`Order Id`))",
        "CREATE VIEW recent AS SELECT * FROM Orders",
    )
    source = MysqlConnection("shop", mysql_url).source()
    assert source.tables() == ("Items.Old", "Orders", "recent")
    for written in ("Orders", "orders", f"{database}.Orders", '"Orders"'):
        table = source.describe(written)
        assert (table.dataset, table.primary_key, table.unique) == ("Orders", ("Order Id",), (("n",),)), written
    assert source.describe("items.old").foreign_keys[0].table == "Orders"
    assert source.describe("recent").rows is None
    with pytest.raises(NotFound) as caught:
        source.describe("customers")
    assert f"{database}.Orders" in caught.value.fields["valid"]


def test_a_hostile_password_is_used_and_never_shown(mariadb: MariadbServer, mysql_url: str) -> None:
    """A password of awkward characters logs in; a wrong one is refused by name, and neither is ever shown."""
    database = mysql_url.rpartition("/")[2]
    good = MysqlConnection("shop", mariadb.hostile_url(database))
    assert good.source().tables() == ()
    bad = MysqlConnection("shop", mariadb.hostile_url(database).replace("@127", "wrong@127"))
    with pytest.raises(SettingsError) as caught:
        bad.source().tables()
    shown = f"{caught.value} {caught.value.fields} {caught.value.__cause__} {good.url} {bad.url}"
    assert HOSTILE_PASSWORD[:8] not in shown
    assert "%40b%40c" not in shown


@pytest.mark.parametrize("end", ["/nowhere", "", "/mysql?ssl-mode=sometimes", "/mysql?autocommit=1"])
def test_a_wrong_url_is_a_setting_to_correct(mariadb: MariadbServer, end: str) -> None:
    """A database that is missing or not there, and a parameter that is not known, are named as wrong settings."""
    with pytest.raises(SettingsError):
        MysqlConnection("shop", mariadb.url("X").removesuffix("/X") + end).source().tables()


def test_encryption_that_the_url_demands_is_not_left_out(mariadb: MariadbServer) -> None:
    """A server without TLS is refused where the URL requires it, before the password is sent."""
    with pytest.raises(SettingsError) as caught:
        MysqlConnection("shop", f"{mariadb.url()}?ssl-mode=REQUIRED").source().tables()
    assert "TLS" in caught.value.fields["reason"]


def test_a_server_that_is_not_there_is_a_lost_connection() -> None:
    """Nobody listening is ConnectionLost, which may be tried again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionLost):
        MysqlConnection("shop", f"mysql://etl:geheim@127.0.0.1:{port}/x").source().tables()


def test_a_terminated_read_is_a_lost_connection(mariadb: MariadbServer, run: Run, mysql_url: str) -> None:
    """A read whose session is ended fails as ConnectionLost instead of giving fewer rows."""
    run("CREATE TABLE t AS SELECT seq AS id, repeat('x', 500) AS pad FROM seq_1_to_200000")
    relation = MysqlConnection("shop", mysql_url).source().scan("t")
    assert relation.open is not None
    reader = relation.open()
    rows = reader.read_next_batch().num_rows
    mariadb.terminate_sessions(mysql_url.rpartition("/")[2])
    with pytest.raises(Relayed) as caught:
        for batch in reader:
            rows += batch.num_rows
    del reader
    assert isinstance(duck.translate(caught.value), ConnectionLost)
    assert rows < 200_000
