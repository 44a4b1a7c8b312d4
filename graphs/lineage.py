"""What each step is made from, and each target with it."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot.errors import SqlglotError

from agent_etl.engine.bind import reads
from agent_etl.engine.plan import Plan

__all__ = ["Lineage", "edges", "lineage"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """One target: `sources` as `source.dataset`, and the `steps` between, both in the plan's order."""

    target: str
    table: str
    mode: str
    sources: tuple[str, ...]
    steps: tuple[str, ...]


def edges(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """The steps that each step reads. SQL that cannot be parsed reads nothing; preflight has said so then."""
    found: dict[str, tuple[str, ...]] = {extract.name: () for extract in plan.extracts}
    places = {name: place for place, name in enumerate(found)}
    for transform in plan.transforms:
        try:
            query = sqlglot.parse_one(transform.sql, dialect="duckdb")
        except SqlglotError:
            found[transform.name] = ()
        else:
            found[transform.name] = reads(query, places)
        places[transform.name] = len(places)
    return {
        **found,
        **{check.name: (check.on,) for check in plan.checks},
        **{load.name: (load.from_,) for load in plan.loads},
    }


def lineage(plan: Plan) -> tuple[Lineage, ...]:
    """For each load: where its rows come from and the steps that they went through."""
    parents = edges(plan)
    order = [step.name for step in plan.steps()]
    named = {extract.name: f"{extract.source}.{extract.dataset}" for extract in plan.extracts}
    result = []
    for load in plan.loads:
        above: set[str] = set()
        waiting = [load.from_]
        while waiting:
            step = waiting.pop()
            if step not in above:
                above.add(step)
                waiting += parents[step]
        sources = tuple(named[name] for name in order if name in above and name in named)
        steps = tuple(name for name in order if name in above and name not in named)
        result.append(Lineage(load.target, load.table, load.mode, sources, steps))
    return tuple(result)
