"""The test server itself: real, private, gone afterwards."""

import os
import socket
from pathlib import Path

import psycopg
import pytest

from harness.postgres import PostgresServer


@pytest.mark.postgres
def test_each_test_gets_a_database_of_its_own(pg_url: str) -> None:
    """A fresh database holds no table and takes writes."""
    with psycopg.connect(pg_url, autocommit=True) as connection:
        found = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
        connection.execute("create table t (i int)")
    assert found == (0,)


@pytest.mark.postgres
def test_a_password_with_every_awkward_character_logs_in(postgres: PostgresServer) -> None:
    """The hostile role's URL works, and without the password it does not."""
    with psycopg.connect(postgres.hostile_url()) as connection:
        assert connection.execute("select current_user").fetchone() == ("hostile",)
    wrong = f"postgresql://hostile:wrong@{postgres.host}:{postgres.port}/postgres"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(wrong)


@pytest.mark.postgres
def test_a_stopped_server_leaves_nothing() -> None:
    """After stop() its folder and its port are free."""
    server = PostgresServer.start()
    server.stop()
    server.stop()
    assert not server.folder.exists()
    with socket.socket() as probe, pytest.raises(OSError):
        probe.connect((server.host, server.port))


def test_no_test_reaches_the_network() -> None:
    """A connection outside loopback is refused before a packet leaves."""
    with socket.socket() as probe, pytest.raises(RuntimeError, match="only loopback"):
        probe.connect(("192.0.2.1", 80))


def test_each_test_works_in_its_own_folder(home: Path, tmp_path: Path) -> None:
    """The current directory and the home are the test's own."""
    assert Path.cwd() == tmp_path
    assert os.environ["AGENT_ETL_HOME"] == str(home)
