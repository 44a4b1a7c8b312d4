"""The mirror: what the run store remembers of each table's loads, held against the markers that the table shows.

A marker commits with its rows, so what the mirror knows and the target does not show was lost there: a damaged
write-ahead log, a restored backup, a removed file. The other way round the process died before it wrote the mirror.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent_etl.engine.errors import DataLoss
from agent_etl.engine.ports import Connection, Marker
from agent_etl.engine.records import LoadRecord
from agent_etl.engine.store import RunStore

__all__ = ["Difference", "compare", "guard", "heal", "lossy", "lost", "rebuild"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One table: loads of the mirror that the target has `lost`, oldest first; markers that the mirror has `missed`."""

    target: str
    table: str
    lost: tuple[LoadRecord, ...]
    missed: tuple[Marker, ...]


def lost(mirrored: Iterable[LoadRecord], markers: Sequence[Marker]) -> tuple[LoadRecord, ...]:
    """The loads that the target no longer shows, each once, oldest first.

    What a later replace has taken away, and what a file's list of markers is too short for, was not lost.
    """
    shown = {marker.load_id: marker.epoch for marker in markers}
    replaced = max((marker.epoch for marker in markers if marker.mode == "replace"), default=0)
    kept = min(shown.values(), default=1)
    found: dict[str, LoadRecord] = {}
    for load in sorted(mirrored, key=lambda load: (load.epoch, load.at)):
        if load.epoch > replaced and load.epoch >= kept and shown.get(load.load_id, 0) < load.epoch:
            found.setdefault(load.load_id, load)
    return tuple(found.values())


def compare(connection: Connection, table: str, store: RunStore) -> Difference:
    """The mirror of one table against its markers. Raises: what the target raises."""
    mirrored = store.loads_into(connection.url, table)
    markers = connection.target().markers(table)
    known = {load.load_id for load in mirrored}
    missed = tuple(marker for marker in markers if marker.load_id not in known)
    return Difference(connection.url, table, lost(mirrored, markers), missed)


def heal(found: Difference, store: RunStore, *, foreign: bool = False) -> tuple[Marker, ...]:
    """Put into the mirror what it has missed of this home's runs (`foreign`: of any), and give it.

    Side effects: the mirror.
    """
    own = tuple(marker for marker in found.missed if foreign or store.knows(marker.run_id))
    for marker in own:
        store.mirror_load(
            LoadRecord(
                run_id=marker.run_id,
                step="",
                target=found.target,
                table=found.table,
                mode=marker.mode,
                load_id=marker.load_id,
                rows=marker.rows,
                epoch=marker.epoch,
                at=marker.loaded_at,
                reconciled=True,
            )
        )
    return own


def rebuild(connection: Connection, store: RunStore) -> int:
    """Put every marker of a target into the mirror, whoever loaded it; how many were missing.

    Raises: what the target raises. Side effects: the mirror.
    """
    markers = connection.target().markers()
    tables = sorted({marker.table for marker in markers})
    return sum(len(heal(compare(connection, table, store), store, foreign=True)) for table in tables)


def guard(connection: Connection, table: str, load_id: str, mode: str, store: RunStore) -> None:
    """See that a load builds on all that was loaded before it; a replace builds on nothing.

    A load that was lost itself may be done again once all that came before it is there.
    Raises: DataLoss. Side effects: heals the mirror.
    """
    if not store.loads_into(connection.url, table):
        return
    found = compare(connection, table, store)
    heal(found, store)
    own = [load.epoch for load in found.lost if load.load_id == load_id]
    before = [load for load in found.lost if not own or load.epoch < own[0]]
    if before and mode != "replace":
        raise lossy(found, before)


def lossy(found: Difference, loads: Sequence[LoadRecord]) -> DataLoss:
    """The error that names the loads and the way out."""
    runs = list(dict.fromkeys(load.run_id for load in loads))
    return DataLoss(
        "The target has lost what was loaded into it",
        target=found.target,
        table=found.table,
        loads=[load.load_id for load in loads],
        runs=runs,
        rows=sum(load.rows for load in loads),
        hint="restore the target, or load the runs again, oldest first: "
        + "; ".join(f"agent-etl resume {run} --force" for run in runs)
        + "; or go on without them: agent-etl doctor --accept-loss",
    )
