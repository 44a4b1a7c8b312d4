"""Many runs in one process."""

import os
import threading
from pathlib import Path

from agent_etl import Plan, run_pipeline

PLAN = """
name: tiny
extracts: [{name: rows, source: here, dataset: rows.csv}]
loads: [{name: load, from: rows, target: warehouse, table: t, mode: append}]
"""


def test_a_process_that_runs_again_and_again_stays_small(home: Path, tmp_path: Path) -> None:
    """Files, threads and connections of a run are gone when it has ended."""
    counts = []
    for number in range(24):
        (tmp_path / "rows.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(number + 1)))
        assert run_pipeline(Plan.parse(PLAN), approve="auto").status == "succeeded"
        if number >= 3:
            counts.append((len(os.listdir("/proc/self/fd")), threading.active_count()))  # noqa: PTH208
    assert max(counts) == min(counts)
