"""The conformance kit over the three databases."""

from pathlib import Path

import pytest

from agent_etl.connectors.conformance import Case, Subject, cases
from agent_etl.connectors.duckdb import DuckdbConnection
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
