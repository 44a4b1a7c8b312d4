"""The proxy's faults, on a real server."""

from collections.abc import Iterator

import psycopg
import pytest

from harness.postgres import PostgresServer
from harness.proxy import Fault, Proxy

pytestmark = pytest.mark.postgres


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[Proxy]:
    """A proxy before the session's server."""
    with Proxy.to(postgres.host, postgres.port) as proxy:
        yield proxy


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("select count(*) from t").fetchone()
    return found[0] if found else -1


def _via(pg_url: str, postgres: PostgresServer, proxy: Proxy) -> str:
    return postgres.url(pg_url.rsplit("/", 1)[1], port=proxy.port)


def _copy(url: str, rows: int) -> None:
    with psycopg.connect(url) as connection:
        with connection.cursor().copy("copy t from stdin") as copy:
            for number in range(rows):
                copy.write_row((number,))
        connection.commit()


def test_without_a_fault_it_forwards(pg_url: str, postgres: PostgresServer, proxy: Proxy) -> None:
    """Data pass unharmed in both directions."""
    with psycopg.connect(pg_url, autocommit=True) as connection:
        connection.execute("create table t (i int)")
    _copy(_via(pg_url, postgres, proxy), 1000)
    assert _count(_via(pg_url, postgres, proxy)) == 1000


def test_a_swallowed_commit_reply_is_a_committed_transaction(
    pg_url: str, postgres: PostgresServer, proxy: Proxy
) -> None:
    """The client sees an error, the server holds the rows."""
    with psycopg.connect(pg_url, autocommit=True) as connection:
        connection.execute("create table t (i int)")
    proxy.fault = fault = Fault("swallow", pattern=b"COMMIT\0", once_sent=b"copy t")
    with pytest.raises(psycopg.OperationalError):
        _copy(_via(pg_url, postgres, proxy), 10)
    assert fault.happened.is_set()
    assert _count(pg_url) == 10


@pytest.mark.parametrize("action", ["cut", "reset"])
def test_a_cut_copy_leaves_no_row(action: str, pg_url: str, postgres: PostgresServer, proxy: Proxy) -> None:
    """A connection that breaks while rows stream in leaves none of them."""
    with psycopg.connect(pg_url, autocommit=True) as connection:
        connection.execute("create table t (i int)")
    proxy.fault = fault = Fault(action, direction="up", after=200_000)  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError):
        _copy(_via(pg_url, postgres, proxy), 200_000)
    assert fault.happened.is_set()
    assert _count(pg_url) == 0
