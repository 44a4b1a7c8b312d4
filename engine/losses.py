"""Rows that a join leaves out for want of a partner: counted in the sources, where the key's columns come from them."""

from dataclasses import dataclass

from agent_etl.engine.goal import Finding
from agent_etl.engine.lineage import Base, Origin, Shape, source_atom
from agent_etl.engine.ports import Prober

__all__ = ["Losing", "Side", "losses"]


@dataclass(frozen=True)
class Side:
    """One side of a join: its rows, the origins of its key, what a person calls it, whether a filter narrows it."""

    shape: Shape
    key: tuple[Origin, ...]
    label: str
    filtered: bool = False


@dataclass(frozen=True)
class Losing:
    """A join by equal keys. `kept`: LEFT, RIGHT or FULL, empty for an inner one.

    `exact`: a partner is every row of equal key; otherwise the join asks for more.
    """

    left: Side
    right: Side
    kept: str
    exact: bool


@dataclass(frozen=True)
class _Traced:
    """A side's key in the source: the base and its columns; the rows between there and the join."""

    base: Base
    columns: tuple[str, ...]
    filtered: bool
    combined: bool
    joined: bool


def losses(step: str, join: Losing, prober: Prober) -> tuple[Finding, ...]:
    """What becomes of rows without a partner: notes, and a risk where no row has one.

    Side effects: measures an overlap through the prober.
    """
    if join.kept == "FULL":
        return ()
    left, right = _traced(join.left), _traced(join.right)
    if left is None or right is None or left.base.table is None or right.base.table is None:
        return () if join.kept else (_unmeasured(step, join, "the join's key is not a column of one source"),)
    overlap = prober.overlap(left.base.table, left.columns, right.base.table, right.columns)
    found = []
    if join.kept != "RIGHT":
        counts = (overlap.left_unmatched, overlap.left_rows, overlap.right_rows)
        found.append(_told(step, left, right, counts, join, driving=True))
        if counts[0] == 0 and not join.kept and (right.filtered or not join.exact):
            found.append(_unmeasured(step, join, "every row has one before filters, which were not counted"))
    if join.kept != "LEFT":
        counts = (overlap.right_unmatched, overlap.right_rows, overlap.left_rows)
        found.append(_told(step, right, left, counts, join, driving=False))
    said = tuple(finding for finding in found if finding is not None)
    # What no row has is said once, of the side that drives the join.
    return tuple(finding for finding in said if finding.code == "no_partner")[:1] or said


def _told(
    step: str, ours: _Traced, theirs: _Traced, counts: tuple[int, int, int], join: Losing, *, driving: bool
) -> Finding | None:
    unmatched, rows, others = counts
    if unmatched == 0:
        return None
    fewer = ours.filtered or ours.combined
    more = theirs.filtered or not join.exact
    about = "about " if fewer and more else "up to " if fewer else "at least " if more else ""
    message = f"{about}{unmatched} of {rows} rows of {ours.base.label} have no partner in {theirs.base.label} and are "
    message += "kept" if join.kept else "left out"
    if ours.joined and not join.kept:
        message += " with all that was joined to them"
    if fewer:
        done = " and ".join(["filtered"] * ours.filtered + ["combined"] * ours.combined)
        message += f" (counted in {ours.base.label} before its rows were {done})"
    evidence = (("unmatched", str(unmatched)), ("rows", str(rows)), ("table", ours.base.label))
    if unmatched == rows and others:
        message = f"not one of {rows} rows of {ours.base.label} has a partner in {theirs.base.label}: "
        message += f"{_named(ours)} and {_named(theirs)} share no value"
        return Finding("risk", "no_partner", step, message, "join on the key that relates them", "sql", evidence)
    if join.kept:
        return Finding("note", "unmatched_rows", step, message, "", "sql", evidence)
    hint = f"use a left join to keep every row of {ours.base.label}" if driving else ""
    return Finding("note", "row_loss", step, message, hint, "sql", evidence)


def _named(side: _Traced) -> str:
    return ", ".join(f"{side.base.label}.{name}" for name in side.columns)


def _unmeasured(step: str, join: Losing, why: str) -> Finding:
    message = f"rows of {join.left.label} without a partner in {join.right.label} are left out; "
    message += f"how many was not measured: {why}"
    return Finding("note", "unmeasured_loss", step, message, "use a left join to keep every row", "sql")


def _traced(side: Side) -> _Traced | None:
    """Where the key's columns come from: one table, through projections, filters, groups and distinct rows."""
    atoms = [source_atom(origin) for origin in side.key]
    known = [atom for atom in atoms if atom is not None]
    if not known or len(known) != len(atoms) or len({base for base, _ in known}) != 1:
        return None
    base = known[0][0]
    return _Traced(
        base,
        tuple(name for _, name in known),
        filtered=side.filtered or side.shape.partial or base.partial,
        combined=any(origin.atom is not None and origin.atom[0] is not base for origin in side.key),
        joined=len(side.shape.bases) > 1,
    )
