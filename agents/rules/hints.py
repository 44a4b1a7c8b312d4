"""What a goal tells about the data: units, what a column refers to, that things count once."""

from agent_etl.agents.rules.expressions import Ref
from agent_etl.agents.rules.ground import key_of
from agent_etl.agents.rules.intent import Edge, Source
from agent_etl.agents.rules.lexicon import ARTICLES, UNITS
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import NUMERIC

__all__ = ["read_hint"]

_HARMLESS = frozenset(
    {"however", "no", "matter", "how", "many", "even", "if", "though", "it", "they", "has", "have", "had", "several"}
    | {
        "multiple",
        "more",
        "than",
        "one",
        "two",
        "a",
        "an",
        "the",
        "regardless",
        "of",
        "number",
        "times",
        "with",
        "there",
    }
    | {
        "are",
        "is",
        "when",
        "where",
        "only",
        "some",
        "its",
        "their",
        "for",
        "can",
        "may",
        "might",
        "split",
        "into",
        "lots",
    }
)


def read_hint(r: Reading) -> bool:
    """A fact about the data, in brackets or not. Raises: Unclear."""
    start = r.cur.at
    for reader in (_column_fact, _once, _several):
        if reader(r):
            return True
        r.cur.at = start
    return False


def _column_fact(r: Reading) -> bool:
    """`amount is in cents`, `orders.user_id is the customer's id`, `user_id = customers.id`, `prices are in cents`."""
    start = r.cur.at
    r.cur.take("where", "since", "because", "note that", "note", "whereby")
    r.cur.take("all")
    if r.cur.kind() != "word":
        return False
    known = len(r.asking.questions)
    left = r.take_column(least=0.78) if r.cur.low() not in ("keep", "only") else None
    if left is None or left.sole is None or len(r.asking.questions) > known:
        return False
    if r.cur.take("is in", "are in", "is stored in", "are stored in", "is given in", "are given in", "in"):
        r.cur.skip({"us", "american"})
        words = stems(r.cur.low())
        if words and words[-1] in UNITS and r.cur.tokens[r.cur.at - 1].low == "in":
            r.cur.next()
            r.units[left.sole] = words[-1]
            r.echo[r.phrase] = f"{r.label(left.sole)} holds {words[-1]}s"
            return True
        return False
    if r.cur.take(
        "is", "refers to", "references", "points to", "identifies", "links to", "matches", "equals", "=", "are"
    ):
        words = stems(r.cur.low())
        plural = words and words[-1] in UNITS and r.cur.low() == f"{words[-1]}s"
        if plural and left.kind in NUMERIC and r.cur.tokens[r.cur.at - 1].low in ("is", "are"):
            # `amounts are cents`
            r.cur.next()
            r.units[left.sole] = words[-1]
            r.echo[r.phrase] = f"{r.label(left.sole)} holds {words[-1]}s"
            return True
        r.cur.skip(ARTICLES)
        return _reference(r, left.sole, start)
    return False


def _reference(r: Reading, left: Ref, start: int) -> bool:
    others = [source for source in r.sources if source.alias != left.source]
    at = r.cur.at
    right = r.take_column(sources=others, least=0.92)
    if right is not None and right.sole is not None and right.kind in ("integer", "text", "number"):
        keys = _key_like(left) or _key_like(right.sole) or right.sole.column in _keys(r)
        if keys:
            _link(r, left, right.sole)
            return True
    r.cur.at = at
    entity = r.take_entity(others, least=0.86)
    if entity is not None:
        r.cur.take("key", "number", "identifier", "id")
        key = key_of(entity.table)
        if len(key) == 1:
            _link(r, left, Ref(entity.alias, key[0]))
            return True
    r.cur.at = start
    return False


def _key_like(ref: Ref) -> bool:
    """The column is named like a key."""
    words = stems(ref.column)
    return bool(words) and words[-1] in ("id", "key", "code", "no", "number", "sku", "uuid", "ref")


def _keys(r: Reading) -> set[str]:
    return {name for source in r.sources for name in key_of(source.table)}


def _link(r: Reading, left: Ref, right: Ref) -> None:
    if (left, right) not in r.same:
        r.same.append((left, right))
    edge = Edge(left.source, right.source, ((left.column, right.column),), None, r.phrase, stated=True)
    if not any({one.left, one.right} == {edge.left, edge.right} and one.pairs for one in r.intent.edges):
        r.intent.edges.append(edge)
    r.echo[r.phrase] = f"{r.label(left)} refers to {r.label(right)}"


def _once(r: Reading) -> bool:
    """`count an order once however many payments it has`, `each order counts once`, `count it once`."""
    said = r.cur.take("count", "counting", "counted")
    r.cur.skip(ARTICLES | {"each", "every"})
    once = ("only once", "once", "exactly once", "just once", "a single time", "one time")
    if said and r.intent.once and r.cur.take("it", "them", "these"):
        alias: str | None = r.intent.once[-1][0]
    elif not said and r.intent.measures and r.cur.take("once each", "each once", "each only once", "only once each"):
        alias = r.intent.measures[-1].home
        return alias not in ("", "*") and _counts_once(r, alias)
    else:
        entity = r.take_entity(least=0.86)
        alias = entity.alias if entity is not None else None
    said = said or r.cur.take("counts", "is counted", "should count", "must count", "should be counted", "are counted")
    if not said or alias is None or not r.cur.take(*once):
        return False
    at = r.cur.at
    r.cur.take(",")
    _aside(r)
    if r.cur.at == at + 1 or r.cur.low() in ("without", "with", "that", "which", "who", "lacking"):
        # `even orders without payments` is no explanation.
        r.cur.at = at
    return _counts_once(r, alias)


def _counts_once(r: Reading, alias: str) -> bool:
    r.intent.once.append((alias, r.phrase))
    r.echo[r.phrase] = f"each row of {r.table(alias).name} counts once"
    return True


def _several(r: Reading) -> bool:
    """`an order can have several payments`: a warning that fan-out is near; the plan guards against it anyway."""
    r.cur.take("watch out ,", "watch out", "note that", "note ,", "beware ,", "careful ,", "mind that")
    r.cur.skip(ARTICLES | {"each", "every", "some", "one"})
    first = r.take_entity(least=0.86)
    if first is None or not r.cur.take(
        "can have", "may have", "might have", "could have", "has", "have", "can be paid in", "can also have"
    ):
        return False
    if not r.cur.take("several", "multiple", "many", "more than one", "two or more", "any number of", "a number of"):
        return False
    second = r.take_entity(least=0.86)
    if second is None:
        return False
    while r.cur.take("and several", "and multiple", "and many", "and more than one"):
        if r.take_entity(least=0.86) is None:
            return False
    r.intent.once.append((first.alias, r.phrase))
    r.echo[r.phrase] = f"several rows of {second.table.name} may belong to one of {first.table.name}"
    return True


def _aside(r: Reading) -> None:
    """The rest of a remark that only explains: nouns of tables and words that ask for nothing."""
    while True:
        at = r.cur.at
        if r.cur.low() in _HARMLESS:
            r.cur.next()
            continue
        entity: Source | None = r.take_entity(least=0.86) if r.cur.kind() == "word" else None
        if entity is None:
            r.cur.at = at
            return
