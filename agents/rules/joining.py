"""Clauses that join tables: which ones, how, and on what."""

from agent_etl.agents.rules.duplicates import read_dedupe
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.joinkeys import key_ahead, keyless, take_keys
from agent_etl.agents.rules.lexicon import ARTICLES, JOIN_VERBS, PRONOUNS
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.sources import named_table, same_place

__all__ = ["place_said", "read_beside", "read_join"]

_KINDS = {"inner": "inner", "left": "left", "anti": "anti", "semi": "semi"}
_UNSUPPORTED = frozenset({"full", "outer", "right", "cross", "self", "natural", "asof", "fuzzy"})


def read_join(r: Reading) -> bool:
    """`join A with B on key`, `left join B on …`, `join them on x and y`. Raises: Unclear."""
    start = r.cur.at
    kind = _kind(r)
    verb = r.cur.take_any(JOIN_VERBS | {"merge"} if kind is None else JOIN_VERBS)
    if verb is None:
        r.cur.at = start
        return False
    r.cur.take("together")
    tables = _tables(r)
    place_said(r, tables)
    if (verb == "merge" and len(tables) < 2) or (verb in ("combine", "connect", "match", "link") and not tables):
        if r.cur.low() not in ("on", "by"):
            r.cur.at = start
            return False
        if verb == "merge":
            r.cur.at = start
            return False
    kind = kind or _kind(r)
    involved = _involved(r, tables, start)
    if kind is not None and len(tables) > 2:
        raise r.unknown(start, f"a {kind} join is between two tables; say them one by one")
    r.cur.take("together")
    stated = r.cur.take("on", "by", "using", "via", "over", "through", "where", "based on", "with", "matching on")
    if not stated and not _bracket(r, involved):
        keyless(r, involved, kind or "inner")
    else:
        take_keys(r, involved, kind or "inner", start, tables[0] if len(tables) == 1 else None)
    while _further(r, kind or "inner"):
        pass
    return True


def _further(r: Reading, kind: str) -> bool:
    """`and Album to Artist on ArtistId`, `then with Artist using ArtistId`: one more join after a verb."""
    start = r.cur.at
    r.cur.take(", and then", ", then", "and then", ", and", "and", ",", "then")
    moved = r.cur.at > start
    first = None if r.cur.low() in ("with", "to") else _known(r)
    second = first if first is not None and r.cur.low() in ("on", "using", "via") else None
    if second is not None:
        # `join students on student_id and courses on course_id`
        first = None
    elif r.cur.take("with", "to"):
        second = _known(r)
    if not moved or second is None or second == first:
        r.cur.at = start
        return False
    involved = [first, second] if first is not None else _involved(r, [second], start)
    place_said(r, [second])
    stated = r.cur.take("on", "by", "using", "via", "through", "matching on")
    if not stated and not _bracket(r, involved):
        r.cur.at = start
        return False
    take_keys(r, involved, kind, start, second if first is None else None)
    return True


def _prepared(r: Reading, source: Source) -> None:
    """`join loans (after dropping duplicate rows) with …`: what is done to the table before."""
    start, saved, before = r.cur.at, r.intent.saved(), r.current
    r.current = source
    if r.cur.take("(") and not (read_dedupe(r) and r.cur.take(")")):
        r.intent.restore(saved)
        r.cur.at = start
    r.current = before


def read_beside(r: Reading) -> bool:
    """`tickets.jsonl and agents.csv join on agent_id`: the second file, named before the verb."""
    start = r.cur.at
    if not start or r.cur.tokens[start - 1].low not in ("and", "&") or r.cur.kind() != "place" or not r.sources:
        return False
    found = named_table(r) if start not in r.target_starts else None
    if found is None or r.cur.low() not in JOIN_VERBS | {"left", "inner", ",", "are"}:
        r.cur.at = start
        return False
    return r.cur.low() in JOIN_VERBS or r.cur.low(1) in JOIN_VERBS or r.cur.low(1) in ("left", "inner")


def _known(r: Reading) -> Source | None:
    """A table in scope."""
    return r.take_entity(least=0.86) if r.cur.kind() in ("word", "place") else None


def _bracket(r: Reading, involved: list[Source]) -> bool:
    """A bracket with the key opens here; any other bracket is a clause of its own."""
    return r.cur.low() == "(" and key_ahead(r, involved) and r.cur.take("(")


def place_said(r: Reading, tables: list[Source]) -> None:
    """`of cinema.sqlite`, `in crm` after the tables' names: where they are."""
    start = r.cur.at
    if tables and r.cur.take("of", "from", "in", "out of"):
        r.cur.skip(ARTICLES)
        token = r.cur.peek()
        if token is not None and all(same_place(r, one.table.connection, token.text) for one in tables):
            r.cur.next()
            r.cur.skip({"database", "db"})
            return
    r.cur.at = start


def _kind(r: Reading) -> str | None:
    start = r.cur.at
    word = r.cur.low()
    if word in _UNSUPPORTED and (r.cur.low(1) in JOIN_VERBS or r.cur.low(2) in JOIN_VERBS):
        raise r.unknown(start, f"{word} joins are not supported; inner, left and anti joins are", start + 2)
    if word in _KINDS and (r.cur.low(1) in JOIN_VERBS or r.cur.low(1) in ("outer", "-")):
        r.cur.next()
        r.cur.take("outer", "-")
        return _KINDS[word]
    if word in ("left-join", "inner-join"):
        return None
    return None


def _tables(r: Reading) -> list[Source]:
    """The tables named after the verb, in order; none for `them`."""
    if r.cur.take_any(PRONOUNS):
        r.cur.take("two", "three", "tables", "together")
        return []
    r.cur.take("both", "the two", "the three", "all three", "the")
    r.cur.take("tables", "files")
    at = r.cur.at
    if r.cur.take("with", "to", "onto", "against"):
        # `orders joined with customers`
        here = r.cur.at
        r.cur.at = at if named_table(r) is None else here
    found: list[Source] = []
    while True:
        at = r.cur.at
        source = named_table(r)
        if source is None or source in found:
            r.cur.at = at
            break
        found.append(source)
        if len(found) > 1:
            r.current = found[0]
        r.cur.take("table", "file")
        _prepared(r, source)
        at = r.cur.at
        if not r.cur.take(", and", "and", "with", "to", ",", "&", "+", "onto", "against"):
            break
        if r.cur.kind() not in ("word", "place"):
            r.cur.at = at
            break
    if found and r.cur.tokens[r.cur.at - 1].low in ("and", "with", "to", ",", "&", "+"):
        r.cur.at -= 1
    return found


def _involved(r: Reading, tables: list[Source], start: int) -> list[Source]:
    """The tables to join, the one that is added last."""
    if len(tables) >= 2:
        return tables
    pool = [source for source in r.sources if source.listed and source not in tables]
    pool = pool or [source for source in r.sources if source not in tables]
    if len(tables) == 1:
        linked = {one for edge in r.intent.edges if edge.how for one in (edge.left, edge.right)}
        joined = [source for source in r.sources if source.alias in linked and source not in tables]
        if joined:
            return [*joined, tables[0]]
        subject = next((source for source in reversed(r.subjects) if source in pool), None)
        pool = [subject, tables[0]] if subject is not None else [*pool, tables[0]]
    if len(pool) < 2 and not tables:
        pool = list(r.sources)
    if len(pool) < 2:
        raise r.unknown(start, "a join needs two tables, and one is in scope", r.cur.at)
    return pool
