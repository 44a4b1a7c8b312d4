"""One writer: a pipeline runs once at a time, a dead holder is replaced at once, what always crashes is given up."""

import signal
import socket
from pathlib import Path

import pytest
from harness.kill import Job, resume_until_done
from harness.moments import wait_until_stopped
from harness.oracle import faults_in
from harness.pipelines import KINDS, Pipeline
from harness.rounds import Rounds
from harness.targets import rows_of

from agent_etl import get_run, resume_pipeline
from agent_etl.engine.errors import DeadRun

pytestmark = [pytest.mark.kill, pytest.mark.postgres]


def test_the_same_pipeline_is_refused_while_it_runs(rounds: Rounds) -> None:
    """A second run of the same plan hears which run holds it, in which process on which host, and how to look at it."""
    pipeline = Pipeline("sqlite", "append")
    with rounds.world(pipeline) as world:
        first = rounds.nursery.start(world.job(fault="load.begin:1:stop"))
        wait_until_stopped(first.pid)
        try:
            second = rounds.nursery.finish(world.job("second"))
        finally:
            first.kill(signal.SIGCONT)
        assert second.error.startswith("Busy: The same pipeline runs already"), second
        for said in ("run='job'", f"holder='{first.pid}'", f"host='{socket.gethostname()}'", "agent-etl show job"):
            assert said in second.error
        assert first.wait().status == "succeeded"
        assert faults_in(pipeline, world.folder, world.pg_url) == []


def test_a_killed_holder_is_replaced_at_once(rounds: Rounds) -> None:
    """kill -9 frees the pipeline: the next run of it works without waiting for anything to expire."""
    pipeline = Pipeline("sqlite", "replace")
    with rounds.world(pipeline) as world:
        assert rounds.nursery.finish(world.job(fault="load.before_commit:1:kill")).signal == signal.SIGKILL
        assert rounds.nursery.finish(world.job("second")).status == "succeeded"
        assert faults_in(pipeline, world.folder, world.pg_url) == []


@pytest.mark.parametrize("kind", KINDS)
def test_two_pipelines_into_one_table_do_not_mix(rounds: Rounds, kind: str) -> None:
    """Two runs that append to one table at the same moment leave the rows of both, or one says that it is busy."""
    pipeline = Pipeline(kind, "append")
    with rounds.world(pipeline) as world:
        (world.folder / "before.csv").touch()
        jobs = [world.job("one"), Job(str(world.folder), "before.yaml", "two")]
        processes = [rounds.nursery.start(job) for job in jobs]
        outcomes = [process.wait() for process in processes]
        for job, outcome in zip(jobs, outcomes, strict=True):
            assert outcome.status == "succeeded" or "usy" in outcome.error or "holds" in outcome.error, outcome
            if outcome.status != "succeeded":
                assert resume_until_done(rounds.nursery, job).status == "succeeded"
        found = rows_of(pipeline.target, world.folder, world.folder / "home", world.pg_url)[1]
        assert len(found) == 2 * pipeline.old_rows + pipeline.new_rows


def test_a_run_starts_no_process_that_could_outlive_it(rounds: Rounds) -> None:
    """In the middle of a load the run has no child process: who kills it leaves no orphan that writes on."""
    with rounds.world(Pipeline("duckdb", "append")) as world:
        process = rounds.nursery.start(world.job(fault="load.before_commit:1:stop"))
        wait_until_stopped(process.pid)
        tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
        assert len(tasks) > 1
        assert [path.read_text() for path in (task / "children" for task in tasks) if path.exists()] == [""] * len(
            tasks
        )
        process.kill()
        process.wait()


def test_a_run_that_always_crashes_is_given_up(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """After five recoveries that crashed it is dead, and says so; with force it is tried once more and ends well."""
    pipeline = Pipeline("sqlite", "append")
    with rounds.world(pipeline) as world:
        crash = "load.before_commit:1:kill"
        assert rounds.nursery.finish(world.job(fault=crash)).signal == signal.SIGKILL
        for _ in range(5):
            assert rounds.nursery.finish(world.job(resume=True, fault=crash)).signal == signal.SIGKILL
        refused = rounds.nursery.finish(world.job(resume=True))
        assert refused.error.startswith("DeadRun"), refused
        assert "--force" in refused.error
        home = world.folder / "home"
        monkeypatch.chdir(world.folder)
        assert get_run("job", home=home).status == "dead"
        with pytest.raises(DeadRun):
            resume_pipeline("job", home=home)
        assert resume_pipeline("job", home=home, force=True).status == "succeeded"
        assert faults_in(pipeline, world.folder, world.pg_url) == []


def test_a_run_that_lost_its_load_is_loaded_again(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has ended is begun again by force, and loads from its package what its target has lost."""
    pipeline = Pipeline("sqlite", "append")
    with rounds.world(pipeline) as world:
        backup = (world.folder / "wh.sqlite").read_bytes()
        assert rounds.nursery.finish(world.job()).status == "succeeded"
        (world.folder / "wh.sqlite").write_bytes(backup)
        (world.folder / "before.csv").touch()
        refused = rounds.nursery.finish(Job(str(world.folder), "before.yaml", "other"))
        assert "The target has lost what was loaded into it" in refused.error
        assert "agent-etl resume job --force" in refused.error
        monkeypatch.chdir(world.folder)
        again = resume_pipeline("job", home=world.folder / "home", force=True)
        assert again.status == "succeeded", again.report()
        assert faults_in(pipeline, world.folder, world.pg_url) == []
        assert resume_until_done(rounds.nursery, Job(str(world.folder), "before.yaml", "other")).status == "succeeded"
