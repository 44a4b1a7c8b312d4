"""The one judge of every fault test: is the target what one clean run would have made it?

I1 the target's rows, as a multiset, are the clean run's. I2 the load's marker is there exactly once, with its rows.
I5 nothing is left over: no staging table, no half-written file, no open package. I9 the same plan over unchanged files
writes nothing.
"""

import json
from pathlib import Path
from typing import Any

from harness.kill import Job, Nursery
from harness.pipelines import Pipeline
from harness.rows import mismatch
from harness.targets import rows_of, tables_of

__all__ = ["faults_in", "second_run_faults", "settled_faults"]

_MARKERS = "_etl_loads"
_SCRATCH = "I5 half-written packages"
_FILE_MARKERS = "_etl_loads"


def faults_in(pipeline: Pipeline, folder: Path, pg_url: str | None) -> list[str]:
    """What is wrong with the target and its surroundings, one line each; empty when every invariant holds."""
    home = folder / "home"
    try:
        actual = rows_of(pipeline.target, folder, home, pg_url)
    except LookupError as error:
        return [f"I1 {error}"]
    found = []
    difference = mismatch(pipeline.expected(), actual)
    if difference:
        found.append(f"I1 {difference}")
    found += _markers(pipeline, folder, home, pg_url)
    found += _leftovers(pipeline, folder, home, pg_url)
    return found


def settled_faults(pipeline: Pipeline, nursery: Nursery, folder: Path, pg_url: str | None) -> list[str]:
    """The same, but a killed process may leave its scratch folder to the home's next run: then that run is made.

    A process that dies when its run is already written down as succeeded leaves nothing to resume; the next run sweeps.
    """
    found = faults_in(pipeline, folder, pg_url)
    if found and all(line.startswith(_SCRATCH) for line in found):
        return second_run_faults(pipeline, nursery, folder, pg_url) + faults_in(pipeline, folder, pg_url)
    return found


def second_run_faults(pipeline: Pipeline, nursery: Nursery, folder: Path, pg_url: str | None) -> list[str]:
    """Run the plan again under another id over the same files: it must succeed and change nothing."""
    home = folder / "home"
    before = rows_of(pipeline.target, folder, home, pg_url)
    outcome = nursery.finish(Job(str(folder), "plan.yaml", "again"))
    if outcome.status != "succeeded":
        return [f"I9 the second run ended as {outcome.status}: {outcome.error}"]
    difference = mismatch(before, rows_of(pipeline.target, folder, home, pg_url))
    return [f"I9 {difference}"] if difference else _markers(pipeline, folder, home, pg_url)


def _markers(pipeline: Pipeline, folder: Path, home: Path, pg_url: str | None) -> list[str]:
    """Two loads went in, the one before and the job: two markers, each once, epochs in order, with their rows."""
    markers = _file_markers(folder) if pipeline.kind == "parquet" else _table_markers(pipeline, folder, home, pg_url)
    ids = [marker["load_id"] for marker in markers]
    epochs = sorted(marker["epoch"] for marker in markers)
    last = max(markers, key=lambda marker: marker["epoch"])
    found = []
    if len(ids) != 2 or len(set(ids)) != 2:
        found.append(f"I2 {len(ids)} markers, {len(set(ids))} distinct, expected 2")
    if len(set(epochs)) != len(epochs):
        found.append(f"I2 epochs {epochs}")
    if last["rows"] != pipeline.new_rows or last["mode"] != pipeline.load_mode:
        found.append(f"I2 the marker says {last['mode']} of {last['rows']} rows, expected {pipeline.new_rows}")
    return found


def _table_markers(pipeline: Pipeline, folder: Path, home: Path, pg_url: str | None) -> list[dict[str, Any]]:
    names, rows = rows_of(f"{pipeline.target.rpartition(':')[0]}:{_MARKERS}", folder, home, pg_url)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _file_markers(folder: Path) -> list[dict[str, Any]]:
    content = json.loads((folder / "out" / _FILE_MARKERS / "orders_out.parquet.json").read_text())
    return [load["marker"] for load in content["loads"]]


def _leftovers(pipeline: Pipeline, folder: Path, home: Path, pg_url: str | None) -> list[str]:
    writing = [path.name for path in (home / "stage").rglob(".writing-*")] if (home / "stage").exists() else []
    found = [f"{_SCRATCH} {writing}"] if writing else []
    if pipeline.kind == "parquet":
        files = {name for name in tables_of("out", folder, None) if not name.endswith(".lock")}
        extra = files - {"orders_out.parquet", f"{_FILE_MARKERS}/orders_out.parquet.json"}
        return found + ([f"I5 files {sorted(extra)} are left over"] if extra else [])
    place = pipeline.target.rpartition(":")[0]
    extra = tables_of(place, folder, pg_url) - {"orders_out", _MARKERS}
    if extra:
        found.append(f"I5 tables {sorted(extra)} are left over")
    return found
