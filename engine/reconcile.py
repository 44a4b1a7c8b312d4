"""Reconciliation: rows in = rows out + filtered + quarantined, and the target grew by what was loaded."""

from agent_etl.engine.errors import CheckFailed
from agent_etl.engine.plan import Load
from agent_etl.engine.ports import LoadResult

__all__ = ["reconcile_load", "reconcile_read"]

_HINT = "compare the source with the staged rows before the next load"


def reconcile_read(step: str, *, rows_in: int, rows_out: int, filtered: int, quarantined: int) -> None:
    """See that no row of the source went missing on the way. Raises: CheckFailed."""
    if rows_in != rows_out + filtered + quarantined or min(rows_in, rows_out, filtered, quarantined) < 0:
        raise CheckFailed(
            "Rows went missing while the source was read",
            check="reconcile",
            step=step,
            expected=rows_in,
            found=rows_out + filtered + quarantined,
            hint=_HINT,
        )


def reconcile_load(
    load: Load, given: int, result: LoadResult, before: int | None, after: int | None, aside: int = 0
) -> None:
    """See that the load took every row that it was given, kept the `aside` ones, and that the target shows them.

    `before` and `after` count the target's rows around the load, None when unknown. Others may add rows to a shared
    target at the same time, so an append or merge may find more rows than its own, but never fewer.
    Raises: CheckFailed.
    """
    for what, found in (("rows taken", result.rows), ("rows in the marker", result.marker.rows)):
        _agree(load, what, given, found)
    if result.already:
        return
    _agree(load, "rows set aside", aside, result.quarantined)
    if load.mode == "merge":
        _agree(load, "rows inserted and updated", given, max(given, result.inserted + result.updated))
    elif load.mode == "scd2":
        _agree(load, "versions inserted", given, max(given, result.inserted))
    else:
        _agree(load, "rows inserted, and there already", given, result.inserted + result.repeated)
    if before is None or after is None:
        return
    if load.mode == "replace":
        _agree(load, "rows in the target", given, after)
    else:
        wanted = before + result.inserted - result.deleted
        _agree(load, "rows in the target", wanted, min(after, wanted))


def _agree(load: Load, what: str, expected: int, found: int) -> None:
    if expected != found:
        raise CheckFailed(
            "The target does not hold what was loaded",
            check="reconcile",
            step=load.name,
            target=load.target,
            table=load.table,
            counted=what,
            expected=expected,
            found=found,
            hint=_HINT,
        )
