"""Columns chosen for rows: `columns a, b`, `save a and b to t`, `with a, b and c` or `(a, b)` after a destination."""

from dataclasses import replace

from agent_etl.agents.rules.comparisons import emptiness
from agent_etl.agents.rules.conditions import add_condition
from agent_etl.agents.rules.expressions import Ref
from agent_etl.agents.rules.intent import Output
from agent_etl.agents.rules.lexicon import ALL_VERBS, ARTICLES, BREAKS
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.outputs import read_item
from agent_etl.agents.rules.reading import Reading

__all__ = ["read_choice", "read_left_out"]

_SAID = (
    *("output columns", "result columns", "the columns", "columns", "with the columns", "with columns", "with column"),
    *("only the columns", "just the columns", "keeping only the columns", "output the columns", "fields", "column"),
)
_OPENERS = (
    "with only",
    "with just",
    "keeping only",
    "keeping just",
    "keeping",
    "showing",
    "with",
    "output",
    "only",
    "just",
)
_VERBS = frozenset({"write", "save", "store", "export", "put", "list", "give", "output", "load", "append", "insert"})
_VERBS |= {"upsert", "merge", "show", "return", "dump", "select", "report", "get", "land", "persist", "send"}
_WITHOUT = ("but not", "but without", "but", "except for", "except", "without", "excluding", "minus", "omitting")
_AND = (", and", "and", ",", "&", "+", "plus")
_ENDS = frozenset({"", ",", ";", ".", ")", "->", ":", "!", "?", "-", "sorted", "ordered"})
_AFTER = frozenset({",", ";", ".", "(", ":", "-", "->", "?"})


def read_choice(r: Reading) -> bool:
    """A list of columns that the result's rows show. Raises: Unclear for a listed name that is no column."""
    start = r.cur.at
    if any(one.expression.measures() for one in [*r.intent.outputs, *r.prior.outputs]):
        return False
    if r.cur.take("keep everything else", "keep all other columns", "keep the other columns"):
        return not r.intent.closed
    known = len(r.intent.outputs)
    said = r.cur.take(*_SAID)
    if said:
        r.cur.take("are", ":")
        found = _list(r)
        if not found and r.cur.tokens[r.cur.at - 1].low != "columns":
            r.cur.at = start
            return False
        if not found:
            raise r.unknown(start, "no column of that name is in scope", min(r.cur.at + 1, len(r.cur.tokens)))
    elif r.cur.take(*_OPENERS):
        found = _list(r) and (_ends(r) or _lands(r))
        if found and r.cur.tokens[start].low == "with" and not _only_these(r, start, r.intent.outputs[known:]):
            return True
    elif r.cur.take("i need", "i want", "we need", "we want", "i would like") or r.cur.take_any(_VERBS):
        r.cur.take("only", "just", "the columns", "columns")
        found = _list(r) and _lands(r)
    else:
        found = _alone(r, start)
    if not found or any(one.expression.measures() for one in r.intent.outputs[known:]):
        r.cur.at = start
        return False
    r.intent.closed.append(r.phrase)
    return True


def _only_these(r: Reading, start: int, chosen: list[Output]) -> bool:
    """`students with email`: the columns that the result shows, or values that its rows must have?

    Asked where the words may mean either; a computed column may also be meant beside all others. False when the answer
    is that other meaning, which is then taken. Raises: Unclear until it is answered.
    """
    if r.cur.tokens[start + 1].low in ("only", "just"):
        return True
    computed = [one for one in chosen if one.expression.sole is None]
    gaps = all(_has_gaps(r, one.expression.sole) for one in chosen if one.expression.sole is not None)
    if (len(chosen) > 1 and (computed or not gaps)) or any(one.derived for one in chosen):
        return True
    names = ", ".join(one.name for one in chosen)
    other = ("added", f"all columns are shown, and {names}") if computed else ("rows", f"only rows that have {names}")
    answer = r.asking.choose(
        "with",
        r.cur.span(start),
        f"{r.cur.quote(start)!r}: is this all that the result shows?",
        [("column", f"only {names} is shown"), other],
    )
    if answer == "column":
        return True
    del r.intent.outputs[-len(chosen) :]
    if computed:
        r.intent.outputs.extend(replace(one, derived=True) for one in chosen)
    else:
        for one in chosen:
            add_condition(r, emptiness(one.expression, empty=False))
    return False


def _has_gaps(r: Reading, ref: Ref) -> bool:
    return r.request.prober.values(r.table(ref.source), ref.column, 1).nulls > 0


def _alone(r: Reading, start: int) -> bool:
    """`; a, b, c;`, `(a, b)`, `a only`: a list without a verb, after a stop."""
    if not start or r.cur.tokens[start - 1].text not in _AFTER:
        return False
    first = len(r.intent.outputs)
    if not _list(r):
        return False
    only = r.cur.take("only")
    if not only and _goes_on(r, start):
        return False
    bracket = r.cur.tokens[start - 1].text == "(" and _after_target(r, start)
    several = len(r.intent.outputs) - first > 1
    return (only or several or bracket) and (_ends(r) or _lands(r))


def _after_target(r: Reading, start: int) -> bool:
    return any(spec.span[1] == r.cur.tokens[start - 2].end for spec in r.intent.targets)


def _goes_on(r: Reading, start: int) -> bool:
    """The word before the comma is a column's name: this may be the rest of that list."""
    if r.cur.tokens[start - 1].text != "," or start < 2:
        return False
    before = stems(r.cur.tokens[start - 2].low)
    return any(before == stems(one.name) for source in r.sources for one in source.table.columns)


def _list(r: Reading) -> bool:
    """The columns, added to the result; at least one."""
    found = False
    while True:
        before, saved = r.cur.at, r.intent.saved()
        if found and not r.cur.take(*_AND):
            return True
        r.cur.skip(ARTICLES)
        if (found and _clause(r)) or not _item(r):
            r.cur.at = before
            r.intent.restore(saved)
            return found
        found = True


def _item(r: Reading) -> bool:
    """A column or a computed one by its name, not a total and nothing that ends in the middle of words."""
    start = r.cur.at
    if r.cur.kind() not in ("word", "string") or r.cur.at in r.target_starts:
        return False
    return read_item(r) and r.cur.at > start and not r.intent.outputs[-1].expression.measures()


def _clause(r: Reading) -> bool:
    """What follows the comma is no further column."""
    word = r.cur.low()
    return word in ALL_VERBS | BREAKS and r.cur.low(1) not in _ENDS | {"and", "to", "into"}


def _ends(r: Reading) -> bool:
    return r.cur.low() in _ENDS or (r.cur.low() in ("and", "then") and r.cur.low(1) in ALL_VERBS)


def _lands(r: Reading) -> bool:
    """The name of a destination follows, or the file or database that holds the columns."""
    held = r.cur.low() in ("of", "from") and r.cur.kind(1) == "place"
    return held or any(at in r.target_starts for at in (r.cur.at, r.cur.at + 1))


def read_left_out(r: Reading) -> bool:
    """`without the seats column`, `all columns except a and b`: columns that go. Raises: Unclear."""
    start = r.cur.at
    r.cur.take_any(_VERBS | {"keep", "with", "take"})
    every = r.cur.take("all columns", "all the columns", "every column", "all fields", "everything", "all")
    if not every:
        r.cur.at = start
    if not r.cur.take(*_WITHOUT):
        r.cur.at = start
        return False
    definite = r.cur.low() == "the" and not every
    r.cur.skip(ARTICLES)
    said = r.cur.take("columns", "column", "fields", "field")
    first, refs = r.cur.at, _refs(r)
    said = r.cur.take("columns", "column", "fields", "field") or said
    if not refs or not (said or every or (definite and _filled(r, refs) and _ends(r))):
        r.cur.at = start
        return False
    if r.cur.at == first:
        raise r.unknown(start, "no column of that name is in scope", r.cur.at + 1)
    r.intent.dropped.extend((ref, r.phrase) for ref in refs)
    return True


def _refs(r: Reading) -> list[Ref]:
    refs: list[Ref] = []
    while True:
        before = r.cur.at
        if refs and not r.cur.take(*_AND):
            return refs
        r.cur.skip(ARTICLES)
        found = r.take_column(least=0.86) if r.cur.kind() in ("word", "string") else None
        if found is None or found.sole is None:
            r.cur.at = before
            return refs
        refs.append(found.sole)


def _filled(r: Reading, refs: list[Ref]) -> bool:
    """No row lacks a value: `without the segment` cannot be about rows."""
    return all(r.request.prober.values(r.table(ref.source), ref.column, 1).nulls == 0 for ref in refs)
