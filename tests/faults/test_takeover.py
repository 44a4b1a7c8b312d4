"""Two processes on one run, and Ctrl-C in the middle of a load."""

import json
import os
import signal
import subprocess
import sys

import pytest
from harness.kill import Job, resume_until_done
from harness.moments import wait_until_stopped
from harness.oracle import faults_in
from harness.pipelines import KINDS, Pipeline
from harness.rounds import Rounds, World
from harness.targets import rows_of

pytestmark = [pytest.mark.kill, pytest.mark.postgres]


@pytest.mark.parametrize("kind", KINDS)
def test_two_resumes_at_once_load_once(rounds: Rounds, kind: str) -> None:
    """One of them works; the other hears that the run is held or finds it done."""
    pipeline = Pipeline(kind, "append")
    with rounds.world(pipeline) as world:
        assert rounds.nursery.finish(world.job(fault="load.before_commit:1:kill")).signal == 9
        both = [rounds.nursery.start(world.job(resume=True)) for _ in range(2)]
        outcomes = [process.wait() for process in both]
        assert "succeeded" in {outcome.status for outcome in outcomes}
        for outcome in outcomes:
            assert outcome.status == "succeeded" or outcome.error.startswith("Busy"), outcome
        assert faults_in(pipeline, world.folder, world.pg_url) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_stands_still_is_not_taken_over(rounds: Rounds, kind: str) -> None:
    """While its process lives, resuming it elsewhere says Busy and names the process; woken up, it ends well."""
    pipeline = Pipeline(kind, "append")
    with rounds.world(pipeline) as world:
        process = rounds.nursery.start(world.job(fault="load.before_commit:1:stop"))
        wait_until_stopped(process.pid)
        try:
            other = rounds.nursery.finish(world.job(resume=True))
        finally:
            process.kill(signal.SIGCONT)
        assert other.error.startswith("Busy"), other
        assert str(process.pid) in other.error
        assert process.wait().status == "succeeded"
        assert faults_in(pipeline, world.folder, world.pg_url) == []


@pytest.mark.parametrize("mode", ["replace", "merge"])
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind != "duckdb"]
)  # a DuckDB file has one process at a time
def test_a_zombie_writes_nothing(rounds: Rounds, kind: str, mode: str) -> None:
    """A process that stood still while another run loaded the table is refused when it wakes up."""
    pipeline = Pipeline(kind, mode)
    with rounds.world(pipeline) as world:
        zombie = rounds.nursery.start(world.job(fault="load.begin:1:stop"))
        wait_until_stopped(zombie.pid)
        try:
            (world.folder / "before.csv").touch()
            other = rounds.nursery.finish(Job(str(world.folder), "before.yaml", "other"))
            assert other.status == "succeeded", other
            left = sorted(_rows(pipeline, world))
        finally:
            zombie.kill(signal.SIGCONT)
        outcome = zombie.wait()
        assert outcome.status == "failed", outcome
        assert "Another run has loaded this table since" in outcome.error
        assert sorted(_rows(pipeline, world)) == left
        assert len(left) == 2 * pipeline.old_rows


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_in_the_middle_of_a_load_leaves_a_run_to_resume(rounds: Rounds, kind: str) -> None:
    """The command ends with 130, the run's status is interrupted, and resumed it is what one clean run makes."""
    pipeline = Pipeline(kind, "append")
    with rounds.world(pipeline) as world:
        command = _start(world, "run", "plan.yaml", "--approve", "auto", "--run-id", "job", fault="load.begin:1:stop")
        wait_until_stopped(command.pid)
        command.send_signal(signal.SIGINT)
        command.send_signal(signal.SIGCONT)
        _, error = command.communicate(timeout=30)
        assert command.returncode == 130, error
        assert _status(world) == "interrupted"
        assert resume_until_done(rounds.nursery, world.job()).status == "succeeded"
        assert faults_in(pipeline, world.folder, world.pg_url) == []


def test_the_command_resumes_a_killed_run(rounds: Rounds) -> None:
    """`agent-etl resume RUN` finishes what kill -9 broke off, and ends with 0."""
    pipeline = Pipeline("sqlite", "merge")
    with rounds.world(pipeline) as world:
        command = _start(
            world, "run", "plan.yaml", "--approve", "auto", "--run-id", "job", fault="load.before_commit:1:kill"
        )
        command.communicate(timeout=60)
        assert command.returncode == -signal.SIGKILL
        again = _start(world, "resume", "job")
        _, error = again.communicate(timeout=60)
        assert again.returncode == 0, error
        assert faults_in(pipeline, world.folder, world.pg_url) == []


def _rows(pipeline: Pipeline, world: World) -> list[tuple[object, ...]]:
    return rows_of(pipeline.target, world.folder, world.folder / "home", world.pg_url)[1]


def _start(world: World, *arguments: str, fault: str = "") -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_ETL_")}
    environment["AGENT_ETL_HOME"] = str(world.folder / "home")
    if fault:
        environment["AGENT_ETL_FAULT"] = fault
    return subprocess.Popen(
        [sys.executable, "-m", "agent_etl", *arguments],
        cwd=world.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _status(world: World) -> str:
    command = _start(world, "show", "job", "--json")
    out, error = command.communicate(timeout=30)
    assert command.returncode in (0, 3, 130), error
    return str(json.loads(out)["status"])
