"""Texts that hold numbers, times or dates: their order is that of letters, where 10 comes before 9."""

import re
from collections.abc import Sequence

from agent_etl.agents.rules.expressions import Expr, Ref, column
from agent_etl.agents.rules.reading import Reading

__all__ = ["refuse_disguised_order"]

_MOST = 0.8
"""So many of the values must look like it: among names and codes a few that are digits change no order."""
_KNOWN = 200
_ABSENT = frozenset({"", "n/a", "na", "nan", "null", "none", "nil", "-", "--", "?", "unknown", "missing"})
_NUMBER = re.compile(r"([-+]?)[$€£¥]?\s*(\d[\d,'\s]*(?:\.\d+)?)\s*(?:%|[a-zA-Z]{1,3}|[$€£¥])?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?")
_DATE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[ -][A-Za-z]{3,9}[ ,-]+\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}"
)


def refuse_disguised_order(r: Reading, clauses: Sequence[tuple[int, int]]) -> None:
    """Refuse an order or an extreme over such a text, quoting the clause. Raises: Unclear."""
    intent = r.intent
    ordered = [(one.expression, one.phrase) for one in intent.sorts]
    ordered += [(one.argument, one.phrase) for one in intent.measures if one.func in ("min", "max") and one.argument]
    ordered += [(_column(r, one.order), one.phrase) for one in intent.dedupes if one.order is not None]
    cast = {one.replaces for one in intent.outputs if one.replaces is not None and one.expression.kind != "text"}
    for expression, phrase in ordered:
        ref = expression.sole
        if ref is None or expression.kind != "text" or ref in cast:
            continue
        what = _disguise(r, ref)
        if what:
            reason = f"{r.label(ref)} holds {what} as text, and text is ordered by its letters; cast it first"
            raise r.asking.refuse(clauses[phrase], reason)


def _column(r: Reading, ref: Ref) -> Expr:
    return next(column(ref.source, one.name, one.type) for one in r.table(ref.source).columns if one.name == ref.column)


def _disguise(r: Reading, ref: Ref) -> str:
    """`numbers`, `times` or `dates` when the order of letters is not theirs; else empty."""
    facts = r.request.prober.values(r.table(ref.source), ref.column, _KNOWN)
    known = [value.strip() for value, _ in facts.top if value.strip().lower() not in _ABSENT]
    for what, values in (("numbers", _numbers(known)), ("times", _clocks(known))):
        if len(values) >= _MOST * len(known) and sorted(values) != sorted(values, key=lambda one: (one[1], one[0])):
            return what
    dates = [value for value in known if _DATE.fullmatch(value)]
    return "dates" if len(dates) > 1 and len(dates) >= _MOST * len(known) else ""


def _numbers(known: Sequence[str]) -> list[tuple[str, float]]:
    """The values that are numbers, each with what it is worth."""
    found = [(value, _NUMBER.fullmatch(value)) for value in known]
    return [(value, float(match[1] + re.sub(r"[,'\s]", "", match[2]))) for value, match in found if match is not None]


def _clocks(known: Sequence[str]) -> list[tuple[str, float]]:
    found = [(value, _CLOCK.fullmatch(value)) for value in known]
    return [(value, float(60 * int(match[1]) + int(match[2]))) for value, match in found if match is not None]
