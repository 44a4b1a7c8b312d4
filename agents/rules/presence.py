"""Rows that appear, or do not appear, in another table: `whose id is not in b.csv`, `who never placed an order`."""

from typing import Literal

from agent_etl.agents.rules.expressions import Ref
from agent_etl.agents.rules.ground import STRONG, columns, entity_score
from agent_etl.agents.rules.intent import Edge, Source
from agent_etl.agents.rules.joinkeys import key_ahead, take_keys
from agent_etl.agents.rules.lexicon import ARTICLES, EXCLUDE_VERBS, ROW_NOUNS, SAME_ROOT
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.sources import named_table

__all__ = ["read_presence"]

_BE = ("", "is ", "are ", "was ", "were ")
_NOUNS = ("match", "matches", "partner", "counterpart", "entry", "row", "record")
_NOT_IN = (
    *(f"{be}{what}" for be in _BE for what in ("not in", "missing from", "missing in", "absent from", "not part of")),
    *(f"{be}not {what} in" for be in _BE for what in ("found", "present", "listed", "contained", "included")),
    *(f"{do} {verb} in" for do in ("does not", "do not") for verb in ("appear", "exist", "occur", "show up")),
    *("never appear in", "never appears in", "never occur in", "never occurs in", "unmatched in"),
    *(f"{have} no {noun} in" for have in ("has", "have", "with") for noun in _NOUNS),
    *(f"no {noun} in" for noun in _NOUNS),
    *(f"without {a}{noun} in" for a in ("", "a ", "any ") for noun in _NOUNS),
)
_IN = (
    *(f"{be}{what} in" for be in _BE for what in ("found", "present", "listed", "contained", "included")),
    *("appears in", "appear in", "exists in", "exist in", "occurs in", "occur in", "shows up in", "show up in"),
    *(f"{have} a {noun} in" for have in ("has", "have", "with") for noun in _NOUNS),
)
_BARE_IN = ("is in", "are in", "in", "is also in", "are also in", "also in")
_MADE = (
    *("placed", "made", "sent", "had", "received", "got", "filed", "opened", "created", "submitted", "written"),
    *("posted", "recorded", "logged", "taken", "given", "issued", "registered"),
)
_SOME = ("at least one", "at least 1", "one or more", "1 or more", "some", "any", "an", "a")
_HAVE = ("have", "has", "with", "had", "having")
_KEEP = ("keep only", "only keep", "keep", "only", "just", "show only", "list only", "filter for", "filter to", "find")
_ENDS = frozenset({"lands", "land", "arrives", "ends", "starts", "departs", "goes", "refers", "points", "belongs"})
_ENDS |= {"exists", "exist", "matches", "match"}
Word = Literal["anti", "semi"]


def read_presence(r: Reading) -> bool:
    """A condition on rows of another table. Raises: Unclear when it is not said which rows it limits."""
    if len(r.request.catalogue.tables) < 2:
        return False
    start = r.cur.at
    out = r.cur.take_any(EXCLUDE_VERBS) is not None or r.cur.take("leave out", "leaving out", "but not", "minus")
    kept = not out and r.cur.take(*_KEEP)
    r.cur.skip((ARTICLES - {"that"}) | {"all", "those"})
    subject = _subject(r)
    those = r.cur.tokens[r.cur.at - 1].low in ROW_NOUNS | {"those", "ones"} if r.cur.at else False
    link = r.cur.take("where", "whose", "that", "which", "who", "and whose", "and which")
    never = r.cur.low() in ("have", "has") and r.cur.low(1) == "never"
    if not (
        link or out or kept or subject or those or r.cur.low() in ("not", "missing", "with", "without", "no") or never
    ):
        r.cur.at = start
        return False
    found = (
        _in_table(r, subject, bare=out or those or link)
        or (_no_one(r) if link else None)
        or _has(r, out or link or kept)
    )
    if found is None or _counted(r, found[1]):
        r.cur.at = start
        return False
    how, other, column = found
    left = _left(r, subject, other, column, start)
    if left is None:
        r.cur.at = start
        return False
    _edge(r, left, other, column, how if not out else ("semi" if how == "anti" else "anti"), start)
    return True


def _subject(r: Reading) -> Source | None:
    if r.cur.take_any(ROW_NOUNS | {"those", "ones"}):
        return None
    at = r.cur.at
    found = r.take_entity(least=0.86) if r.cur.kind() in ("word", "place") else None
    if found is not None and r.cur.take("of", "in", "from"):
        here = r.cur.at
        if named_table(r) != found:
            r.cur.at = here - 1
    if found is None:
        r.cur.at = at
    r.cur.take_any(ROW_NOUNS)
    return found


def _in_table(r: Reading, subject: Source | None, *, bare: bool) -> tuple[Word, Source, Ref | None] | None:
    """`customer_id is not in orders.csv`, `do not appear in orders`."""
    start = r.cur.at
    column: Ref | None = None
    if not r.cur.take(*_NOT_IN, *_IN):
        r.cur.at = start
        words = r.words_ahead(3)
        for size in range(len(words), 0, -1):
            refs = [
                one.ref for one in columns(words[:size], [subject] if subject else r.sources) if one.score >= STRONG
            ]
            if refs:
                column = refs[0]
                r.cur.at += size
                break
    how = _which(r, start if column is None else r.cur.at, bare=bare)
    if how is None:
        return None
    other = named_table(r)
    if other is None and r.cur.kind() == "place":
        raise r.unknown(r.cur.at, "no such file or table was found", r.cur.at + 1)
    if other is None or other == subject:
        return None
    return how, other, column


def _which(r: Reading, at: int, *, bare: bool) -> Word | None:
    r.cur.at = at
    if r.cur.take(*_NOT_IN):
        return "anti"
    if r.cur.take(*_IN) or (bare and r.cur.take(*_BARE_IN)):
        return "semi"
    return None


def _no_one(r: Reading) -> tuple[Word, Source, Ref | None] | None:
    """`where no flight of flights.parquet lands (dest = iata)`: the key in the bracket tells what is meant."""
    if not r.cur.take("no"):
        return None
    other = _thing(r)
    if other is None or r.cur.take_any(_ENDS) is None or not key_ahead(r, list(r.sources)) or r.cur.low() != "(":
        return None
    return "anti", other, None


def _has(r: Reading, verbs: bool) -> tuple[Word, Source, Ref | None] | None:
    """`with at least one order`, `who have placed an order`, `that never ordered`, `have never sent a reading`."""
    have = r.cur.take(*_HAVE)
    never = r.cur.take("never", "not", "never ever")
    if not have and not never and not verbs:
        return None
    made = r.cur.take(*_MADE)
    some = r.cur.take(*_SOME)
    if not made and (word := r.cur.low()) in SAME_ROOT:
        found = [one for one in r.sources if entity_score([SAME_ROOT[word]], one.table) >= 0.97]
        if len(found) == 1 and (never or have):
            r.cur.next()
            return ("anti" if never else "semi"), found[0], None
    if not (made or (have and not never)):
        return None
    other = _thing(r)
    if other is None or not (some or made or verbs):
        return None
    return ("anti" if never else "semi"), other, None


def _thing(r: Reading) -> Source | None:
    """`order`, `orders in orders.csv`, `flight of flights.parquet`."""
    other = r.take_entity(least=0.86) or named_table(r)
    if other is None:
        return None
    at = r.cur.at
    if r.cur.take("in", "of", "from") and named_table(r) != other:
        r.cur.at = at
    return other


def _counted(r: Reading, other: Source) -> bool:
    """Where results are totals, `with at least one order` limits them, and another production reads it."""
    outputs = [*r.intent.outputs, *r.prior.outputs]
    return any(one.home == other.alias for one in [*r.intent.measures, *r.prior.measures]) and any(
        one.expression.measures() for one in outputs
    )


def _left(r: Reading, subject: Source | None, other: Source, column: Ref | None, start: int) -> Source | None:
    """The table whose rows are limited. Raises: Unclear when it may be one of several."""
    if subject is not None:
        return subject if subject != other else None
    rest = [source for source in r.sources if source != other]
    if column is not None and column.source != other.alias:
        rest = [source for source in rest if source.alias == column.source] or rest
    if r.current in rest and r.current is not None:
        return r.current
    if len(rest) > 1:
        raise r.unknown(start, "which rows are meant? name their table", r.cur.at)
    return rest[0] if rest else None


def _edge(r: Reading, left: Source, other: Source, column: Ref | None, how: Word, start: int) -> None:
    """The anti or semi join; its key from the column, or from what is said after. Raises: Unclear."""
    pairs: tuple[tuple[str, str], ...] = ()
    if column is not None and column.source in (left.alias, other.alias):
        name = column.column
        theirs = [one.name for one in other.table.columns if r.equal(Ref(left.alias, name), Ref(other.alias, one.name))]
        theirs = theirs or [one.name for one in other.table.columns if one.name.lower() == name.lower()]
        mine = left.table.column(name)
        if mine is None or len(theirs) != 1:
            raise r.unknown(start, f"which column of {other.table.name} holds it? say `({name} = …)`", r.cur.at)
        pairs = ((mine.name, theirs[0]),)
    known = len(r.intent.edges)
    if not pairs and r.cur.take("on", "by", "using", "via", "through", "matching on"):
        take_keys(r, [left, other], how, start)
        del r.intent.edges[known:]
    r.intent.edges.append(Edge(left.alias, other.alias, pairs, how, r.phrase))
