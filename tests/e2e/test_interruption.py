"""Runs that are killed, ended or interrupted, and go on; what they keep in their checkpoints."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from agent_etl import Plan, get_run, resume_pipeline, run_pipeline
from agent_etl.engine.errors import Corrupt, UsageError
from agent_etl.engine.observe.events import Event
from agent_etl.engine.plan import Extract, Load, Transform
from agent_etl.graphs.state import GRAPH_VERSION

PLAN = """
name: totals
extracts: [{name: sales, source: here, dataset: sales.csv}]
transforms: [{name: totals, sql: "SELECT region, sum(amount) AS total FROM sales GROUP BY region"}]
loads: [{name: load, from: totals, target: warehouse, table: totals, mode: append}]
"""


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text("id,region,amount\n1,north,10\n2,south,20\n3,north,30\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


@contextmanager
def started(fault: str, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A run of the plan under the id `r`, in a process of its own, that meets a fault; it is gone after the block."""
    command = [sys.executable, "-m", "agent_etl", "run", "plan.yaml", "--run-id", "r", "--json", *options]
    environment = {**os.environ, "AGENT_ETL_FAULT": fault}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def totals(home: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("SELECT region, CAST(total AS INT) FROM totals ORDER BY 1").fetchall()


@pytest.mark.kill
@pytest.mark.parametrize("fault", ["task.recorded:2:kill", "load.before_commit:1:kill", "load.after_commit:1:kill"])
def test_a_killed_run_goes_on(folder: Path, home: Path, fault: str) -> None:
    """After kill -9 the run is interrupted; resumed, nothing is loaded twice and sealed work is not done again."""
    with started(fault) as process:
        assert process.wait(60) == -signal.SIGKILL
    assert get_run("r").status == "interrupted"
    run = resume_pipeline("r")
    assert run.status == "succeeded", run.report()
    assert totals(home) == [("north", 40), ("south", 20)]
    again = [event.step for event in run.events() if event.kind == "task_started"]
    assert again.count("sales") == 1


@pytest.mark.kill
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_ended_run_goes_on(folder: Path, home: Path, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM in the middle of a load roll it back; the run is interrupted and can be resumed."""
    with started("load.before_commit:1:sleep") as process:
        deadline = time.monotonic() + 40
        while "load" not in _begun() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)
        assert get_run("r").status == "running"
        process.send_signal(number)
        assert process.wait(30) == code
    assert get_run("r").status == "interrupted"
    assert resume_pipeline("r").status == "succeeded"
    assert totals(home) == [("north", 40), ("south", 20)]


@pytest.mark.kill
@pytest.mark.parametrize("names", [("a",), ("a", "b")], ids=["alone", "side by side"])
def test_long_queries_are_ended(home: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    """Ctrl-C ends queries that run for minutes, one alone or in parallel; the process does not wait for them."""
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE o AS SELECT range AS id FROM range(200000)")
    steps = (Transform(name=n, sql=f"SELECT max(sqrt(x.id * y.id)) AS {n} FROM o x CROSS JOIN o y") for n in names)
    loads = (Load(name=f"load_{n}", from_=n, target="warehouse", table=n) for n in names)
    extract = Extract(name="o", source="shop.duckdb", dataset="o")
    plan = Plan(name="long", extracts=(extract,), transforms=tuple(steps), loads=tuple(loads))
    (tmp_path / "plan.yaml").write_text(plan.to_yaml())
    with started("", "--approve", "auto") as process:
        deadline = time.monotonic() + 40
        while not set(names) <= _begun() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)  # well into the query
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert get_run("r").status == "interrupted"


def _begun() -> set[str]:
    try:
        return {event.step for event in get_run("r").events() if event.kind == "task_started"}
    except UsageError:
        return set()


def _union(steps: list[Transform]) -> str:
    return " UNION ALL ".join(f"SELECT id FROM {step.name}" for step in steps)


def test_a_large_plan_keeps_a_small_state(home: Path, tmp_path: Path) -> None:
    """A plan of 3,000 steps leaves checkpoints under 16 KB each, and goes on from where it was interrupted."""
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE o AS SELECT 1 AS id")
    leaves = [Transform(name=f"{'long_' * 10}{n}", sql=f"SELECT id + {n} AS id FROM o") for n in range(2_950)]
    groups = [leaves[first : first + 59] for first in range(0, len(leaves), 59)]
    unions = [Transform(name=f"union_{n}", sql=_union(group)) for n, group in enumerate(groups)]
    steps = (*leaves, *unions, Transform(name="all_of_them", sql=_union(unions)))
    plan = Plan(
        name="large",
        extracts=(Extract(name="o", source="shop.duckdb", dataset="o"),),
        transforms=steps,
        loads=(Load(name="load", from_="all_of_them", target="warehouse", table="t"),),
    )
    done: list[str] = []

    def listen(event: Event) -> None:
        done.extend([event.step] if event.kind == "task_done" else [])
        if len(done) > 80:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(plan, run_id="large-" + "x" * 50, on_event=listen, approve="auto")
    assert get_run("large-" + "x" * 50).status == "interrupted"
    with closing(sqlite3.connect(home / "checkpoints.db")) as connection:
        (largest,) = connection.execute("SELECT max(length(checkpoint) + length(metadata)) FROM checkpoints").fetchone()
        (written,) = connection.execute("SELECT max(length(value)) FROM writes").fetchone()
    assert largest < 16_384
    assert written < 16_384
    with pytest.raises(KeyboardInterrupt):
        done.clear()
        resume_pipeline("large-" + "x" * 50, on_event=listen)
    assert "o" not in done


def test_another_version_is_not_continued(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was paused by another version of the pipeline says so instead of skipping steps."""
    run = run_pipeline(Plan.parse(PLAN), approve="ask")
    monkeypatch.setattr("agent_etl.graphs.driver.GRAPH_VERSION", GRAPH_VERSION + 1)
    with pytest.raises(UsageError, match="another version"):
        resume_pipeline(run.run_id, decision="approve")
    monkeypatch.undo()
    assert get_run(run.run_id, home=home).status == "waiting"


def test_a_plan_that_was_changed_after_its_approval_does_not_run(folder: Path, home: Path) -> None:
    """A stored plan that is not what its hash says is reported as tampering, and the target is not touched."""
    run = run_pipeline(Plan.parse(PLAN), approve="ask")
    with closing(sqlite3.connect(home / "state.db")) as connection, connection:
        (text,) = connection.execute("SELECT text FROM etl_documents WHERE kind = 'plan'").fetchone()
        changed = json.loads(text)
        changed["loads"][0]["table"] = "other"
        connection.execute("UPDATE etl_documents SET text = ? WHERE kind = 'plan'", (json.dumps(changed),))
    with pytest.raises(Corrupt):
        resume_pipeline(run.run_id, decision="approve")
    assert not (home / "warehouse.duckdb").exists()


def test_a_tampered_checkpoint_builds_no_object(folder: Path, home: Path) -> None:
    """A checkpoint that names a class to be built gives back plain data and runs nothing."""
    import ormsgpack

    from agent_etl.graphs.checkpoints import checkpoints

    with checkpoints(home) as saver:
        hostile = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(("subprocess", "getoutput", "touch hacked"))))
        saver.serde.loads_typed(("msgpack", hostile))
    assert not Path("hacked").exists()
