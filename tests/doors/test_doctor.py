"""The doctor: healthy or not, told with what to do; it heals the mirror, and makes a lost store's memory anew."""

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from agent_etl import Plan, get_run, list_runs, resume_pipeline, run_pipeline
from agent_etl.cli import app
from agent_etl.commands.machine import clock, private_files, supported
from agent_etl.engine.store import RunStore

PLAN = """
name: sales
extracts: [{name: sales, source: here, dataset: sales.csv}]
loads: [{name: load, from: sales, target: warehouse, table: sales, mode: append}]
"""


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    grown(tmp_path, 1)
    return tmp_path


def grown(folder: Path, count: int) -> None:
    (folder / "sales.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(count)))


def load(run_id: str) -> None:
    assert run_pipeline(Plan.parse(PLAN), run_id=run_id, approve="auto").status == "succeeded"


def doctor(*options: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """The doctor's findings by what they are about."""
    done = CliRunner().invoke(app, ["doctor", "--json", *options])
    assert done.exit_code == code, done.output
    told = json.loads(done.stdout)
    assert told["healthy"] is (code == 0)
    return {finding["what"]: finding for finding in told["findings"]}


def counted(home: Path) -> int:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return int(connection.execute("SELECT count(*) FROM sales").fetchall()[0][0])


def test_a_loss_is_told_and_loaded_again(folder: Path, home: Path) -> None:
    """A warehouse restored from a backup lacks two loads: the doctor names their runs, and they can be done again."""
    load("one")
    shutil.copy(home / "warehouse.duckdb", folder / "backup")
    for number, run in enumerate(("two", "three"), 2):
        grown(folder, number)
        load(run)
    assert doctor()["loads into sales"]["ok"]
    shutil.copy(folder / "backup", home / "warehouse.duckdb")
    found = doctor(code=5)["loads into sales"]
    assert "2 loads of 5 rows" in found["found"]
    assert "agent-etl resume two --force; agent-etl resume three --force" in found["hint"]
    grown(folder, 2)
    assert resume_pipeline("two", force=True).status == "failed"  # its source is another one now
    assert "2 loads" in doctor(code=5)["loads into sales"]["found"]
    assert "accepted" in doctor("--accept-loss")["loads into sales"]["found"]
    load("four")
    assert counted(home) == 1 + 2
    assert doctor()["loads into sales"]["ok"]


def test_the_mirror_is_healed(folder: Path, home: Path) -> None:
    """A load whose mirror was never written is put there, and said."""
    load("one")
    grown(folder, 2)
    load("two")
    with closing(sqlite3.connect(home / "state.db")) as connection:
        connection.execute("DELETE FROM etl_loads WHERE run_id = 'two'")
        connection.commit()
    assert "1 of them were missing here" in doctor()["loads into sales"]["found"]
    with RunStore(home) as store:
        assert [record.rows for record in store.loads("two")] == [2]


@pytest.mark.parametrize("damage", ["missing", "overwritten"])
def test_a_lost_store_is_rebuilt_from_the_targets(folder: Path, home: Path, damage: str) -> None:
    """Without state.db, or with one that is no database, the loads are learnt from the markers; nothing is removed."""
    load("one")
    grown(folder, 2)
    load("two")
    for name in ("state.db-wal", "state.db-shm"):
        (home / name).unlink(missing_ok=True)
    if damage == "missing":
        (home / "state.db").unlink()
    else:
        content = (home / "state.db").read_bytes()
        (home / "state.db").write_bytes(b"x" * 200 + content[200:])
    hint = doctor(code=5)["run store"]["hint"]
    assert "doctor --rebuild" in hint
    found = doctor("--rebuild")
    assert found["rebuild from warehouse"]["found"] == "2 loads"
    assert len(list(home.glob("state.db.damaged-*"))) == (damage == "overwritten")
    assert list_runs() == []
    assert found["loads into sales"]["ok"]
    (home / "warehouse.duckdb").unlink()
    assert "2 loads" in doctor(code=5)["loads into sales"]["found"]


def test_runs_that_were_interrupted_or_given_up_are_told(folder: Path, home: Path) -> None:
    """Dead runs are unhealthy, interrupted ones are told; both with the command that goes on."""
    load("one")
    with RunStore(home) as store:
        store.set_status("one", "running")
        assert "agent-etl resume one" in doctor()["runs"]["hint"]
        store.set_status("one", "dead")
        assert doctor(code=5)["runs"]["hint"] == "agent-etl resume one --force"
    assert get_run("one").status == "dead"


def test_leftovers_of_dead_writers_are_counted(folder: Path, home: Path) -> None:
    """The stage's packages and what a killed writer left are told apart."""
    load("one")
    (home / "stage").mkdir(exist_ok=True)
    (home / "stage" / ".writing-x-1").mkdir()
    assert "1 left by dead writers" in doctor()["stage"]["found"]


def test_files_that_others_may_use_are_named(home: Path) -> None:
    """A state that others may read or change is unhealthy."""
    home.mkdir(exist_ok=True)
    (home / "state.db").touch(mode=0o600)
    assert private_files(home).ok
    (home / "state.db").chmod(0o644)
    assert "state.db" in private_files(home).found


def test_a_clock_that_went_back_is_told() -> None:
    """A clock that stands before the newest run is named; without runs it is compared with the disk's alone."""
    assert clock(()).ok
    assert clock([time.time() - 100]).ok
    assert "behind the newest run" in clock([time.time() + 86_400]).found


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        ("2.0.0", "<3,>=2", True),
        ("3.0.0", "<3,>=2", False),
        ("1.9", "<3,>=2", False),
        ("1.2.22", "<1.3,>=1.2.12", True),
        ("1.2.9", "<1.3,>=1.2.12", False),
        ("2.1.0b2", "<3,>=2", True),
        ("14", ">=14", True),
    ],
)
def test_versions_are_held_against_their_bounds(found: str, wanted: str, fits: bool) -> None:
    """A version is supported when it lies within the bounds of the package's own requirements."""
    assert supported(found, wanted) is fits
