"""The one judge of every fault test: is the target what one clean run would have made it?

I1 the target's rows, as a multiset, are the clean run's. I2 the load's marker is there exactly once, with its rows.
I5 nothing is left over: no staging table, no half-written file, no open package. I9 the same plan over unchanged files
writes nothing.
"""

from pathlib import Path

from harness.kill import Job, Nursery
from harness.pipelines import Pipeline
from harness.rows import mismatch
from harness.targets import rows_of, tables_of

__all__ = ["faults_in", "second_run_faults"]

_MARKERS = "_etl_loads"


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
    if pipeline.kind == "parquet":
        return []
    place = pipeline.target.rpartition(":")[0]
    names, rows = rows_of(f"{place}:{_MARKERS}", folder, home, pg_url)
    markers = [dict(zip(names, row, strict=True)) for row in rows]
    ids = [marker["load_id"] for marker in markers]
    epochs = sorted(marker["epoch"] for marker in markers)
    last = max(markers, key=lambda marker: marker["epoch"])
    found = []
    if len(ids) != 2 or len(set(ids)) != 2:
        found.append(f"I2 {len(ids)} markers, {len(set(ids))} distinct, expected 2")
    if len(set(epochs)) != len(epochs):
        found.append(f"I2 epochs {epochs}")
    if last["rows"] != pipeline.new_rows or last["mode"] != pipeline.mode:
        found.append(f"I2 the marker says {last['mode']} of {last['rows']} rows, expected {pipeline.new_rows}")
    return found


def _leftovers(pipeline: Pipeline, folder: Path, home: Path, pg_url: str | None) -> list[str]:
    writing = [path.name for path in (home / "stage").rglob(".writing-*")] if (home / "stage").exists() else []
    found = [f"I5 half-written packages {writing}"] if writing else []
    if pipeline.kind == "parquet":
        return found
    place = pipeline.target.rpartition(":")[0]
    extra = tables_of(place, folder, pg_url) - {"orders_out", _MARKERS}
    if extra:
        found.append(f"I5 tables {sorted(extra)} are left over")
    return found
