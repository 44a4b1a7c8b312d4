"""kill -9 at every point of incremental loads and between the chunks of a backfill: resumed, nothing lost or twice."""

import csv
from pathlib import Path

import pytest
from harness.kill import Job, Nursery, resume_until_done
from harness.targets import rows_of

pytestmark = [pytest.mark.kill, pytest.mark.postgres]

PLAN = """
name: orders
extracts: [{{name: read, source: here, dataset: orders.csv, incremental: {{{spec}}}}}]
loads: [{{name: load, from: read, target: wh, table: {table}, mode: {mode}}}]
"""
TARGETS = {"duckdb": "wh.duckdb:orders_out", "postgres": "pg:orders_out", "parquet": "out/orders_out.parquet"}
POINTS = ["stage.sealed", "load.begin", "load.staged", "load.before_commit", "load.after_commit", "load.mirrored"]
APPEND, MERGE = "append", "merge, key: [id]"


def _lay(folder: Path, kind: str, pg_url: str, spec: str, mode: str) -> None:
    urls = {"duckdb": "duckdb:///wh.duckdb", "postgres": pg_url, "parquet": f"file://{folder}/out/"}
    (folder / "out").mkdir()
    (folder / "agent_etl.toml").write_text(f'[connections]\nwh = "{urls[kind]}"\n')
    table = "orders_out.parquet" if kind == "parquet" else "orders_out"
    (folder / "plan.yaml").write_text(PLAN.format(spec=spec, mode=mode, table=table))


def _source(folder: Path, rows: list[tuple[int, int]]) -> None:
    with (folder / "orders.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "changed"), *rows])


def _held(folder: Path, kind: str, pg_url: str) -> list[tuple[int, int]]:
    return sorted(rows_of(TARGETS[kind], folder, folder / "home", pg_url)[1])


@pytest.mark.parametrize(("kind", "mode"), [("duckdb", MERGE), ("postgres", APPEND), ("parquet", APPEND)])
def test_a_killed_increment_is_resumed_over_the_same_range(
    nursery: Nursery, tmp_path: Path, pg_url: str, kind: str, mode: str
) -> None:
    """At each point one more run is killed and resumed; the target always holds each row of the source once."""
    _lay(tmp_path, kind, pg_url, "cursor: changed, lag: 2", mode)
    rows = [(n, n // 2) for n in range(10)]
    _source(tmp_path, rows)
    assert nursery.finish(Job(str(tmp_path), "plan.yaml", "first")).status == "succeeded"
    for number, point in enumerate(POINTS):
        rows += [(len(rows) + i, rows[-1][1] + i - 1) for i in range(4)]  # late, at the boundary, new
        _source(tmp_path, rows)
        killed = nursery.finish(Job(str(tmp_path), "plan.yaml", f"run{number}", fault=f"{point}:1:kill"))
        assert killed.signal == 9, point
        outcome = resume_until_done(nursery, Job(str(tmp_path), "plan.yaml", f"run{number}"))
        assert outcome.status == "succeeded", f"{point}: {outcome.error}"
        assert _held(tmp_path, kind, pg_url) == rows, point


@pytest.mark.parametrize(
    ("kind", "mode", "fault"),
    [
        ("duckdb", APPEND, "backfill.chunk:2"),
        ("duckdb", MERGE, "stage.sealed:2"),
        ("postgres", MERGE, "load.before_commit:3"),
        ("postgres", APPEND, "load.after_commit:3"),
        ("parquet", APPEND, "load.before_commit:2"),
    ],
)
def test_a_killed_backfill_goes_on_with_the_next_chunk(
    nursery: Nursery, tmp_path: Path, pg_url: str, kind: str, mode: str, fault: str
) -> None:
    """Killed in the midst of its chunks and resumed, a backfill is what one clean run makes; a new run adds nothing."""
    _lay(tmp_path, kind, pg_url, "cursor: changed, start: 0, end: 40, chunk: 10", mode)
    rows = [(n, n) for n in range(50)]
    _source(tmp_path, rows)
    assert nursery.finish(Job(str(tmp_path), "plan.yaml", "job", fault=f"{fault}:kill")).signal == 9
    outcome = resume_until_done(nursery, Job(str(tmp_path), "plan.yaml", "job"))
    assert outcome.status == "succeeded", outcome.error
    assert _held(tmp_path, kind, pg_url) == rows[:40]
    assert nursery.finish(Job(str(tmp_path), "plan.yaml", "again")).status == "succeeded"
    assert _held(tmp_path, kind, pg_url) == rows[:40]
