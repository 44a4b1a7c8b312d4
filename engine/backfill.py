"""Backfills: a range that ends is read and loaded in chunks, each a load of its own that commits its own cursor.

A chunk is done when the target holds a cursor at or beyond its beginning: it went in whole or not at all. So a backfill
that was killed goes on with the first chunk that is not there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from agent_etl.engine.dag import Dag
from agent_etl.engine.errors import PlanError, SchemaChanged
from agent_etl.engine.faults import point
from agent_etl.engine.increments import increments_of
from agent_etl.engine.interruption import check
from agent_etl.engine.plan import Check, Extract, Load, Step
from agent_etl.engine.ports import Connections
from agent_etl.engine.ranges import Range, identity
from agent_etl.engine.reckoning import cut, newest
from agent_etl.engine.tasks import TaskResult
from agent_etl.engine.watermark import Watermark

__all__ = ["awaits", "backfill", "bounded", "chunks", "remaining", "work"]


def bounded(dag: Dag, load: Load) -> Extract | None:
    """The extract with an end that a load's rows are made of, or None. Raises: PlanError for two of them."""
    found = [step for step in increments_of(dag, load) if step.incremental is not None and step.incremental.bounded]
    if len(found) > 1:
        names = [step.name for step in found]
        raise PlanError("A load can be made of one backfill only", load=load.name, steps=names, hint="load each apart")
    return found[0] if found else None


def awaits(dag: Dag, step: Step) -> bool:
    """Whether a step's work is done chunk by chunk by the loads that it serves, not for itself."""
    if isinstance(step, Load):
        return False
    origin = step.on if isinstance(step, Check) else step.name
    sources = (dag.steps[name] for name in dag.upstream(origin))
    parts = any(isinstance(one, Extract) and one.incremental and one.incremental.bounded for one in sources)
    return parts and bool(dag.loads_of(origin))


def work(dag: Dag, load: Load) -> tuple[Step, ...]:
    """What has to be done for a load, in order: the steps that its rows are made of, their checks, the load itself."""
    needed = dag.upstream(load.name)
    steps = (dag.steps[task.name] for task in dag.tasks())
    return tuple(step for step in steps if step.name in needed or (isinstance(step, Check) and step.on in needed))


def chunks(step: Extract, type_name: str) -> tuple[Range, ...]:
    """The ranges of a backfill over a column of that type. Rows without a cursor belong to the first.

    Raises: PlanError for too many chunks.
    """
    spec = step.incremental
    if spec is None or spec.end is None:
        raise PlanError("The extract has no end", step=step.name)
    if spec.start is None:
        return (Range(spec.cursor, spec.nulls, None, (), Watermark("", str(spec.end))),)
    ends = cut(type_name, spec.start, spec.end, spec.chunk)
    spans = (Range(spec.cursor, spec.nulls, None, (low,), high) for low, high in ends)
    return tuple(span if not number else replace(span, nulls="exclude") for number, span in enumerate(spans))


def remaining(plan: str, step: Extract, load: Load, connections: Connections) -> tuple[tuple[Range, ...], int]:
    """The chunks that the load's target does not hold yet, and how many it holds.

    Raises: what source and target raise; SchemaChanged when the cursor is gone. Side effects: looks at both.
    """
    assert step.incremental is not None
    table = connections[step.source].source().describe(step.dataset, step.options)
    column = table.column(step.incremental.cursor)
    if column is None:
        raise SchemaChanged("The cursor is gone from the source", step=step.name, column=step.incremental.cursor)
    every = chunks(step, column.type)
    mark = connections[load.target].target().cursors(load.table).get(identity(plan, step))
    left = tuple(span for span in every if mark is None or _lies_before(mark, span))
    return left, len(every) - len(left)


def _lies_before(mark: Watermark, span: Range) -> bool:
    """Whether a cursor lies before a chunk begins. A chunk without a beginning is the only one."""
    return bool(span.floors) and newest([mark, *span.floors]) != mark


def backfill(
    load: Load, spans: Iterable[Range], done: int, each: Callable[[Range], Sequence[TaskResult]]
) -> tuple[TaskResult, ...]:
    """Do one chunk after the other; what all of them did, step by step, the load last.

    `each` does one chunk. Raises: what it raises; what was loaded before stays. Side effects: those of `each`.
    """
    totals: dict[str, TaskResult] = {}
    count = 0
    for span in spans:
        check()
        for result in each(span):
            before = totals.get(result.step)
            totals[result.step] = result if before is None else _sum(before, result)
        count += 1
        point("backfill.chunk")
    nothing = TaskResult(load.name, "load", "", reused=True, detail={"already": True, "unchanged": True})
    result = totals.pop(load.name, nothing)
    detail = {**result.detail, "chunks": count, "chunks_before": done}
    return (*totals.values(), replace(result, detail=detail))


_SUMMED = ("inserted", "updated", "deleted", "quarantined", "repeated", "bytes", "failing")


def _sum(one: TaskResult, other: TaskResult) -> TaskResult:
    counts = {name: one.detail.get(name, 0) + other.detail.get(name, 0) for name in _SUMMED}
    detail = {**one.detail, **other.detail, **{name: count for name, count in counts.items() if count}}
    for flag in ("already", "unchanged"):
        if not (one.detail.get(flag) and other.detail.get(flag)):
            detail.pop(flag, None)
    if "from" in one.detail:
        detail["from"] = one.detail["from"]
    # A load that wrote nothing has no marker: the last one that did proves the backfill.
    proof = one.fingerprint if other.detail.get("unchanged") else other.fingerprint
    return replace(
        other,
        fingerprint=proof,
        rows_in=one.rows_in + other.rows_in,
        rows_out=one.rows_out + other.rows_out,
        filtered=one.filtered + other.filtered,
        quarantined=one.quarantined + other.quarantined,
        reused=one.reused and other.reused,
        detail=detail,
    )
