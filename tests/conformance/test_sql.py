"""The conformance kit over the four databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.mariadb import executed

from agent_etl.connectors.conformance import Case, Subject, cases
from agent_etl.connectors.duckdb import DuckdbConnection
from agent_etl.connectors.mysql import MysqlConnection
from agent_etl.connectors.postgres import PostgresConnection
from agent_etl.connectors.sqlite import SqliteConnection

ALL = tuple(cases(frozenset({"append", "replace", "merge", "scd2"})))
# What a system refuses to load, as its STORED table says, instead of changing it.
SQLITE = frozenset(
    {
        "HUGEINT:2",
        "UBIGINT:2",
        "DOUBLE:6",
        "DECIMAL(18,3):1",
        "DECIMAL(38,0):1",
        "DECIMAL(38,9):2",
        "DATE:5",
        "TIMESTAMP:5",
    }
)
POSTGRES = frozenset({"DATE:5", "TIMESTAMP:5"})
MYSQL = frozenset(
    {
        "DOUBLE:5",
        "DOUBLE:6",
        "DATE:5",
        "TIMESTAMP:5",
        "name:🦆",
    }
)


@pytest.fixture
def mysql_without_files(mysql_url: str) -> Iterator[str]:
    """The URL of a fresh database of a server that refuses LOAD DATA LOCAL and large packets."""
    executed(mysql_url, "SET GLOBAL local_infile = 0", "SET GLOBAL max_allowed_packet = 1048576")
    yield mysql_url
    executed(mysql_url, "SET GLOBAL local_infile = 1", "SET GLOBAL max_allowed_packet = 16777216")


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", ALL, ids=named)
def test_duckdb_conforms(case: Case, tmp_path: Path) -> None:
    """DuckDB keeps each promise of the kit."""
    case.run(Subject(DuckdbConnection("d", tmp_path / "d.duckdb")))


@pytest.mark.parametrize("case", ALL, ids=named)
def test_sqlite_conforms(case: Case, tmp_path: Path) -> None:
    """SQLite keeps each promise of the kit."""
    case.run(Subject(SqliteConnection("s", tmp_path / "s.db"), refuses=SQLITE))


@pytest.mark.postgres
@pytest.mark.parametrize("case", ALL, ids=named)
def test_postgres_conforms(case: Case, pg_url: str) -> None:
    """PostgreSQL keeps each promise of the kit."""
    case.run(Subject(PostgresConnection("p", pg_url), refuses=POSTGRES))


@pytest.mark.mysql
@pytest.mark.parametrize("case", ALL, ids=named)
def test_mysql_conforms(case: Case, mysql_url: str) -> None:
    """MariaDB keeps each promise of the kit."""
    case.run(Subject(MysqlConnection("m", mysql_url), refuses=MYSQL))


@pytest.mark.mysql
@pytest.mark.parametrize("case", ALL, ids=named)
def test_mysql_without_local_files_conforms(case: Case, mysql_without_files: str) -> None:
    """A server that takes no files, as MySQL 8 is set up, keeps each promise by INSERT."""
    case.run(Subject(MysqlConnection("m", mysql_without_files), refuses=MYSQL))
