"""Clauses that shape rows: columns left out, renamed, cast or replaced."""

import re

from agent_etl.agents.rules.asking import Unclear
from agent_etl.agents.rules.expressions import Expr, Ref, build, column, kind_of
from agent_etl.agents.rules.intent import Output
from agent_etl.agents.rules.lexicon import AGGREGATES, ARTICLES, BREAKS, DROP_VERBS, UNITS
from agent_etl.agents.rules.names import slug, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import take_suffixes

__all__ = ["read_cast", "read_convert", "read_drop", "read_rename", "unit_named"]

_KNOWN = 200
_FRACTION = re.compile(r"[-+]?\d*\.\d*[1-9]\d*")
_TYPES = {
    "text": "VARCHAR",
    "string": "VARCHAR",
    "varchar": "VARCHAR",
    "str": "VARCHAR",
    "integer": "BIGINT",
    "int": "BIGINT",
    "bigint": "BIGINT",
    "integers": "BIGINT",
    "double": "DOUBLE",
    "float": "DOUBLE",
    "number": "DOUBLE",
    "decimal": "DECIMAL(18,2)",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "datetime": "TIMESTAMP",
    "boolean": "BOOLEAN",
    "bool": "BOOLEAN",
}


def read_drop(r: Reading) -> bool:
    """`drop [the] column(s) a and b`, `without the columns a, b`. Raises: Unclear."""
    start = r.cur.at
    if not r.cur.take_any(DROP_VERBS | {"without", "exclude", "excluding", "omit"}):
        return False
    r.cur.skip(ARTICLES)
    said = r.cur.take("columns", "column", "fields", "field")
    found = _column_list(r)
    if not found:
        if said:
            raise r.unknown(start, "no column of that name is in scope", r.cur.at + 1)
        r.cur.at = start
        return False
    r.cur.take("columns", "column", "fields", "field")
    r.intent.dropped.extend((ref, r.phrase) for ref in found)
    return True


def _column_list(r: Reading) -> list[Ref]:
    refs: list[Ref] = []
    while True:
        at = r.cur.at
        found = r.take_column()
        if found is None or found.sole is None:
            r.cur.at = at
            return refs
        refs.append(found.sole)
        after = r.cur.at
        if not r.cur.take(", and", "and", ",", "&"):
            return refs
        probe = r.cur.at
        # `lowercase waiter, total tip per waiter`: a total follows, though a column is called total.
        total = r.cur.low() in AGGREGATES and r.cur.kind(1) == "word" and r.cur.low(1) not in BREAKS
        if total or r.cur.kind() not in ("word", "string") or r.take_column() is None:
            r.cur.at = after
            return refs
        r.cur.at = probe


def read_rename(r: Reading) -> bool:
    """`rename a to b [and c to d]`. Raises: Unclear."""
    start = r.cur.at
    if not r.cur.take("rename", "renaming", "call"):
        return False
    r.cur.skip(ARTICLES | {"column", "columns"})
    renamed: list[Output] = []
    while True:
        found = r.take_column()
        if found is None or found.sole is None or not r.cur.take("to", "as", "into", "->"):
            raise r.unknown(start, "a rename reads `rename <column> to <name>`, over a column in scope", r.cur.at + 1)
        token = r.cur.next() if not r.cur.done else None
        if token is None or token.kind not in ("word", "string"):
            raise r.unknown(start, "the new name is missing")
        # Kept apart until the clause ends: `rename a to b and b to a` speaks of the columns as they were.
        renamed.append(_replacing(r, found.sole, token.text, found))
        at = r.cur.at
        if not r.cur.take(", and", "and", ","):
            r.intent.outputs.extend(renamed)
            return True
        probe = r.cur.at
        try:
            again = r.take_column() is not None and r.cur.low() in ("to", "as", "->")
        except Unclear:
            again = False
        r.cur.at = probe if again else at
        if not again:
            r.intent.outputs.extend(renamed)
            return True


def _replacing(r: Reading, ref: Ref, name: str, expression: Expr) -> Output:
    return Output(name, expression, r.phrase, tuple(stems(name)), derived=True, replaces=ref)


def read_cast(r: Reading) -> bool:
    """`cast order_id to text`, `parse amount as integer`, `uppercase country`, `round amount to 2 decimals`."""
    start = r.cur.at
    shape = {"uppercase": "upper({})", "lowercase": "lower({})", "trim": "trim({})"}.get(r.cur.low())
    if shape is not None:
        r.cur.next()
        return _change(r, shape, start)
    if not r.cur.take("cast", "parse", "treat", "make"):
        return False
    found = r.take_column()
    r.cur.take("to", "as", "into")
    r.cur.skip({"a", "an"})
    type_ = _TYPES.get(r.cur.low())
    if found is None or found.sole is None or type_ is None:
        r.cur.at = start
        return False
    r.cur.next()
    shape = _whole(r, found.sole, start) if type_ == "BIGINT" and found.kind in ("number", "text") else "{}"
    value = build(f"CAST({shape} AS {type_})", found, kind=kind_of(type_))
    r.intent.outputs.append(_replacing(r, found.sole, found.sole.column, value))
    return True


def _whole(r: Reading, ref: Ref, start: int) -> str:
    """What becomes of the fractions of a column that is cast to whole numbers: asked where there are any.

    Raises: Unclear.
    """
    known = [value for value, _ in r.request.prober.values(r.table(ref.source), ref.column, _KNOWN).top]
    if not any(_FRACTION.fullmatch(value.strip()) for value in known):
        return "{}"
    answer = r.asking.choose(
        "fraction",
        r.cur.span(start),
        f"{r.label(ref)} holds fractions. Are they rounded or cut off?",
        [("round", "to the nearest whole number, halves away from zero"), ("cut", "towards zero")],
    )
    whole = next(one.type for one in r.table(ref.source).columns if one.name == ref.column)
    inner = "CAST({} AS DOUBLE)" if kind_of(whole) == "text" else "{}"
    return f"{'round' if answer == 'round' else 'trunc'}({inner})"


def _change(r: Reading, shape: str, start: int) -> bool:
    refs = _column_list(r)
    if not refs:
        r.cur.at = start
        return False
    for ref in refs:
        whole = next(one for one in r.table(ref.source).columns if one.name == ref.column)
        value = column(ref.source, ref.column, whole.type)
        if value.kind != "text":
            raise r.unknown(start, f"{r.label(ref)} holds {value.kind}, not text")
        r.intent.outputs.append(_replacing(r, ref, ref.column, build(shape, value, kind="text")))
    return True


def read_convert(r: Reading) -> bool:
    """`convert amount_cents to dollars [as amount]`, `convert amount from cents to dollars`. Raises: Unclear."""
    start = r.cur.at
    if not r.cur.take("convert", "converting"):
        return False
    found = r.take_column()
    if found is None or found.sole is None:
        r.cur.at = start
        return False
    before = r.cur.at
    value = take_suffixes(r, found)
    if r.cur.at == before or value.unit is None:
        r.cur.at = start
        return False
    ref = found.sole
    name = ref.column
    if unit_named(ref.column):
        name = slug([*stems(ref.column)[:-1], f"{value.unit}s" if len(value.unit) > 3 else value.unit])
    if r.cur.take("as", "called", "named") and r.cur.kind() in ("word", "string"):
        name = r.cur.next().text
    r.converted[ref] = value.unit
    r.intent.outputs.append(_replacing(r, ref, name, value))
    return True


def unit_named(name: str) -> bool:
    """The column's name ends in its unit."""
    words = stems(name)
    return len(words) > 1 and words[-1] in UNITS
