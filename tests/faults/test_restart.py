"""A database server that is ended and started again in the middle of loads."""

import signal
import time
from collections.abc import Iterator

import pytest
from harness.kill import Nursery, resume_until_done
from harness.mariadb import MariadbServer
from harness.moments import wait_until_stopped
from harness.oracle import faults_in
from harness.pipelines import Pipeline
from harness.postgres import PostgresServer
from harness.rounds import Rounds

pytestmark = [pytest.mark.kill, pytest.mark.postgres]


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server of this file's own: the session's must not be ended under other tests."""
    own = PostgresServer.start()
    yield own
    own.stop()


@pytest.fixture(scope="module")
def fragile(
    server: PostgresServer, nursery: Nursery, mariadb: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> Rounds:
    """Worlds on that server."""
    return Rounds(nursery, server, mariadb, tmp_path_factory.mktemp("fragile"))


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_server_that_restarts_before_the_commit_loses_nothing(
    server: PostgresServer, fragile: Rounds, mode: str
) -> None:
    """All rows are in and not committed when the server ends at once: the run connects again and loads them once."""
    pipeline = Pipeline("postgres", mode)
    with fragile.world(pipeline) as world:
        process = fragile.nursery.start(world.job(fault="load.before_commit:1:stop"))
        wait_until_stopped(process.pid)
        server.restart()
        process.kill(signal.SIGCONT)
        outcome = process.wait()
        assert outcome.status == "succeeded", outcome.error
        assert faults_in(pipeline, world.folder, world.pg_url) == []


def test_a_server_that_restarts_again_and_again(server: PostgresServer, fragile: Rounds) -> None:
    """Five restarts at any moments of a run: it ends well or fails truthfully, and resumed its rows are there once."""
    pipeline = Pipeline("postgres", "append", rows=20_000)
    with fragile.world(pipeline) as world:
        process = fragile.nursery.start(world.job())
        for _ in range(5):
            time.sleep(0.1)
            server.restart()
        outcome = process.wait()
        if outcome.status != "succeeded":
            assert resume_until_done(fragile.nursery, world.job()).status == "succeeded"
        assert faults_in(pipeline, world.folder, world.pg_url) == []
