"""Loading: the marker decides what was done, never a hope.

Before each attempt the target's marker is read: when it is there the load is done, whoever did it and whatever was
lost on the way. Otherwise the rows are given to the target again, from their package or, fused, from their source.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from agent_etl.engine.errors import CheckFailed
from agent_etl.engine.faults import point
from agent_etl.engine.plan import Load
from agent_etl.engine.ports import Aside, Connection, LoadOrder, LoadResult, Relation
from agent_etl.engine.reconcile import reconcile_load
from agent_etl.engine.records import LoadRecord
from agent_etl.engine.schema import Column
from agent_etl.engine.store import RunStore
from agent_etl.engine.watermark import Advance

__all__ = ["Errand", "Rows", "load", "loaded_before", "moment", "settle"]

_MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Rows:
    """What is loaded: the relation and the address of its bytes; `aside` are the dead letters that go with it.

    `advances` say how far the incremental extracts have come with these rows.
    """

    relation: Relation
    digest: str
    aside: Aside | None = None
    advances: tuple[Advance, ...] = ()


@dataclass(frozen=True, slots=True)
class Errand:
    """Which load of which run this is. `seen`: the table's newest epoch that it may build upon, None: any.

    `at` is the load's time, the same in every attempt of the run; None: the mode needs none.
    """

    step: Load
    load_id: str
    run_id: str
    plan_hash: str
    seen: int | None = None
    at: datetime | None = None


def moment(step: Load, load_id: str, run_id: str, store: RunStore) -> datetime | None:
    """The time of a load into a history: when the run first came to it. Side effects: the run store, the first time."""
    if step.mode != "scd2":
        return None
    text = store.get(run_id, _MOMENT, load_id)
    if text is None:
        text = datetime.now(UTC).isoformat(timespec="microseconds")
        store.put(run_id, _MOMENT, load_id, text)
    return datetime.fromisoformat(text)


def loaded_before(errand: Errand, connection: Connection, store: RunStore) -> LoadResult | None:
    """The load's result when its marker stands in the target, else None.

    Raises: CheckFailed when this run's reconciliation of that load has failed before.
    """
    marker = connection.target().marker(errand.step.table, errand.load_id)
    if marker is None:
        return None
    for known in store.loads(errand.run_id):
        if known.load_id == errand.load_id and known.step == errand.step.name and not known.reconciled:
            raise CheckFailed(
                "The target did not hold what was loaded",
                check="reconcile",
                step=errand.step.name,
                target=errand.step.target,
                table=errand.step.table,
                hint="compare the source with the target, then start a new run",
            )
    return LoadResult(marker, rows=marker.rows, inserted=0, already=True)


def load(errand: Errand, rows: Rows, connection: Connection) -> tuple[LoadResult, int | None, int | None]:
    """Load the rows; the result, and the target's row counts before and after.

    Raises: what Target.load raises; the source's own error when its rows stop coming. Side effects: the target.
    """
    step, target = errand.step, connection.target()
    order = LoadOrder(
        table=step.table,
        mode=step.mode,
        columns=rows.relation.columns,
        load_id=errand.load_id,
        run_id=errand.run_id,
        plan_hash=errand.plan_hash,
        digest=rows.digest,
        key=step.key,
        format=step.format,
        evolve=tuple(Column(name, kind) for name, kind in step.evolve.items()),
        seen=errand.seen,
        delete_by=step.delete_by,
        delete_missing=step.delete_missing,
        effective=step.effective,
        at=errand.at,
        aside=rows.aside,
        advances=rows.advances,
    )
    before = _count(connection, step.table)
    result = target.load(order, rows.relation)
    return result, before, _count(connection, step.table)


def settle(
    errand: Errand,
    connection: Connection,
    store: RunStore,
    given: int,
    outcome: tuple[LoadResult, int | None, int | None],
    aside: int = 0,
) -> None:
    """Reconcile a committed load and mirror it in the run store, whether its counts agree or not.

    A load that found nothing new has nothing to mirror.

    `given` rows and `aside` dead letters were handed over.

    Raises: CheckFailed. Side effects: the mirror.
    """
    result, before, after = outcome
    if result.unchanged:
        return
    failure: CheckFailed | None = None
    try:
        reconcile_load(errand.step, given, result, before, after, aside)
    except CheckFailed as error:
        failure = error
    marker = result.marker
    store.mirror_load(
        LoadRecord(
            run_id=errand.run_id,
            step=errand.step.name,
            target=connection.url,
            table=errand.step.table,
            mode=errand.step.mode,
            load_id=marker.load_id,
            rows=marker.rows,
            epoch=marker.epoch,
            at=marker.loaded_at,
            reconciled=failure is None,
        )
    )
    point("load.mirrored")
    if failure is not None:
        raise failure


def _count(connection: Connection, table: str) -> int | None:
    existing = connection.target().existing(table)
    if existing is None:
        return 0
    return None if existing.estimated else existing.rows
