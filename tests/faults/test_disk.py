"""Disks that are full, files that may not grow, too few open files, dead writers: named, rolled back, gone on with."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from agent_etl import Plan, resume_pipeline, run_pipeline

pytestmark = pytest.mark.kill

ROWS = 200_000
TARGETS = {"duckdb": "t.duckdb", "sqlite": "t.sqlite", "files": "file://{folder}/"}


class SmallDisk:
    """A disk of a few megabytes in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, size: str) -> None:
        """Make it larger or smaller."""
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.folder)], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0 and not os.environ.get("AGENT_ETL_REQUIRE_SERVICES"):
        pytest.skip("only root mounts a disk")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """A folder with rows to load, which need more than four megabytes wherever they go."""
    _rows(tmp_path, ROWS)
    return tmp_path


def _rows(folder: Path, count: int) -> None:
    with duckdb.connect() as connection:
        select = f"SELECT range AS id, md5(CAST(range AS VARCHAR)) AS note FROM range({count})"
        connection.execute(f"COPY ({select}) TO '{folder}/rows.parquet'")


def _plan(target: str, *, staged: bool = False) -> Plan:
    table = "out.parquet" if target.startswith("file") else "t"
    origin = "noted" if staged else "rows"
    middle = 'transforms: [{name: noted, sql: "SELECT id, note FROM rows"}]\n' if staged else ""
    return Plan.parse(
        f"name: full\nextracts: [{{name: rows, source: here, dataset: rows.parquet}}]\n{middle}"
        f'loads: [{{name: load, from: {origin}, target: "{target}", table: {table}, mode: append}}]'
    )


def _counted(kind: str, folder: Path) -> tuple[int, int]:
    sql = "SELECT count(*), count(DISTINCT id) FROM "
    if kind == "sqlite":
        with closing(sqlite3.connect(folder / "t.sqlite")) as connection:
            found = connection.execute(f"{sql} t").fetchone()
    else:
        path = str(folder / "t.duckdb") if kind == "duckdb" else ":memory:"
        with duckdb.connect(path) as connection:
            found = connection.execute(sql + ("t" if kind == "duckdb" else f"'{folder}/out.parquet'")).fetchall()[0]
    return int(found[0]), int(found[1])


@pytest.mark.parametrize("kind", TARGETS)
def test_a_disk_that_is_full_while_loading(folder: Path, small: SmallDisk, kind: str) -> None:
    """The failure names the path, what was committed before is there still, and with space the run goes on."""
    target = f"file://{small.folder}/" if kind == "files" else str(small.folder / f"t.{kind}")
    _rows(folder, 100)
    assert run_pipeline(_plan(target), run_id="before", approve="auto").status == "succeeded"
    _rows(folder, ROWS)
    run = run_pipeline(_plan(target), run_id="full", approve="auto")
    assert run.status == "failed"
    assert run.failure is not None
    assert (run.failure.code, str(small.folder) in run.failure.fields["path"]) == ("disk_full", True)
    assert _counted(kind, small.folder) == (100, 100)
    small.resize("200m")
    assert resume_pipeline("full").status == "succeeded"
    assert _counted(kind, small.folder) == (ROWS + 100, ROWS)


def test_a_disk_that_is_full_while_reading(folder: Path, small: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that find no room in the stage fail by the name of its path; with space the run goes on."""
    home = small.folder / "home"
    monkeypatch.setenv("AGENT_ETL_HOME", str(home))
    run = run_pipeline(_plan(str(folder / "t.duckdb"), staged=True), run_id="full", approve="auto")
    assert run.failure is not None
    assert (run.failure.code, str(home / "stage") in run.failure.fields["path"]) == ("disk_full", True)
    assert not (folder / "t.duckdb").exists()
    small.resize("200m")
    assert resume_pipeline("full").status == "succeeded"
    assert _counted("duckdb", folder) == (ROWS, ROWS)


def _command(folder: Path, *arguments: str, limit: Callable[[], None] | None = None, **named: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "agent_etl", *arguments],
        cwd=folder,
        env={**os.environ, **named},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=limit,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_file_that_may_not_grow(folder: Path, kind: str) -> None:
    """A limit on the size of files (ulimit -f) is told like a full disk; without it the run goes on."""
    (folder / "plan.yaml").write_text(_plan(f"t.{kind}").to_yaml())
    most = 2 << 20
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: E731
    code, told = _command(folder, "run", "plan.yaml", "--run-id", "r", "--approve", "auto", limit=limit)
    assert (code, "disk_full" in told) == (5, True), told
    assert resume_pipeline("r").status == "succeeded"
    assert _counted(kind, folder) == (ROWS, ROWS)


def test_too_few_open_files(folder: Path) -> None:
    """With 32 open files at most a run either ends well or says what is wrong, and leaves nothing half done."""
    (folder / "plan.yaml").write_text(_plan("t.duckdb", staged=True).to_yaml())
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))  # noqa: E731
    code, told = _command(folder, "run", "plan.yaml", "--run-id", "r", "--approve", "auto", limit=limit)
    assert code in (0, 5), told
    assert "Traceback" not in told
    if code:
        assert resume_pipeline("r").status == "succeeded"
    assert _counted("duckdb", folder) == (ROWS, ROWS)


def test_a_journal_of_a_killed_writer_is_rolled_back(folder: Path) -> None:
    """A large load into SQLite that was killed leaves a hot journal: the next who looks rolls it back, and goes on."""
    (folder / "plan.yaml").write_text(_plan("t.sqlite").to_yaml())
    code, told = _command(
        folder, "run", "plan.yaml", "--run-id", "r", "--approve", "auto", AGENT_ETL_FAULT="load.before_commit:1:kill"
    )
    assert code == -signal.SIGKILL, told
    assert (folder / "t.sqlite-journal").stat().st_size > 0
    assert resume_pipeline("r").status == "succeeded"
    assert _counted("sqlite", folder) == (ROWS, ROWS)


def test_more_rows_than_memory_spill(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sort of many times the memory limit ends well by spilling, and nothing of what was spilled stays."""
    monkeypatch.setenv("AGENT_ETL_MEMORY_LIMIT", "64MB")
    monkeypatch.setenv("AGENT_ETL_THREADS", "1")
    _rows(folder, 10 * ROWS)
    plan = _plan("t.duckdb", staged=True).to_yaml()
    plan = plan.replace("SELECT id, note FROM rows", "SELECT id, note || md5(note) AS note FROM rows ORDER BY note")
    run = run_pipeline(Plan.parse(plan), run_id="r", approve="auto")
    assert run.status == "succeeded", run.report()
    assert _counted("duckdb", folder) == (10 * ROWS, 10 * ROWS)
    assert not list((home / "stage").glob(".writing-*"))
