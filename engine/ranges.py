"""Ranges: what a run reads of an incremental extract, fixed when the run first asks and the same when it is resumed.

The targets are the truth: a range begins where the rows end that they hold, less the extract's lag. The run store only
keeps what was found, so that a run that was killed reads what it would have read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from agent_etl.engine.dag import Dag
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import PlanError
from agent_etl.engine.incremental import Nulls
from agent_etl.engine.plan import Extract
from agent_etl.engine.ports import Connections
from agent_etl.engine.reckoning import before, fit, newest, oldest
from agent_etl.engine.store import RunStore
from agent_etl.engine.tasks import fingerprint
from agent_etl.engine.watermark import Watermark, Within

__all__ = ["Range", "Ranges", "condition", "identity"]

_PIN = "range"


@dataclass(frozen=True, slots=True)
class Range:
    """Rows at or above every floor and below the ceiling; `last` is the cursor that the targets held, None: none."""

    column: str
    nulls: Nulls
    last: Watermark | None = None
    floors: tuple[Watermark, ...] = ()
    ceiling: Watermark | None = None

    def within(self, type_name: str) -> Within:
        """The range as bounds of the column's type; rows without a value too, unless they are excluded.

        Raises: SchemaChanged when the column is of another kind than the cursor was.
        """
        floors = [fit(floor, type_name, column=self.column) for floor in self.floors]
        ceiling = fit(self.ceiling, type_name, column=self.column) if self.ceiling else None
        return Within(self.column, newest(floors) if floors else None, ceiling, self.nulls != "exclude")

    def told(self, type_name: str, mark: Watermark | None) -> dict[str, str]:
        """For people: the cursor's name, `from` where rows were read, and `to` where the newest of them lies."""
        low = self.within(type_name).floor
        ends = {"from": low, "to": mark}
        return {"cursor": self.column, **{name: end.text for name, end in ends.items() if end is not None}}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able fields."""
        return {
            "column": self.column,
            "nulls": self.nulls,
            "last": self.last.to_json() if self.last else None,
            "floors": [floor.to_json() for floor in self.floors],
            "ceiling": self.ceiling.to_json() if self.ceiling else None,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of to_dict."""
        return cls(
            column=values["column"],
            nulls=values["nulls"],
            last=Watermark.of(values["last"]) if values["last"] else None,
            floors=tuple(Watermark.of(pair) for pair in values["floors"]),
            ceiling=Watermark.of(values["ceiling"]) if values["ceiling"] else None,
        )


def condition(within: Within) -> str:
    """The range as a DuckDB condition over the column."""
    c = quote(within.column)
    parts = [f"{c} >= {within.floor.sql}"] if within.floor else []
    parts += [f"{c} < {within.ceiling.sql}"] if within.ceiling else []
    if within.nulls:
        return f"({' AND '.join(parts)} OR {c} IS NULL)" if parts else "true"
    return " AND ".join([*parts, f"{c} IS NOT NULL"])


def identity(plan: str, step: Extract) -> str:
    """Under which name a target keeps the extract's cursor: of this plan, this source, this column.

    A range that ends is a job of its own, with a cursor of its own.
    """
    spec = step.incremental
    if spec is None:
        raise PlanError("The extract is not incremental", step=step.name)
    parts = [step.source, step.dataset, spec.cursor, *([spec.start, spec.end] if spec.bounded else [])]
    return f"{plan}.{step.name}:{fingerprint(*parts)[:12]}"


class Ranges:
    """The ranges of one plan's incremental extracts in one run. `given` are ranges that are not to be looked up."""

    def __init__(
        self,
        plan: str,
        dag: Dag,
        run_id: str,
        connections: Connections,
        store: RunStore,
        given: Mapping[str, Range] | None = None,
    ) -> None:
        self._plan = plan
        self._dag = dag
        self._run_id = run_id
        self._connections = connections
        self._store = store
        self._given = dict(given or {})

    def of(self, step: Extract) -> Range | None:
        """What this run reads of an incremental extract; None of another one.

        Raises: what the targets raise; SchemaChanged when they hold cursors of different kinds. Side effects: the run
        store, when it is asked for the first time.
        """
        if step.incremental is None:
            return None
        if step.name not in self._given:
            text = self._store.get(self._run_id, _PIN, self._key(step))
            if text is None:
                text = json.dumps(self._found(step).to_dict())
                self._store.put(self._run_id, _PIN, self._key(step), text)
            self._given[step.name] = Range.of(json.loads(text))
        return self._given[step.name]

    def _key(self, step: Extract) -> str:
        spec = step.incremental.model_dump(mode="json") if step.incremental else {}
        return fingerprint(identity(self._plan, step), spec)

    def _found(self, step: Extract) -> Range:
        """From the oldest cursor of all targets that the extract feeds, so that each gets what it lacks."""
        spec = step.incremental
        assert spec is not None
        start = (Watermark("", str(spec.start)),) if spec.start is not None else ()
        if spec.bounded:
            return Range(spec.cursor, spec.nulls, None, start, Watermark("", str(spec.end)))
        name = identity(self._plan, step)
        loads = self._dag.loads_of(step.name)
        marks = [self._connections[load.target].target().cursors(load.table).get(name) for load in loads]
        known = [mark for mark in marks if mark is not None]
        if len(known) < len(marks) or not known:
            return Range(spec.cursor, spec.nulls, None, start)
        last = oldest(known)
        floor = before(last, spec.lag) if spec.lag is not None else last
        return Range(spec.cursor, spec.nulls, last, (floor, *start))
