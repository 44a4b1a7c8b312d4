"""kill -9 while rows are set aside, and while they are replayed: nothing is lost, nothing is there twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from harness.kill import Job, Nursery, resume_until_done
from harness.poison import KINDS, Poison

from agent_etl.engine.faults import POINTS

pytestmark = [pytest.mark.kill, pytest.mark.postgres]

LOADING = sorted(name for name in POINTS if name.startswith("load."))
_REPLAY = (
    "from agent_etl.graphs.quarantine import replay_letters; from agent_etl import Plan; from pathlib import Path; "
    "replay_letters({place!r}, plan=Plan.parse(Path('fixed.yaml').read_text()), home='home')"
)


def replay(poison: Poison, folder: Path, fault: str = "") -> int:
    """Replay through the fixed plan in a process of its own; its exit code."""
    environment = {**os.environ, **({"AGENT_ETL_FAULT": f"{fault}:1:kill"} if fault else {})}
    code = _REPLAY.format(place=poison.named)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.returncode


KILLED = [point for point in LOADING if point != "load.mirrored"]
# A file publishes its letters by a rename of their own; the databases take turns.
PLAYED = [(point, kind) for i, point in enumerate(KILLED) for kind in ("parquet", KINDS[i % 3])]


@pytest.mark.parametrize(("point", "kind"), PLAYED)
def test_a_killed_load_sets_its_rows_aside_once(
    nursery: Nursery, tmp_path: Path, pg_url: str, kind: str, point: str
) -> None:
    """Killed at any point of the load and resumed, target and dead letters are those of one clean run."""
    poison = Poison(kind, 0.05, rows=200)
    poison.lay(tmp_path, pg_url)
    job = Job(str(tmp_path), "plan.yaml", "job")
    killed = nursery.finish(Job(job.folder, job.plan, job.run_id, fault=f"{point}:1:kill"))
    assert killed.signal == signal.SIGKILL
    rows, letters = poison.found(tmp_path, pg_url)
    assert not letters or len(rows) == poison.good()
    outcome = resume_until_done(nursery, job)
    assert outcome.status == "succeeded", outcome.error
    rows, letters = poison.found(tmp_path, pg_url)
    assert (len(rows), len(letters)) == (poison.good(), len(poison.bad()))
    assert len({(letter["step"], letter["number"]) for letter in letters}) == len(letters)


@pytest.mark.parametrize("point", LOADING)
def test_a_killed_replay_loads_its_rows_once(nursery: Nursery, tmp_path: Path, pg_url: str, point: str) -> None:
    """Killed at any point of its loads and done again, a replay has loaded each row once and closed its letter."""
    # The kinds take turns over the points.
    poison = Poison(KINDS[LOADING.index(point) % len(KINDS)], 0.05, rows=200)
    poison.lay(tmp_path, pg_url)
    assert nursery.finish(Job(str(tmp_path), "plan.yaml", "job")).status == "succeeded"
    assert replay(poison, tmp_path, point) == -signal.SIGKILL
    assert replay(poison, tmp_path) == 0
    rows, letters = poison.found(tmp_path, pg_url)
    assert Counter(letter["state"] for letter in letters) == {"open": 4, "replayed": 6}
    assert len(rows) == len({row[1] for row in rows}) == poison.good() + 6
