"""One join: which side it multiplies, which rows it loses, and whether it was meant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from agent_etl.engine.frame import Frame, conjuncts, text_of
from agent_etl.engine.goal import Finding
from agent_etl.engine.lineage import Base, Cause, Origin, Shape, Uniqueness, clashing
from agent_etl.engine.losses import Losing, Side, losses
from agent_etl.engine.ports import Prober
from agent_etl.engine.schema import Column

__all__ = ["Joiner"]

Pair = tuple[Origin, Origin]


@dataclass(frozen=True)
class _Keys:
    """A join's condition: `pairs` of equal values left and right, values fixed by constants, a range over both.

    `narrowed`: ON asks for more than the equal pairs, so a row whose key has a partner may still find none. `clash`:
    two columns of different types that are compared as they are.
    """

    pairs: tuple[Pair, ...]
    fixed_left: tuple[Origin, ...] = ()
    fixed_right: tuple[Origin, ...] = ()
    ranged: bool = False
    narrowed: bool = False
    clash: tuple[Column, Column] | None = None

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
        if keys.clash is not None:
            self._clashing(*keys.clash)
        optional = left.optional | right.optional
        if keys.pairs or method == "ASOF":
            lost = losses(self.step, self._losing(left, right, keys, node, where), self.prober)
            self.findings += lost
            if any(finding.code == "unmatched_rows" for finding in lost):
                optional |= right.shape.bases
        shape = Shape(
            (),
            left.shape.bases | right.shape.bases,
            repeated,
            tuple(kept),
            left.shape.one_row and right.shape.one_row,
            partial=True,
        )
        fields = _fields(left, right, merged, str(node.args.get("side") or "").upper())
        return replace(left, fields=fields, shape=shape, optional=optional)

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

    def _losing(self, left: Frame, right: Frame, keys: _Keys, node: exp.Join, where: Sequence[exp.Expr]) -> Losing:
        ours, theirs = (tuple(pair[n] for pair in keys.pairs) for n in (0, 1))
        before = bool(keys.fixed_left) or any(_only(part, left, right) for part in where)
        exact = not keys.narrowed and str(node.args.get("method") or "").upper() != "ASOF"
        return Losing(
            Side(left.shape, ours, _label(left.shape), filtered=before),
            Side(right.shape, theirs, _label(right.shape)),
            kept=str(node.args.get("side") or "").upper(),
            exact=exact,
        )

    def _clashing(self, one: Column, other: Column) -> None:
        message = f"it joins {one.name}, which is {one.type}, with {other.name}, which is {other.type}"
        hint = "cast one side: as numbers '007' and '7' are one key, as text they are two"
        self._say("error", "type_mismatch", message, hint)

    def _say(self, severity: Literal["error", "risk"], code: str, message: str, hint: str = "") -> None:
        self.findings.append(Finding(severity, code, self.step, message, hint, "sql"))


def _keys(left: Frame, right: Frame, node: exp.Join, where: Sequence[exp.Expr], merged: Sequence[str]) -> _Keys:
    pairs: list[Pair] = []
    raw: list[Pair] = []
    fixed: tuple[list[Origin], list[Origin]] = ([], [])
    ranged = False
    for name in merged:
        ours, theirs = left.find(exp.column(name)), right.find(exp.column(name))
        if ours is not None and theirs is not None:
            pairs.append((ours, theirs))
            raw.append((ours, theirs))
    inner = not str(node.args.get("side") or "")
    asked = len(pairs) + sum(1 for _ in conjuncts(node.args.get("on")))
    for part in (*conjuncts(node.args.get("on")), *(where if inner else ())):
        if not isinstance(part, exp.EQ | exp.NullSafeEQ):
            ranged = ranged or (_touches(part, left) and _touches(part, right))
            continue
        for first, second in ((part.left, part.right), (part.right, part.left)):
            if _only(first, left, right) and _only(second, right, left):
                pairs.append((left.key(first), right.key(second)))
                raw.append((left.origin(first), right.origin(second)))
                break
            if isinstance(second, exp.Literal | exp.Boolean) and isinstance(first, exp.Column):
                for side, frame in enumerate((left, right)):
                    origin = frame.find(first)
                    if origin is not None:
                        fixed[side].append(origin)
                break
    clash = next((found for pair in raw if (found := clashing(*pair)) is not None), None)
    return _Keys(tuple(pairs), tuple(fixed[0]), tuple(fixed[1]), ranged, narrowed=len(pairs) < asked, clash=clash)


def _touches(node: exp.Expr, frame: Frame) -> bool:
    return any(frame.find(column) is not None for column in node.find_all(exp.Column))


def _only(node: exp.Expr, frame: Frame, other: Frame) -> bool:
    """Whether an expression has columns and all of them are `frame`'s alone."""
    columns = [*node.find_all(exp.Column)]
    return bool(columns) and all(frame.find(item) is not None and other.find(item) is None for item in columns)


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
