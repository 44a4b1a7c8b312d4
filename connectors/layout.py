"""Which columns a load's table has: the data's, without those that only steer the load, with those of a history."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent_etl.connectors.fit import Slot, fitting, misfit
from agent_etl.connectors.names import folded
from agent_etl.connectors.pour import Pour, matched, named
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import TargetError, TargetSchemaMismatch
from agent_etl.engine.history import SINCE, UNTIL, is_flag, is_time
from agent_etl.engine.ports import LoadOrder, Marker
from agent_etl.engine.schema import Column

__all__ = ["FLAG", "clock", "columns", "dated", "flagged", "placed", "spare", "timed", "validity"]

FLAG = "_etl_delete"
"""The staged column that is 1 where a row deletes what has its key."""

_ZONED = "TIMESTAMP WITH TIME ZONE"


def columns(order: LoadOrder) -> tuple[Column, ...]:
    """The columns that a new table of the load gets.

    The flag of `delete_by` and the time of `effective` are not among them; a history has its validity at the end.
    """
    if order.mode != "scd2":
        return _values(order, ())
    kind = _ZONED if order.effective is not None and _effective(order).type == _ZONED else "TIMESTAMP"
    return (*_values(order, ()), Column(SINCE, kind), Column(UNTIL, kind))


def placed(order: LoadOrder, slots: Sequence[Slot], *, folds: bool) -> Pour:
    """Where each column goes that comes from the data as it is; a flag only into a table that has such a column.

    Raises: TargetSchemaMismatch; TargetError when the data has a history's own columns.
    """
    if order.mode == "scd2":
        slots = [slot for slot in slots if slot not in validity(order, slots)]
    return matched(replace(order, columns=_values(order, slots)), slots, folds=folds)


def timed(order: LoadOrder, newest: Marker | None) -> LoadOrder:
    """The order with its time: the one that it has, else now; after the newest load's, whatever the clock says."""
    at = order.at or datetime.now(UTC)
    if newest is not None:
        at = max(at, datetime.fromisoformat(newest.loaded_at) + timedelta(microseconds=1))
    return replace(order, at=at)


def spare(order: LoadOrder, pour: Pour, slots: Sequence[Slot]) -> list[str]:
    """Names of the table's columns that neither the data nor the load fills."""
    own = {slot.name for slot in validity(order, slots)} if order.mode == "scd2" else set()
    return [name for name in pour.spare(slots) if name not in own]


def validity(order: LoadOrder, slots: Sequence[Slot]) -> tuple[Slot, Slot]:
    """The columns from when and until when a version is valid. Raises: TargetSchemaMismatch."""
    since, until = named(slots, SINCE, folds=True), named(slots, UNTIL, folds=True)
    if since is None or until is None or since.type != until.type or not is_time(since.type):
        found = {slot.name: slot.native or slot.type for slot in (since, until) if slot is not None}
        raise TargetSchemaMismatch(
            "The target keeps no history: its validity columns are missing or are no times of one type",
            target=order.table,
            missing=[name for name, slot in ((SINCE, since), (UNTIL, until)) if slot is None],
            differing=found,
            hint=f"load into a new table, or add {SINCE} and {UNTIL} to this one and fill {SINCE}",
        )
    return since, until


def flagged(order: LoadOrder, pour: Pour, native: Callable[[Column], Slot]) -> Pour:
    """The pour with the order's flag as 0 or 1 under FLAG; no value means no. Raises: TargetError for other types."""
    flag = _one(order, order.delete_by or "")
    if not is_flag(flag.type):
        raise TargetError(
            "The column that flags rows to delete is neither a BOOLEAN nor 0 and 1",
            column=flag.name,
            data=flag.type,
            hint=f"compute it in the plan: CAST({flag.name} AS BOOLEAN)",
        )
    slot = native(Column(FLAG, "INTEGER"))
    x, stop = f"CAST({quote(flag.name)} AS INTEGER)", misfit(len(pour.items))
    choice = f"CASE WHEN {x} = 1 THEN 1 WHEN {x} IS NULL OR {x} = 0 THEN 0 ELSE {stop} END"
    return Pour((*pour.items, (flag, slot, f"CAST({choice} AS {slot.type})")))


def dated(order: LoadOrder, pour: Pour, since: Slot) -> Pour:
    """The pour with each row's time of change, the load's own without `effective`, as the target keeps it in `since`.

    Raises: TargetSchemaMismatch when such times have no place there.
    """
    if order.effective is None:
        return Pour((*pour.items, *clock(order, since).items))
    column = _effective(order)
    position = len(pour.items)
    expression = fitting(column.name, column.type, since.type, position) if is_time(column.type) else None
    if expression is None:
        raise _unfitting(order, column, since)
    return Pour((*pour.items, (column, since, expression)))


def clock(order: LoadOrder, since: Slot) -> Pour:
    """The load's own time, in UTC, as `since` keeps it. Raises: TargetSchemaMismatch for a coarser type."""
    if since.type not in ("TIMESTAMP", _ZONED):
        raise _unfitting(order, Column(SINCE, "TIMESTAMP"), since)
    now = (order.at or datetime.now(UTC)).astimezone(UTC)
    zone = "+00" if since.type == _ZONED else ""
    text = f"{now:%Y-%m-%d %H:%M:%S.%f}{zone}"
    return Pour(((Column(SINCE, since.type), since, f"CAST({literal(text)} AS {since.type})"),))


def _values(order: LoadOrder, slots: Sequence[Slot]) -> tuple[Column, ...]:
    """The data's columns without the time of change, and without the flag where no slot has its name."""
    steering = {folded(order.effective)} if order.effective else set()
    if order.delete_by and named(slots, order.delete_by, folds=True) is None:
        steering.add(folded(order.delete_by))
    found = tuple(column for column in order.columns if folded(column.name) not in steering)
    own = [column.name for column in found if folded(column.name) in (SINCE, UNTIL)] if order.mode == "scd2" else []
    if own:
        raise TargetError(
            "The data has a column of a name that the history needs itself",
            columns=own,
            hint=f"rename it in the plan, or name it as the load's effective when it is the {SINCE}",
        )
    return found


def _effective(order: LoadOrder) -> Column:
    return _one(order, order.effective or "")


def _one(order: LoadOrder, name: str) -> Column:
    for column in order.columns:
        if folded(column.name) == folded(name):
            return column
    valid = [column.name for column in order.columns]
    raise TargetError("The data has no such column", column=name, table=order.table, valid=valid)


def _unfitting(order: LoadOrder, column: Column, since: Slot) -> TargetSchemaMismatch:
    return TargetSchemaMismatch(
        "The times of change do not fit into the target's validity columns",
        target=order.table,
        missing=[],
        differing={column.name: f"data {column.type}, target {since.native or since.type}"},
        hint="cast them in the plan to the target's type, or load into a new table",
    )
