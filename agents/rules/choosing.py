"""Columns chosen for rows: `columns a, b`, `save a and b to t`, `with a, b and c` or `(a, b)` after a destination."""

from agent_etl.agents.rules.lexicon import ALL_VERBS, ARTICLES, BREAKS
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.outputs import read_item
from agent_etl.agents.rules.reading import Reading

__all__ = ["read_choice"]

_SAID = (
    *("output columns", "result columns", "the columns", "columns", "with the columns", "with columns", "with column"),
    *("only the columns", "just the columns", "keeping only the columns", "output the columns", "fields", "column"),
)
_OPENERS = ("with only", "with just", "keeping only", "keeping just", "keeping", "showing", "with", "output", "only", "just")
_VERBS = frozenset({"write", "save", "store", "export", "put", "list", "give", "output", "load", "append", "insert"})
_VERBS |= {"upsert", "merge", "show", "return", "dump", "select", "report", "get", "land", "persist", "send"}
_AND = (", and", "and", ",", "&", "+", "plus")
_ENDS = frozenset({"", ",", ";", ".", ")", "->", ":", "!", "?", "-", "sorted", "ordered"})
_AFTER = frozenset({",", ";", ".", "(", ":", "-", "->", "?"})


def read_choice(r: Reading) -> bool:
    """A list of columns that the result's rows show. Raises: Unclear for a listed name that is no column."""
    start = r.cur.at
    if any(one.expression.measures() for one in [*r.intent.outputs, *r.prior.outputs]):
        return False
    known = len(r.intent.outputs)
    said = r.cur.take(*_SAID)
    if said:
        r.cur.take("are", ":")
        found = _list(r)
        if not found:
            raise r.unknown(start, "no column of that name is in scope", min(r.cur.at + 1, len(r.cur.tokens)))
    elif r.cur.take(*_OPENERS):
        found = _list(r) and (_ends(r) or _lands(r))
    elif r.cur.take_any(_VERBS):
        r.cur.take("only", "just", "the columns", "columns")
        found = _list(r) and _lands(r)
    else:
        found = _alone(r, start)
    if not found or any(one.expression.measures() for one in r.intent.outputs[known:]):
        r.cur.at = start
        return False
    r.intent.closed.append(r.phrase)
    return True


def _alone(r: Reading, start: int) -> bool:
    """`; a, b, c;`, `(a, b)`, `a only`: a list without a verb, after a stop."""
    if not start or r.cur.tokens[start - 1].text not in _AFTER or _goes_on(r, start):
        return False
    first = len(r.intent.outputs)
    if not _list(r):
        return False
    only = r.cur.take("only")
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
    """The name of a destination follows."""
    return any(at in r.target_starts for at in (r.cur.at, r.cur.at + 1))

