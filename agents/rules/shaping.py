"""Clauses that shape rows: de-duplication, columns left out, renamed, cast or replaced."""

from agent_etl.agents.rules.asking import Unclear
from agent_etl.agents.rules.expressions import Expr, Ref, build, column, kind_of
from agent_etl.agents.rules.intent import Dedupe, Output, Source
from agent_etl.agents.rules.lexicon import (
    ARTICLES,
    DEDUPE_VERBS,
    DROP_VERBS,
    PRONOUNS,
    ROW_NOUNS,
    UNITS,
)
from agent_etl.agents.rules.names import slug, stems
from agent_etl.agents.rules.periods import date_column
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import take_suffixes

__all__ = ["read_cast", "read_convert", "read_dedupe", "read_drop", "read_rename", "unit_named"]

_BEST = {
    "latest": True,
    "newest": True,
    "recent": True,
    "last": True,
    "highest": True,
    "largest": True,
    "biggest": True,
}
_BEST |= {"oldest": False, "earliest": False, "first": False, "lowest": False, "smallest": False, "cheapest": False}
_DATED = frozenset({"latest", "newest", "recent", "last", "oldest", "earliest", "first"})
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


def read_dedupe(r: Reading) -> bool:
    """`drop duplicates`, `dedupe orders by order_id keeping the latest updated_at`. Raises: Unclear."""
    start = r.cur.at
    source, opened = _opened(r)
    if not opened:
        r.cur.at = start
        return False
    r.cur.skip(ROW_NOUNS | PRONOUNS)
    r.cur.take("from", "in", "of") if source is None else None
    if source is None:
        source = r.take_entity(least=0.86)
    r.cur.skip(ROW_NOUNS)
    keys: list[Expr] = []
    rule: tuple[Ref | None, bool] | None = None
    moved = True
    while moved:
        at = r.cur.at
        if not keys and r.cur.take("by", "on", "per", "for each", "using", "based on", "for", "with the same"):
            keys = _keys(r, source, at)
        elif rule is None:
            rule = _rule(r, source, start)
        moved = r.cur.at > at
    _add_dedupe(r, source, keys, rule, start)
    return True


def _opened(r: Reading) -> tuple[Source | None, bool]:
    if r.cur.take_any(DEDUPE_VERBS):
        r.cur.skip(ARTICLES)
        return r.take_entity(least=0.86), True
    if r.cur.take_any(DROP_VERBS | {"without"}):
        r.cur.skip(ARTICLES | {"all", "any", "exact"})
        if r.cur.take("duplicates", "duplicate rows", "duplicated rows", "duplicate records", "dupes"):
            return None, True
        if r.cur.take("duplicate", "duplicated"):
            return r.take_entity(least=0.86), True
    return None, False


def _keys(r: Reading, source: Source | None, start: int) -> list[Expr]:
    keys: list[Expr] = []
    pool = [source] if source is not None else None
    while True:
        at = r.cur.at
        if r.cur.low() in ("keep", "keeping"):
            break
        found = r.take_column(sources=pool)
        if found is None:
            r.cur.at = at
            break
        keys.append(found)
        at = r.cur.at
        if not r.cur.take(", and", "and", ",", "&", "+"):
            break
        if r.cur.kind() != "word":
            r.cur.at = at
            break
    if not keys:
        r.cur.at = min(start + 2, len(r.cur.tokens))
        raise r.unknown(start, "the key of the duplicates names no column in scope")
    separators = {",", "and", "&", "+"}
    if r.cur.tokens[r.cur.at - 1].text in separators:
        r.cur.at -= 1
    return keys


def _rule(r: Reading, source: Source | None, start: int) -> tuple[Ref | None, bool] | None:
    """`keep(ing) the latest [by] updated_at`: the column that decides and whether the highest wins."""
    at = r.cur.at
    r.cur.take(",")
    r.cur.take("and", "but")
    if not r.cur.take("keep only", "keeping only", "keep", "keeping", "retain", "retaining", "leaving"):
        r.cur.at = at
        return None
    r.cur.skip(ARTICLES | {"one", "with", "row", "only", "most"})
    word = r.cur.take_any(_BEST)
    if word is None:
        r.cur.at = at
        return None
    r.cur.skip(ROW_NOUNS | {"one", "value", "version"})
    entity = r.take_entity(least=0.9) if r.cur.low(1) in ("by", "", ",", ";", ".", "per", "according") else None
    r.cur.take("by", "of", "based on", "according to")
    pool = [source or entity] if source or entity else None
    found = r.take_column(sources=[one for one in pool if one] if pool else None)
    if found is None:
        if word not in _DATED:
            raise r.unknown(start, f"{word!r} by which column? say `keep the {word} by <column>`")
        r.current = source or entity or r.current
        found = date_column(r, at)
    return found.sole, _BEST[word]


def _add_dedupe(
    r: Reading, source: Source | None, keys: list[Expr], rule: tuple[Ref | None, bool] | None, start: int
) -> None:
    alias = source.alias if source is not None else _only(r, keys, start)
    if alias == "all":
        if keys:
            raise r.unknown(start, "a key of duplicates is of one table; name the table")
        r.intent.dedupes.extend(Dedupe(one.alias, (), None, False, r.phrase) for one in r.sources)
        return
    if rule is not None and not keys:
        raise r.unknown(start, "keeping one row needs the key that tells duplicates: say `by <column>`")
    if keys and rule is None:
        answer = r.asking.choose(
            "duplicates",
            r.cur.span(start),
            f"{r.cur.quote(start)!r}: rows that share the key may differ elsewhere. Which one stays?",
            _choices(r, alias),
        )
        if answer == "whole rows":
            keys = []
        else:
            column, descending = answer.rsplit(" ", 1)
            rule = (Ref(alias, column), descending == "highest")
    order, descending_ = rule if rule is not None else (None, False)
    r.intent.dedupes.append(Dedupe(alias, tuple(keys), order, descending_, r.phrase))


def _choices(r: Reading, alias: str) -> list[tuple[str, str]]:
    dated = [one.name for one in r.table(alias).columns if one.type.upper().startswith(("DATE", "TIMESTAMP"))]
    choices = [("whole rows", "only rows that are equal in every column are dropped")]
    for name in dated:
        choices.append((f"{name} highest", f"the row with the latest {name}"))
        choices.append((f"{name} lowest", f"the row with the earliest {name}"))
    return choices


def _only(r: Reading, keys: list[Expr], start: int) -> str:
    named = {ref.source for key in keys for ref in key.refs()} or {source.alias for source in r.sources}
    if r.current is not None and not keys and len(named) > 1 and len(r.sources) == 1:
        named = {r.current.alias}
    if len(named) == 1:
        return named.pop()
    return r.asking.choose(
        "table",
        r.cur.span(start),
        "Which table's duplicates are dropped?",
        [*((name, r.table(name).name) for name in sorted(named)), ("all", "every table's, each on its own")],
    )


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
        if r.cur.kind() not in ("word", "string") or r.take_column() is None:
            r.cur.at = after
            return refs
        r.cur.at = probe


def read_rename(r: Reading) -> bool:
    """`rename a to b [and c to d]`. Raises: Unclear."""
    start = r.cur.at
    if not r.cur.take("rename", "renaming", "call"):
        return False
    r.cur.skip(ARTICLES | {"column", "columns"})
    while True:
        found = r.take_column()
        if found is None or found.sole is None or not r.cur.take("to", "as", "into", "->"):
            raise r.unknown(start, "a rename reads `rename <column> to <name>`, over a column in scope", r.cur.at + 1)
        token = r.cur.next() if not r.cur.done else None
        if token is None or token.kind not in ("word", "string"):
            raise r.unknown(start, "the new name is missing")
        r.intent.outputs.append(_replacing(r, found.sole, token.text, found))
        at = r.cur.at
        if not r.cur.take(", and", "and", ","):
            return True
        probe = r.cur.at
        try:
            again = r.take_column() is not None and r.cur.low() in ("to", "as", "->")
        except Unclear:
            again = False
        r.cur.at = probe if again else at
        if not again:
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
    value = build(f"CAST({{}} AS {type_})", found, kind=kind_of(type_))
    r.intent.outputs.append(_replacing(r, found.sole, found.sole.column, value))
    return True


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
