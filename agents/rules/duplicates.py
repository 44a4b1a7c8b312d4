"""De-duplication: whole rows, or one row a key."""

from dataclasses import replace

from agent_etl.agents.rules.adjectives import dated_by
from agent_etl.agents.rules.expressions import Expr, Ref
from agent_etl.agents.rules.ground import STRONG
from agent_etl.agents.rules.intent import Dedupe, Source
from agent_etl.agents.rules.lexicon import ARTICLES, DEDUPE_VERBS, DROP_VERBS, PRONOUNS, ROW_NOUNS
from agent_etl.agents.rules.names import entity_words, stems
from agent_etl.agents.rules.periods import date_column
from agent_etl.agents.rules.qualities import pass_place
from agent_etl.agents.rules.reading import Reading

__all__ = ["decided", "read_dedupe"]

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
_DROPPING = DROP_VERBS | {"without", "dropping", "removing", "eliminating", "discarding", "excluding", "ignoring", "no"}
_DROPPED = frozenset({"dropped", "removed", "discarded", "eliminated", "excluded", "ignored", "deleted"})
_WHOLE = frozenset({"all", "any", "exact", "full", "complete", "identical", "entire"})
_TWINS = ("duplicates", "duplicate rows", "duplicated rows", "duplicate records", "duplicate lines", "dupes")
_DISTINCT = (
    *("distinct rows only", "unique rows only", "only distinct rows", "only unique rows", "distinct rows"),
    *("unique rows", "keep only distinct rows", "keep only unique rows", "keep distinct rows"),
)


def read_dedupe(r: Reading) -> bool:
    """`drop duplicates`, `dedupe orders by order_id keeping the latest updated_at`, `the latest order per customer_id`.

    Raises: Unclear.
    """
    start = r.cur.at
    for reader in (_asked, _passive, _best_per, _one_per):
        if reader(r, start):
            return True
        r.cur.at = start
    return False


def _asked(r: Reading, start: int) -> bool:
    source, opened = _opened(r)
    if not opened:
        return False
    r.cur.skip(ROW_NOUNS | PRONOUNS)
    r.cur.take("from", "in", "of") if source is None else None
    if source is None:
        source = r.take_entity(least=0.86)
    r.cur.skip(ROW_NOUNS)
    _details(r, source, start)
    return True


def _details(r: Reading, source: Source | None, start: int) -> None:
    """`by order_id`, `keeping the latest`, in any order."""
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


def _opened(r: Reading) -> tuple[Source | None, bool]:
    if r.cur.take(*_DISTINCT):
        return None, True
    r.cur.take("after", "first", "once", "then")
    if r.cur.take_any(DEDUPE_VERBS | {"deduplicating", "de-duplicating"}):
        r.cur.skip(ARTICLES)
        return r.take_entity(least=0.86), True
    if r.cur.take_any(_DROPPING):
        r.cur.skip(ARTICLES | _WHOLE)
        if r.cur.take(*_TWINS):
            return None, True
        if r.cur.take("duplicate", "duplicated"):
            return r.take_entity(least=0.86), True
    return None, False


def _passive(r: Reading, start: int) -> bool:
    """`duplicates dropped first`, `loans de-duplicated on loan_id`."""
    r.cur.skip(ARTICLES | _WHOLE | {"with"})
    if r.cur.take(*_TWINS):
        source: Source | None = None
        if r.cur.take("in", "of", "from"):
            source = r.take_entity(least=0.86)
        r.cur.take("are", "were", "being", "have been")
        if r.cur.take_any(_DROPPED) is None:
            return False
    else:
        source = r.take_entity(least=0.86)
        r.cur.take("are", "were", "being")
        if source is None or not r.cur.take("de-duplicated", "deduplicated", "deduped"):
            return False
    _details(r, source, start)
    return True


def _best_per(r: Reading, start: int) -> bool:
    """`keep only the latest review per emp_id by reviewed_on`, `the most recent one (listed) per listing_id`."""
    r.cur.take("keep only", "keeping only", "keep", "keeping", "take", "retain", "only", "with", "leaving")
    r.cur.skip(ARTICLES | {"only"})
    best = _superlative(r)
    if best is None:
        return False
    word, descending = best
    source, order = _thing(r, word)
    if source is None:
        return False
    pass_place(r)
    order = order or _deciding(r, source)
    at = r.cur.at
    if not r.cur.take("per", "for each", "for every", "of each", "of every", "by each"):
        return False
    keys = _keys(r, source, at)
    pass_place(r)
    order = _deciding(r, source) or order
    if order is None:
        if word not in _DATED:
            raise r.unknown(start, f"{word!r} by which column? say `keep the {word} by <column>`")
        r.current = source
        order = date_column(r, start).sole
    _add_dedupe(r, source, keys, (order, descending), start)
    return True


def _superlative(r: Reading) -> tuple[str, bool] | None:
    if r.cur.take("most recent"):
        return "latest", True
    word = r.cur.take_any(_BEST)
    return (word, _BEST[word]) if word is not None else None


def _thing(r: Reading, word: str) -> tuple[Source | None, Ref | None]:
    """What there is one of per key: the table's rows, maybe named after their date; never a column's value."""
    only = r.current or (r.sources[0] if len(r.sources) == 1 else None)
    at = r.cur.at
    if r.cur.take_any(ROW_NOUNS | {"one", "version", "copy"}):
        return only, None
    entity = r.take_entity(least=0.86)
    if entity is not None:
        end, r.cur.at = r.cur.at, at
        named = r.take_column(sources=[entity], least=STRONG) is not None and r.cur.at > end
        r.cur.at = end
        return (None if named else entity), None
    token = r.cur.peek()
    when = dated_by(only, token.low) if only is not None and token is not None and token.kind == "word" else None
    if when is None or word not in _DATED or (only and only.table.column(r.cur.low())):
        return None, None
    r.cur.next()
    return only, when.sole


def _deciding(r: Reading, source: Source) -> Ref | None:
    """`by reviewed_on`, `(by read_on)`, `(listed)`: the column that decides, taken."""
    start = r.cur.at
    closing = r.cur.take("(")
    if r.cur.take("by", "according to", "based on", "on") or closing:
        found = r.take_column(sources=[source], least=STRONG)
        if found is not None and (not closing or r.cur.take(")")):
            return found.sole
    r.cur.at = start
    return None


def _one_per(r: Reading, start: int) -> bool:
    """`one row per customer_id, the one with the highest amount`."""
    r.cur.take("keep only", "keep", "keeping only", "keeping", "only", "with", "leaving", "retain")
    if not r.cur.take("one", "a single", "exactly one", "only one", "just one"):
        return False
    source = None if r.cur.take_any(ROW_NOUNS) else r.take_entity(least=0.86)
    at = r.cur.at
    if (source is None and r.cur.tokens[at - 1].low not in ROW_NOUNS) or not r.cur.take("per", "for each", "by"):
        return False
    keys = _keys(r, source, at)
    _add_dedupe(r, source, keys, _rule(r, source, start) or _chosen(r, source, start), start)
    return True


def _chosen(r: Reading, source: Source | None, start: int) -> tuple[Ref | None, bool] | None:
    """`, the one with the highest amount`, `(the latest order_date)`."""
    at = r.cur.at
    r.cur.take(",", "-", "(")
    r.cur.skip(ARTICLES | {"one", "row", "with", "having", "namely", "always"})
    best = _superlative(r)
    found = r.take_column(sources=[source] if source else None, least=STRONG) if best is not None else None
    if best is None or found is None or found.sole is None:
        r.cur.at = at
        return None
    r.cur.take(")")
    return found.sole, best[1]


def _keys(r: Reading, source: Source | None, start: int) -> list[Expr]:
    keys: list[Expr] = []
    pool = [source] if source is not None else None
    while True:
        at = r.cur.at
        if r.cur.low() in ("keep", "keeping"):
            break
        found = r.take_column(sources=pool, least=0.7)
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
    first = r.cur.take("first", "beforehand", "before that")
    if keys and rule is None:
        r.intent.dedupes.append(Dedupe(alias, tuple(keys), None, False, r.phrase, first, r.cur.span(start)))
        return
    order, descending = rule if rule is not None else (None, False)
    found = Dedupe(alias, tuple(keys), order, descending, r.phrase, first)
    r.intent.dedupes.insert(0 if first else len(r.intent.dedupes), found)


def decided(r: Reading, dedupe: Dedupe, used: set[str] | None) -> Dedupe:
    """The de-duplication with its rule: rows that share the key may differ in the columns `used` (None: all).

    Asked only when it makes a difference. Raises: Unclear.
    """
    keys = {key.sole.column for key in dedupe.keys if key.sole is not None}
    if dedupe.span is None or (used is not None and used <= keys):
        return dedupe
    quote = r.cur.goal[slice(*dedupe.span)]
    text = f"{quote!r}: rows that share the key may differ elsewhere. Which one stays?"
    answer = r.asking.choose("duplicates", dedupe.span, text, _choices(r, dedupe.source))
    if answer == "whole rows":
        return replace(dedupe, keys=())
    name, highest = answer.rsplit(" ", 1)
    return replace(dedupe, order=Ref(dedupe.source, name), descending=highest == "highest")


def _choices(r: Reading, alias: str) -> list[tuple[str, str]]:
    dated = [one.name for one in r.table(alias).columns if one.type.upper().startswith(("DATE", "TIMESTAMP"))]
    choices = [("whole rows", "only rows that are equal in every column are dropped")]
    for name in dated:
        choices.append((f"{name} highest", f"the row with the latest {name}"))
        choices.append((f"{name} lowest", f"the row with the earliest {name}"))
    return choices


def _said_before(r: Reading, source: Source, start: int) -> bool:
    """`load a, drop duplicates, join b`: the table is named before the clause."""
    entity, dataset = entity_words(source.table.name), source.table.dataset.lower()
    return any(
        dataset.endswith(token.low.removeprefix("./")) if token.kind == "place" else stems(token.text) == entity
        for token in r.cur.tokens[:start]
        if token.kind in ("word", "place")
    )


def _only(r: Reading, keys: list[Expr], start: int) -> str:
    named = {ref.source for key in keys for ref in key.refs()} or {source.alias for source in r.sources}
    if r.current is not None and not keys and len(named) > 1 and len(r.sources) == 1:
        named = {r.current.alias}
    before = {source.alias for source in r.sources if source.alias in named and _said_before(r, source, start)}
    if len(named) == 1 or len(before) == 1:
        return (before if len(before) == 1 else named).pop()
    return r.asking.choose(
        "table",
        r.cur.span(start),
        "Which table's duplicates are dropped?",
        [*((name, r.table(name).name) for name in sorted(named)), ("all", "every table's, each on its own")],
    )
