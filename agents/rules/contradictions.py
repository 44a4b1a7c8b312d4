"""What cannot be met: conditions on one column that exclude each other, one order in two directions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from agent_etl.agents.rules.expressions import identifier
from agent_etl.agents.rules.intent import Filter, Having
from agent_etl.agents.rules.reading import Reading

__all__ = ["refuse_contradictions"]

_LOWER = (exp.GT, exp.GTE)
_UPPER = (exp.LT, exp.LTE)


@dataclass
class _Room:
    """What one column may still hold: values, and bounds with whether they are included."""

    values: set[str] | None = None
    low: tuple[float | str, bool] | None = None
    high: tuple[float | str, bool] | None = None
    null: set[bool] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        """Nothing is left."""
        if self.values is not None and (not self.values or True in self.null):
            return True
        if len(self.null) > 1 or (True in self.null and (self.low or self.high)):
            return True
        return self.low is not None and self.high is not None and not _ordered(self.low, self.high)


def refuse_contradictions(r: Reading, clauses: Sequence[tuple[int, int]]) -> None:
    """Refuse conditions and orders that exclude each other, quoting the clause of the last one. Raises: Unclear."""
    for at, sort in enumerate(r.intent.sorts):
        if any(one.expression == sort.expression and one.descending != sort.descending for one in r.intent.sorts[:at]):
            raise r.asking.refuse(clauses[sort.phrase], "this sorts by one column both up and down")
    rooms: dict[str, _Room] = defaultdict(_Room)
    limits: list[Filter | Having] = [*r.intent.filters, *r.intent.havings]
    for one in limits:
        for term in _terms(one):
            name = _narrow(rooms, term)
            if name is not None and rooms[name].empty:
                column = name.rsplit(".", 1)[-1].strip('"')
                what = "total" if "." not in name else column
                reason = f"nothing can meet all the conditions on {what}; write `or` where either may hold"
                raise r.asking.refuse(clauses[one.phrase], reason)


def _terms(one: Filter | Having) -> Sequence[exp.Expr]:
    sql = one.condition.sql(lambda ref: f"{identifier(ref.source)}.{identifier(ref.column)}", _measure)
    tree = sqlglot.parse_one(sql, read="duckdb").unnest()
    return [term.unnest() for term in (tree.flatten() if isinstance(tree, exp.And) else [tree])]


def _measure(index: int) -> str:
    return f"total_{index}"


def _narrow(rooms: dict[str, _Room], term: exp.Expr) -> str | None:
    """Take the term into account; gives the column when it limits one."""
    if isinstance(term, exp.And):
        names = [_narrow(rooms, one.unnest()) for one in term.flatten()]
        return next((name for name in names if name is not None and rooms[name].empty), None)
    negative = isinstance(term, exp.Not)
    inner = term.this.unnest() if negative else term
    if not isinstance(inner.this, exp.Column):
        return None
    name = inner.this.sql(dialect="duckdb")
    room = rooms[name]
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        room.null.add(not negative)
    elif negative:
        return None
    elif isinstance(inner, exp.EQ | exp.In):
        _equal(room, inner)
    elif isinstance(inner, exp.Between):
        _bound(room, inner.args["low"], lower=True, included=True)
        _bound(room, inner.args["high"], lower=False, included=True)
    elif isinstance(inner, (*_LOWER, *_UPPER)):
        _bound(room, inner.expression, lower=isinstance(inner, _LOWER), included=isinstance(inner, exp.GTE | exp.LTE))
    return name


def _equal(room: _Room, term: exp.Expr) -> None:
    given = term.expressions if isinstance(term, exp.In) else [term.expression]
    values = [_value(one) for one in given]
    if not values or any(value is None for value in values):
        return
    shown = {str(value) for value in values}
    room.values = shown if room.values is None else room.values & shown
    if len(values) == 1 and isinstance(values[0], float):
        _bound(room, given[0], lower=True, included=True)
        _bound(room, given[0], lower=False, included=True)


def _bound(room: _Room, literal: exp.Expr, *, lower: bool, included: bool) -> None:
    value = _value(literal)
    if value is None:
        return
    before = room.low if lower else room.high
    if before is None or type(before[0]) is not type(value):
        tighter = before is None
    elif before[0] == value:
        tighter = not included
    else:
        tighter = (value > before[0]) == lower  # type: ignore[operator]
    if tighter and lower:
        room.low = (value, included)
    elif tighter:
        room.high = (value, included)


def _value(literal: exp.Expr) -> float | str | None:
    """A number, or the text of a string or date; None for anything else."""
    node = literal.unnest()
    if isinstance(node, exp.Neg):
        inner = _value(node.this)
        return -inner if isinstance(inner, float) else None
    if isinstance(node, exp.Cast):
        node = node.this
    if isinstance(node, exp.Boolean):
        return str(node.this)
    if not isinstance(node, exp.Literal):
        return None
    return str(node.this) if node.is_string else float(node.this)


def _ordered(low: tuple[float | str, bool], high: tuple[float | str, bool]) -> bool:
    """Something lies between the bounds."""
    if type(low[0]) is not type(high[0]):
        return True
    return low[0] < high[0] or (low[0] == high[0] and low[1] and high[1])  # type: ignore[operator]
