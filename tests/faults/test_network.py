"""Connections that break while rows or a commit are under way, on a real PostgreSQL behind a proxy."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from harness.kill import Job
from harness.moments import wait_until_stopped
from harness.oracle import faults_in
from harness.pipelines import MODES, Pipeline
from harness.postgres import PostgresServer
from harness.proxy import Fault, Proxy
from harness.rounds import Rounds, World
from harness.rows import mismatch
from harness.targets import rows_of

pytestmark = [pytest.mark.kill, pytest.mark.postgres]


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[Proxy]:
    """A proxy before the session's server."""
    with Proxy.to(postgres.host, postgres.port) as proxy:
        yield proxy


def _through(proxy: Proxy, world: World, postgres: PostgresServer) -> str:
    """Let the world's connection lead through the proxy; gives the database's name."""
    database = (world.pg_url or "").rsplit("/", 1)[1]
    url = postgres.url(database, port=proxy.port)
    (world.folder / "agent_etl.toml").write_text(f'[connections]\nwh = "{url}"\n')
    return database


@pytest.mark.parametrize("staged", [True, False], ids=["staged", "fused"])
@pytest.mark.parametrize("mode", MODES)
def test_a_lost_commit_reply_duplicates_nothing(
    rounds: Rounds, postgres: PostgresServer, proxy: Proxy, mode: str, staged: bool
) -> None:
    """The commit was done and nobody heard so: the run reads the marker, and the rows are there once."""
    pipeline = Pipeline("postgres", mode, staged)
    with rounds.world(pipeline) as world:
        _through(proxy, world, postgres)
        proxy.fault = fault = Fault("swallow", pattern=b"COMMIT\0", once_sent=b"INSERT INTO")
        outcome = rounds.nursery.finish(world.job())
        assert fault.happened.is_set()
        assert outcome.status == "succeeded", outcome.error
        assert faults_in(pipeline, world.folder, world.pg_url) == []


@pytest.mark.parametrize("action", ["cut", "reset"])
def test_a_load_that_is_cut_leaves_no_row_and_is_done_again(
    rounds: Rounds, postgres: PostgresServer, proxy: Proxy, action: str
) -> None:
    """A connection lost while rows stream in leaves none of them; the run opens another and loads them all."""
    pipeline = Pipeline("postgres", "append", rows=20_000)
    with rounds.world(pipeline) as world:
        _through(proxy, world, postgres)
        proxy.fault = fault = Fault(action, direction="up", after=100_000)  # type: ignore[arg-type]
        process = rounds.nursery.start(world.job())
        assert fault.happened.wait(30)
        seen = rows_of(pipeline.target, world.folder, world.folder, world.pg_url)[1]
        outcome = process.wait()
        assert len(seen) in (pipeline.old_rows, len(pipeline.expected()[1]))
        assert outcome.status == "succeeded", outcome.error
        assert faults_in(pipeline, world.folder, world.pg_url) == []


@pytest.mark.parametrize("mode", MODES)
def test_sessions_that_an_administrator_ends_before_the_commit_lose_nothing(
    rounds: Rounds, postgres: PostgresServer, mode: str
) -> None:
    """Every session is terminated when all rows are in but not committed: the run connects again and loads once."""
    pipeline = Pipeline("postgres", mode)
    with rounds.world(pipeline) as world:
        process = rounds.nursery.start(world.job(fault="load.before_commit:1:stop"))
        wait_until_stopped(process.pid)
        assert postgres.terminate_sessions((world.pg_url or "").rsplit("/", 1)[1]) > 0
        process.kill(signal.SIGCONT)
        outcome = process.wait()
        assert outcome.status == "succeeded", outcome.error
        assert faults_in(pipeline, world.folder, world.pg_url) == []


def test_a_source_that_is_cut_is_read_again(
    rounds: Rounds, postgres: PostgresServer, proxy: Proxy, pg_url: str, tmp_path: Path
) -> None:
    """A connection lost while a table is read costs no row and repeats none."""
    with psycopg.connect(pg_url) as connection:
        connection.execute(
            "CREATE TABLE src AS SELECT i AS id, repeat('x', 50) AS note FROM generate_series(1, 40000) i"
        )
    url = postgres.url(pg_url.rsplit("/", 1)[1], port=proxy.port)
    (tmp_path / "agent_etl.toml").write_text(f'[connections]\ncrm = "{url}"\n')
    plan = {
        "name": "copy",
        "extracts": [{"name": "src", "source": "crm", "dataset": "src"}],
        "loads": [{"name": "load_src", "from": "src", "target": "warehouse", "table": "src", "mode": "replace"}],
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    proxy.fault = fault = Fault("cut", direction="down", after=1_000_000)
    outcome = rounds.nursery.finish(Job(str(tmp_path), "plan.yaml", "job"))
    assert fault.happened.is_set()
    assert outcome.status == "succeeded", outcome.error
    expected = ["id", "note"], [(i, "x" * 50) for i in range(1, 40001)]
    assert mismatch(expected, rows_of("src", tmp_path, tmp_path / "home", None)) is None
