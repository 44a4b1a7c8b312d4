"""Columns that might be a join key by their values alone: options of a question, never a decision."""

from agent_etl.agents.rules.expressions import kind_of
from agent_etl.engine.ports import Prober
from agent_etl.engine.schema import Column, Table

__all__ = ["possible_keys"]

_MOST = 4
_PROBES = 24


def possible_keys(prober: Prober, left: Table, right: Table) -> list[tuple[tuple[str, str], ...]]:
    """Pairs of columns of which one side is unique and half of the other side's rows find a partner; at most four."""
    found: list[tuple[tuple[str, str], ...]] = []
    probes = 0
    for one in left.columns:
        for other in right.columns:
            if not _alike(one, other) or probes >= _PROBES or len(found) >= _MOST:
                continue
            probes += 1
            overlap = prober.overlap(left, [one.name], right, [other.name])
            unique_right = overlap.left_rows > 2 * overlap.left_unmatched and prober.keys(right, (other.name,)).unique
            unique_left = overlap.right_rows > 2 * overlap.right_unmatched and prober.keys(left, (one.name,)).unique
            if unique_right or unique_left:
                found.append(((one.name, other.name),))
    return found


def _alike(one: Column, other: Column) -> bool:
    return kind_of(one.type) == kind_of(other.type) and kind_of(one.type) in ("text", "integer")
