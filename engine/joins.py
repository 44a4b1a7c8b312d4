"""One join: which side it multiplies, which rows it loses, and whether it was meant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from agent_etl.engine.frame import Frame, conjuncts, text_of
from agent_etl.engine.goal import Finding
from agent_etl.engine.lineage import Base, Cause, Origin, Shape, Uniqueness
from agent_etl.engine.ports import Prober

__all__ = ["Joiner"]

Pair = tuple[Origin, Origin]
Severity = Literal["error", "risk", "note"]


@dataclass(frozen=True)
class _Keys:
    """A join's condition: `pairs` of equal values left and right, values fixed by constants, a range over both."""

    pairs: tuple[Pair, ...]
    fixed_left: tuple[Origin, ...] = ()
    fixed_right: tuple[Origin, ...] = ()
    ranged: bool = False

    def left(self) -> tuple[Origin, ...]:
        return (*(pair[0] for pair in self.pairs), *self.fixed_left)

    def right(self) -> tuple[Origin, ...]:
        return (*(pair[1] for pair in self.pairs), *self.fixed_right)


class Joiner:
    """Joins frames one after another for step `step`, and says what it found.

    Side effects: measures keys and overlaps through the prober; `findings` grows.
    """

    def __init__(self, step: str, prober: Prober) -> None:
        self.step = step
        self.prober = prober
        self.findings: list[Finding] = []

    def join(self, left: Frame, right: Frame, node: exp.Join, where: Sequence[exp.Expr]) -> Frame:
        """The frame of both. `where` are the select's conditions: a comma join has its keys there."""
        kind, method = str(node.args.get("kind") or "").upper(), str(node.args.get("method") or "").upper()
        if kind in {"SEMI", "ANTI"}:
            return replace(left, shape=replace(left.shape, partial=True))
        merged = self._merged(left, right, node, method)
        keys = _keys(left, right, node, where, merged)
        sides = self._multiplied(left.shape, right.shape, keys, node, method)
        repeated = {**left.shape.repeated, **right.shape.repeated}
        for base, cause in sides.items():
            repeated.setdefault(base, cause)
        kept = [*(left.shape.keys if not left.shape.bases & sides.keys() else ())]
        kept += [*(right.shape.keys if not right.shape.bases & sides.keys() else ())]
        if keys.pairs and method != "ASOF":
            self._losses(left, right, keys, str(node.args.get("side") or "").upper())
        shape = Shape(
            (),
            left.shape.bases | right.shape.bases,
            repeated,
            tuple(kept),
            left.shape.one_row and right.shape.one_row,
            partial=True,
        )
        return replace(left, fields=_fields(left, right, merged, str(node.args.get("side") or "").upper()), shape=shape)

    def _merged(self, left: Frame, right: Frame, node: exp.Join, method: str) -> tuple[str, ...]:
        if method == "NATURAL":
            here = {name.lower() for _, name, _, shown in left.fields if shown}
            return tuple(name for _, name, _, shown in right.fields if shown and name.lower() in here)
        return tuple(item.name for item in node.args.get("using") or ())

    def _multiplied(self, left: Shape, right: Shape, keys: _Keys, node: exp.Join, method: str) -> Mapping[Base, Cause]:
        """The bases that this join repeats, with the cause."""
        if method == "POSITIONAL":
            self._say("risk", "positional_join", "it pairs rows by their position, which no source promises")
            return {}
        if method == "ASOF":
            return _all(right, Cause("unproven", _label(left)))
        if not keys.pairs and not (left.one_row or right.one_row):
            self._unkeyed(left, right, keys, node)
            here, there = (Cause("cross", _label(side)) for side in (right, left))
            return {**_all(left, here), **_all(right, there)}
        found_right = right.unique(keys.right(), self.prober)
        found_left = left.unique(keys.left(), self.prober)
        result: dict[Base, Cause] = {}
        if not found_right.proven:
            result.update(_all(left, _cause(right, keys.right(), found_right)))
        if not found_left.proven:
            result.update(_all(right, _cause(left, keys.left(), found_left)))
        return result

    def _unkeyed(self, left: Shape, right: Shape, keys: _Keys, node: exp.Join) -> None:
        pair = f"{_label(left)} and {_label(right)}"
        condition = node.args.get("on")
        if keys.ranged and condition is not None:
            message = (
                f"it joins {pair} by {text_of(condition)}, without an equality: rows of both may match several times"
            )
            self._say("risk", "range_join", message)
        elif str(node.args.get("kind") or "").upper() == "CROSS":
            message = f"it pairs every row of {_label(left)} with every row of {_label(right)}"
            self._say("risk", "cross_join", message, "join on a key, or aggregate one side to a single row")
        else:
            message = f"it joins {pair} without a key: every row would meet every row"
            self._say("error", "cross_join", message, "add ON with the key that relates them, or write CROSS JOIN")

    def _losses(self, left: Frame, right: Frame, keys: _Keys, side: str) -> None:
        """Rows without a partner, where both sides' keys are columns of extracts."""
        if side in {"FULL"} or len(keys.pairs) == 0:
            return
        ours, theirs = _direct([pair[0] for pair in keys.pairs]), _direct([pair[1] for pair in keys.pairs])
        if ours is None or theirs is None or ours[0].table is None or theirs[0].table is None:
            return
        overlap = self.prober.overlap(ours[0].table, ours[1], theirs[0].table, theirs[1])
        self._lost(left.shape, ours[0], theirs[0], (overlap.left_unmatched, overlap.left_rows), side, driving=True)
        self._lost(right.shape, theirs[0], ours[0], (overlap.right_unmatched, overlap.right_rows), side, driving=False)

    def _lost(
        self, shape: Shape, base: Base, other: Base, counts: tuple[int, int], side: str, *, driving: bool
    ) -> None:
        """What becomes of the rows of one side that have no partner. Counts are those of the whole source table."""
        unmatched, rows = counts
        outer = bool(side)
        kept = side == ("LEFT" if driving else "RIGHT")
        if unmatched == 0 or (outer and not kept):
            return
        about = "up to " if base.partial or shape.partial else ""
        evidence = (("unmatched", str(unmatched)), ("rows", str(rows)), ("table", base.label))
        message = f"{about}{unmatched} of {rows} rows of {base.label} have no partner in {other.label}"
        if kept:
            self._say("note", "unmatched_rows", f"{message} and are kept", evidence=evidence)
        else:
            hint = f"use a left join to keep every row of {base.label}" if driving else ""
            self._say("risk" if driving else "note", "row_loss", f"{message} and are left out", hint, evidence)

    def _say(
        self, severity: Severity, code: str, message: str, hint: str = "", evidence: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.findings.append(Finding(severity, code, self.step, message, hint, "sql", evidence))


def _keys(left: Frame, right: Frame, node: exp.Join, where: Sequence[exp.Expr], merged: Sequence[str]) -> _Keys:
    pairs: list[Pair] = []
    fixed: tuple[list[Origin], list[Origin]] = ([], [])
    ranged = False
    for name in merged:
        ours, theirs = left.find(exp.column(name)), right.find(exp.column(name))
        if ours is not None and theirs is not None:
            pairs.append((ours, theirs))
    inner = not str(node.args.get("side") or "")
    for part in (*conjuncts(node.args.get("on")), *(where if inner else ())):
        if not isinstance(part, exp.EQ | exp.NullSafeEQ):
            ranged = ranged or (_touches(part, left) and _touches(part, right))
            continue
        for first, second in ((part.left, part.right), (part.right, part.left)):
            if _only(first, left, right) and _only(second, right, left):
                pairs.append((left.key(first), right.key(second)))
                break
            if isinstance(second, exp.Literal | exp.Boolean) and isinstance(first, exp.Column):
                for side, frame in enumerate((left, right)):
                    origin = frame.find(first)
                    if origin is not None:
                        fixed[side].append(origin)
                break
    return _Keys(tuple(pairs), tuple(fixed[0]), tuple(fixed[1]), ranged)


def _touches(node: exp.Expr, frame: Frame) -> bool:
    return any(frame.find(column) is not None for column in node.find_all(exp.Column))


def _only(node: exp.Expr, frame: Frame, other: Frame) -> bool:
    """Whether an expression has columns and all of them are `frame`'s alone."""
    columns = [*node.find_all(exp.Column)]
    return bool(columns) and all(frame.find(item) is not None and other.find(item) is None for item in columns)


def _direct(origins: Sequence[Origin]) -> tuple[Base, tuple[str, ...]] | None:
    """The one base whose columns these are, unchanged, with the columns' names."""
    atoms = [origin.atom for origin in origins]
    known = [atom for atom in atoms if atom is not None]
    if not known or len(known) != len(atoms) or len({base for base, _ in known}) != 1:
        return None
    return known[0][0], tuple(name for _, name in known)


def _label(shape: Shape) -> str:
    return " and ".join(sorted({base.label for base in shape.bases})) or "a single row"


def _all(shape: Shape, cause: Cause) -> dict[Base, Cause]:
    return dict.fromkeys(shape.bases, cause)


def _cause(other: Shape, origins: Iterable[Origin], found: Uniqueness) -> Cause:
    atoms = [origin.atom for origin in origins if origin.atom is not None]
    for base, _ in atoms:
        if base in other.repeated:
            return other.repeated[base]  # the key would identify a row, had an earlier join not repeated it
    owners = {base.label for base, _ in atoms}
    label = next(iter(owners)) if len(owners) == 1 else _label(other)
    names = tuple(dict.fromkeys(name for _, name in atoms))
    return Cause("join" if found.facts is not None else "unproven", label, names, found.facts)


def _fields(left: Frame, right: Frame, merged: Sequence[str], side: str) -> tuple[tuple[str, str, Origin, bool], ...]:
    """Columns of both sides; a merged one shows once, from the side whose rows are all kept."""
    folded = {name.lower() for name in merged}
    fields = []
    for alias, name, origin, shown in left.fields:
        value = origin
        if shown and name.lower() in folded and side in {"RIGHT", "FULL"}:
            other = right.find(exp.column(name)) or origin
            value = other if side == "RIGHT" else Origin(origin.bases | other.bases)
        fields.append((alias, name, value, shown))
    for alias, name, origin, shown in right.fields:
        fields.append((alias, name, origin, shown and name.lower() not in folded))
    return tuple(fields)
