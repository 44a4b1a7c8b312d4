"""Outcomes: what an executor says that a task did, of the package it made or the load it did."""

from dataclasses import asdict
from typing import Any

from agent_etl.engine.loading import Errand
from agent_etl.engine.manifest import Manifest
from agent_etl.engine.ports import LoadResult
from agent_etl.engine.tasks import TaskResult

__all__ = ["loaded", "made"]

_REASONS = 20


def made(name: str, kind: str, manifest: Manifest, *, reused: bool = False) -> TaskResult:
    """The result of an extract or a transform whose rows are in that package."""
    return TaskResult(
        name,
        kind,
        manifest.fingerprint,
        rows_in=manifest.rows_in,
        rows_out=manifest.rows,
        filtered=manifest.filtered,
        quarantined=manifest.quarantined,
        reused=reused,
        detail={"bytes": sum(part.bytes for part in manifest.parts), **_reasons(manifest)},
    )


def _reasons(manifest: Manifest) -> dict[str, Any]:
    """Why rows of a package were set aside, for its task's detail."""
    return {"reasons": [asdict(reason) for reason in manifest.reasons[:_REASONS]]} if manifest.reasons else {}


def loaded(errand: Errand, result: LoadResult, given: int, *, fused: bool = False) -> TaskResult:
    """The result of a load that was given so many rows; those that were there already count as filtered."""
    step = errand.step
    detail: dict[str, Any] = {
        "target": step.target,
        "table": step.table,
        "mode": step.mode,
        "epoch": result.marker.epoch,
    }
    if result.already:
        detail["already"] = True
    else:
        detail |= {"inserted": result.inserted, "updated": result.updated, "deleted": result.deleted}
    if result.quarantined:
        detail["quarantined"] = result.quarantined
    if fused:
        detail["fused"] = True
    if result.unchanged:
        detail["unchanged"] = True
    if result.repeated:
        detail["repeated"] = result.repeated
    if result.notes:
        detail["notes"] = list(result.notes)
    return TaskResult(
        step.name,
        "load",
        errand.load_id,
        given,
        result.rows - result.repeated,
        filtered=result.repeated,
        reused=result.already,
        detail=detail,
    )
