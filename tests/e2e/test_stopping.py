"""Ctrl-C and SIGTERM while a target works on a long statement of its own: soon over, rolled back, to be resumed."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import psycopg
import pytest

from agent_etl import get_run, resume_pipeline
from agent_etl.engine.errors import UsageError
from agent_etl.exits import GRACE

pytestmark = pytest.mark.kill

PLAN = """
name: slow
extracts: [{{name: rows, source: here, dataset: rows.parquet}}]
loads: [{{name: load, from: rows, target: "{target}", table: t, mode: append}}]
"""
ROWS = 3_000
MANY = 600_000
SLOW = (
    "CREATE TRIGGER slow BEFORE INSERT ON t BEGIN SELECT max(i) FROM "
    "(WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1000000) SELECT i FROM r); END"
)


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT range AS id FROM range({ROWS})) TO '{tmp_path}/rows.parquet'")
    return tmp_path


@contextmanager
def loading(folder: Path, target: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command whose load has begun, and been at it for a while; it is gone after the block."""
    (folder / "plan.yaml").write_text(PLAN.format(target=target))
    command = [sys.executable, "-m", "agent_etl", "run", "plan.yaml", "--run-id", "r", "--approve", "auto"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        try:
            deadline = time.monotonic() + 60
            while not _begun() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1)
            assert run.poll() is None, (folder / "log").read_text()
            yield run
        finally:
            run.kill()


def _begun() -> bool:
    try:
        return "load" in {event.step for event in get_run("r").events() if event.kind == "task_started"}
    except UsageError:
        return False


def _slow_postgres(url: str, seconds: float) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (id bigint)")
        connection.execute(
            f"CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$".encode()
        )
        connection.execute("CREATE OR REPLACE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()")


@pytest.mark.postgres
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_copy_into_postgresql_is_ended(folder: Path, pg_url: str, number: int, code: int) -> None:
    """The server's own COPY, which would take minutes, is cancelled: no row stays, no session, and the run goes on."""
    _slow_postgres(pg_url, 0.1)
    with psycopg.connect(pg_url, autocommit=True) as watch, loading(folder, pg_url) as run:
        run.send_signal(number)
        assert run.wait(30) == code
        active = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert watch.execute(active).fetchall() == [(0,)]
        assert watch.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    assert get_run("r").status == "interrupted"
    _slow_postgres(pg_url, 0)
    assert resume_pipeline("r").status == "succeeded"
    with psycopg.connect(pg_url) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM t").fetchall() == [(ROWS, ROWS)]


def _sqlite(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "out.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_statement_of_sqlite_that_cannot_be_ended_is_left(folder: Path) -> None:
    """SQLite's driver cannot end a statement: after some seconds the process ends, and the file rolls itself back."""
    _sqlite(folder, "CREATE TABLE t (id BIGINT)")
    _sqlite(folder, SLOW)
    with loading(folder, "out.sqlite") as run:
        run.send_signal(signal.SIGTERM)
        assert run.wait(40) == 143
    assert get_run("r").status == "interrupted"
    _sqlite(folder, "DROP TRIGGER slow")
    assert resume_pipeline("r").status == "succeeded"
    with closing(sqlite3.connect(folder / "out.sqlite")) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM t").fetchall() == [(ROWS, ROWS)]


def test_a_second_signal_waits_for_nothing(folder: Path) -> None:
    """Who presses Ctrl-C twice has the prompt back at once, and the run can be resumed all the same."""
    _sqlite(folder, "CREATE TABLE t (id BIGINT)")
    _sqlite(folder, SLOW)
    with loading(folder, "out.sqlite") as run:
        run.send_signal(signal.SIGINT)
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        assert run.wait(GRACE - 2) == 130
    assert get_run("r").status == "interrupted"
    _sqlite(folder, "DROP TRIGGER slow")
    assert resume_pipeline("r").status == "succeeded"


def test_an_insert_into_duckdb_is_ended(folder: Path) -> None:
    """DuckDB's own INSERT, whose constraint takes minutes to check, ends soon and leaves no row."""
    check = "levenshtein(repeat(CAST(id AS VARCHAR), 100), repeat(CAST(id + 7 AS VARCHAR), 100)) >= 0"
    with duckdb.connect(str(folder / "out.duckdb")) as connection:
        connection.execute(f"COPY (SELECT range AS id FROM range({MANY})) TO '{folder}/rows.parquet'")
        connection.execute(f"CREATE TABLE t (id BIGINT, CHECK ({check}))")
    with loading(folder, "out.duckdb") as run:
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130
    assert get_run("r").status == "interrupted"
    with duckdb.connect(str(folder / "out.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
        connection.execute("DROP TABLE t")
    assert resume_pipeline("r").status == "succeeded"
    with duckdb.connect(str(folder / "out.duckdb")) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM t").fetchall() == [(MANY, MANY)]
