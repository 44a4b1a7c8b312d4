"""The columns by which tables belong together: `on k`, `a.x = b.y`, `(k)` after a table; edges made of them."""

import itertools

from agent_etl.agents.rules.asking import Unclear
from agent_etl.agents.rules.expressions import Ref, kind_of
from agent_etl.agents.rules.ground import STRONG, columns
from agent_etl.agents.rules.intent import Edge, Source
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS
from agent_etl.agents.rules.names import entity_words, stems
from agent_etl.agents.rules.reading import Reading

__all__ = ["add_edge", "key_ahead", "keyless", "read_key", "take_keys"]

_EQUAL = ("=", "equals", "is equal to", "equal to", "matches", "to")
_PAIRED = (*_EQUAL, "with", "against", "and")
_TEXT_OR_WHOLE = {"integer", "text"}
Pairs = list[tuple[Ref, Ref]]


def read_key(r: Reading) -> bool:
    """A join key that stands alone: `on field_code`, `(visit_no)`, `matching a.x with b.y`. Raises: Unclear.

    It tells how tables belong together, not which kind of join is wanted.
    """
    start = r.cur.at
    involved = list(r.sources)
    pairs = _bracketed(r, involved) if len(involved) > 1 else []
    if not pairs and len(involved) > 1:
        if r.cur.take("matching", "matching on", "match"):
            r.cur.take("on", "by")
            pairs = _equality(r, involved, _PAIRED) or _shared(r, involved, start)
        elif r.cur.take("on", "via", "using", "use", "through", "where", "with"):
            word = r.cur.tokens[start].low
            pairs = _equality(r, involved, _EQUAL[:4])
            if word in ("where", "with") and not any(_tells_apart(r, ref) for pair in pairs for ref in pair):
                pairs = []
            elif not pairs:
                pairs = _shared(r, involved, start)
        else:
            pairs = _equality(r, involved, _EQUAL[:4]) or _same(r, involved)
    if not pairs:
        r.cur.at = start
        return False
    while more := _another(r, involved):
        pairs += more
    r.cur.take("to join them", "to join", "for the join", "as the join key", "as key", "as the key", "for joining")
    _stated(r, involved, pairs, None)
    return True


def _tells_apart(r: Reading, ref: Ref) -> bool:
    """No two rows share the column: an equality over it is a key rather than a condition."""
    return r.request.prober.keys(r.table(ref.source), (ref.column,)).unique


def _same(r: Reading, involved: list[Source]) -> Pairs:
    """`order_id in payments is orders.id`, where one of the two tells its rows apart."""
    start = r.cur.at
    pairs = _equality(r, involved, ("is the same as", "is", "refers to", "references", "points to"))
    if any(_tells_apart(r, ref) for pair in pairs for ref in pair):
        return pairs
    r.cur.at = start
    return []


def _another(r: Reading, involved: list[Source]) -> Pairs:
    start = r.cur.at
    if r.cur.take(", and", "and", ",", "&"):
        found = _equality(r, involved, _EQUAL[:4])
        if found:
            return found
    r.cur.at = start
    return []


def _bracketed(r: Reading, involved: list[Source]) -> Pairs:
    """`bills.csv (visit_no)`, `(visits.csv, bills.csv, visit_no)`: a name both tables hold, alone beside a table."""
    start = r.cur.at
    if not start or not _beside_table(r, start):
        return []
    pairs = _shared(r, involved, start)
    after = r.cur.at
    if pairs and r.cur.take("in") and r.take_entity(least=0.86) is None:
        r.cur.at = after
    if pairs and r.cur.low() == ")":
        return pairs
    r.cur.at = start
    return []


def _beside_table(r: Reading, at: int) -> bool:
    """The tokens before are the bracket that a table's name opens or stands in."""
    tokens = r.cur.tokens
    if tokens[at - 1].text == "(":
        before = at - 2
    else:
        before = at - 1
        while before >= 0 and tokens[before].text in (",", "and"):
            before -= 1
        if before == at - 1:
            return False
    if before < 0 or before in r.target_starts:
        return False
    token = tokens[before]
    names = {name.lower() for one in r.sources for name in (one.table.name, one.table.dataset, one.alias)}
    if token.kind == "word" and any(stems(token.text) == entity_words(one.table.name) for one in r.sources):
        return True
    return token.kind == "place" or token.low in names or token.low.rsplit(".", 1)[-1] in names


def take_keys(r: Reading, involved: list[Source], kind: str | None, start: int, new: Source | None = None) -> None:
    """The keys after `on`: equalities, or names that both sides hold. `new`: the table that they attach.

    Raises: Unclear when the words name no key.
    """
    pairs: Pairs = []
    r.cur.take("on", "by")
    while True:
        at = r.cur.at
        found = _equality(r, involved, _EQUAL) or _shared(r, involved, start, new=new)
        if not found:
            if not pairs:
                r.cur.at = min(r.cur.at + 1, len(r.cur.tokens))
                names = " and ".join(one.table.name for one in involved)
                raise r.unknown(at, f"the join key names no column that {names} share")
            r.cur.at = at
            break
        pairs.extend(found)
        at = r.cur.at
        if not r.cur.take(", and", "and", ",", "&", "and on", "and by"):
            break
        r.cur.take("on", "by")
        if r.cur.kind() not in ("word", "string") or not _key_follows(r, involved):
            r.cur.at = at
            break
    r.cur.take(")")
    _stated(r, involved, pairs, kind)


def key_ahead(r: Reading, involved: list[Source]) -> bool:
    """A key stands after the bracket that opens here. Moves nothing."""
    start = r.cur.at
    r.cur.take("(")
    r.cur.take("on", "by", "using")
    found = _key_follows(r, involved)
    r.cur.at = start
    return found


def _key_follows(r: Reading, involved: list[Source]) -> bool:
    start, asked = r.cur.at, dict(r.asking.questions)
    try:
        return bool(_equality(r, involved, _EQUAL) or _shared(r, involved, start, probe=True))
    except Unclear:
        r.asking.questions = asked
        return True
    finally:
        r.cur.at = start


def _equality(r: Reading, involved: list[Source], signs: tuple[str, ...]) -> Pairs:
    """`orders.user_id = customers.id`, `requester_id = users.id`, `dept = dept_code`: the only pair that it can be.

    Raises: Unclear when several pairs of tables hold such columns.
    """
    start = r.cur.at
    lefts = _side(r, involved)
    if not lefts or not r.cur.take(*signs):
        r.cur.at = start
        return []
    rights = _side(r, involved)
    pairs = [
        (one, other)
        for one, other in itertools.product(lefts, rights)
        if one.source != other.source and _alike(r, one, other)
    ]
    if not pairs:
        r.cur.at = start
        return []
    if len(pairs) > 1:
        named = {f"{r.label(one)} = {r.label(other)}": (one, other) for one, other in pairs}
        text = f"{r.cur.quote(start)!r} fits several pairs of columns. Which one?"
        return [named[r.asking.choose("join", r.cur.span(start), text, [(name, name) for name in named])]]
    return pairs


def _alike(r: Reading, one: Ref, other: Ref) -> bool:
    kinds = [kind_of(found.type) for ref in (one, other) if (found := r.table(ref.source).column(ref.column))]
    return kinds[0] == kinds[-1] or set(kinds) <= _TEXT_OR_WHOLE or set(kinds) <= {"integer", "number"}


def _side(r: Reading, pool: list[Source]) -> list[Ref]:
    """Every column that the words may name, taken; `id of films`, `order_id in payments` and `the order's id` too."""
    start = r.cur.at
    r.cur.skip(ARTICLES)
    token = r.cur.peek()
    if token is not None and token.possessive:
        owned = r.take_column(sources=pool, least=STRONG)
        return [owned.sole] if owned is not None and owned.sole is not None else []
    words = [token.text] if token is not None and token.kind == "string" else r.words_ahead(3)
    for size in range(len(words), 0, -1):
        if size > 1 and any(word.lower() in BREAKS for word in words[:size]):
            continue
        refs = _named(words[:size], pool)
        if refs:
            r.cur.at += size
            return _owned(r, refs, pool)
    r.cur.at = start
    return []


def _named(words: list[str], pool: list[Source]) -> list[Ref]:
    """In each table the columns of that very name, else those that are called so with the table's name."""
    refs: list[Ref] = []
    for source in pool:
        found = [one for one in columns(words, [source]) if one.score >= STRONG]
        exact = [one for one in found if one.score == 1.0]
        refs += [one.ref for one in exact or found]
    return refs


def _owned(r: Reading, refs: list[Ref], pool: list[Source]) -> list[Ref]:
    start = r.cur.at
    if r.cur.take("of", "in", "from"):
        owner = r.take_entity(pool, least=0.86)
        if owner is not None and any(ref.source == owner.alias for ref in refs):
            return [ref for ref in refs if ref.source == owner.alias]
    r.cur.at = start
    return refs


def _shared(r: Reading, involved: list[Source], start: int, *, probe: bool = False, new: Source | None = None) -> Pairs:
    """`customer_id` held by two or more of the tables; a bare id is asked about when a reference exists."""
    at = r.cur.at
    r.cur.skip(ARTICLES | {"their", "common", "shared", "column", "key"})
    words = r.words_ahead(4)
    if r.cur.kind() == "string":
        words = [r.cur.tokens[r.cur.at].text]
    for size in range(len(words), 0, -1):
        holders = _holders(words[:size], involved)
        if len(holders) >= 2:
            r.cur.at += size
            if probe:
                return [(holders[0], other) for other in holders[1:]]
            holders = _settle(r, words[:size], holders, start)
            return _paired(r, holders, new, start)
    r.cur.at = at
    return []


def _paired(r: Reading, holders: list[Ref], new: Source | None, start: int) -> Pairs:
    """A table that is joined to several others takes its key from one of them. Raises: Unclear."""
    mine = [ref for ref in holders if new is not None and ref.source == new.alias]
    if not mine or len(holders) == 2:
        return [(holders[0], other) for other in holders[1:]]
    others = {r.label(ref): ref for ref in holders if ref not in mine}
    known = [ref for ref in others.values() if not any(r.equal(ref, one) for one in others.values() if one != ref)]
    if not known:
        return [(next(iter(others.values())), mine[0])]
    text = f"{r.label(mine[0])}: which table's column does it match?"
    chosen = r.asking.choose("join", r.cur.span(start), text, [(name, name) for name in others])
    return [(others[chosen], mine[0])]


def _holders(words: list[str], involved: list[Source]) -> list[Ref]:
    refs: list[Ref] = []
    for source in involved:
        found = [one for one in columns(words, [source]) if one.score >= STRONG]
        exact = [one for one in found if one.score == 1.0] or found
        if exact:
            refs.append(exact[0].ref)
    return refs


def _settle(r: Reading, words: list[str], holders: list[Ref], start: int) -> list[Ref]:
    """`by id` where both tables have their own id: rarely meant when one refers to the other by another column."""
    if stems(" ".join(words)) != ("id",) or len(holders) != 2:
        return holders
    first, second = holders
    options = [("same", f"{r.label(first)} = {r.label(second)}")]
    chosen: dict[str, list[Ref]] = {"same": holders}
    for one, other in ((first, second), (second, first)):
        for column in r.table(one.source).columns:
            ref = Ref(one.source, column.name)
            if r.equal(ref, other) and ref != one:
                name = r.label(ref)
                options.append((name, f"{name} = {r.label(other)}"))
                chosen[name] = [ref, other]
    if len(options) == 1:
        return holders
    text = f"{r.cur.quote(start)!r}: each table has its own id. Which columns match?"
    return chosen[r.asking.choose("join", r.cur.span(start), text, options)]


def _stated(r: Reading, involved: list[Source], pairs: Pairs, kind: str | None) -> None:
    """One edge for each pair of tables that the keys link; left joins keep the rows of the table named first."""
    order = [source.alias for source in involved]
    together: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one, other in dict.fromkeys(pairs):
        if order.index(one.source) > order.index(other.source):
            one, other = other, one
        together.setdefault((one.source, other.source), []).append((one.column, other.column))
        if (one, other) not in r.same:
            r.same.append((one, other))
    for (first, second), on in together.items():
        add_edge(r, Edge(first, second, tuple(on), kind, r.phrase, stated=True))  # type: ignore[arg-type]


def keyless(r: Reading, involved: list[Source], kind: str) -> None:
    """Tables that are joined without a word on the key: it is found later."""
    if len(involved) > 2:
        r.intent.joined.append((frozenset(source.alias for source in involved), kind, r.phrase))
        return
    for left, right in itertools.pairwise(involved):
        add_edge(r, Edge(left.alias, right.alias, (), kind, r.phrase, stated=True))  # type: ignore[arg-type]


def add_edge(r: Reading, edge: Edge) -> None:
    """The edge, put together with what is known of it: one clause may tell the kind and another the key."""
    for at, known in enumerate(r.intent.edges):
        if {known.left, known.right} != {edge.left, edge.right} or known.how in ("anti", "semi"):
            continue
        base = edge if edge.how is not None or known.how is None else known
        pairs = edge.pairs if edge.left == base.left else edge.turned().pairs
        before = known.pairs if known.left == base.left else known.turned().pairs
        if pairs and before and set(pairs) != set(before):
            raise r.asking.refuse(r.cur.span(max(r.cur.at - 1, 0)), "two different keys are given for this join")
        pairs = pairs or before
        attached = edge.attached or known.attached
        r.intent.edges[at] = Edge(base.left, base.right, pairs, base.how, edge.phrase, True, attached)
        return
    r.intent.edges.append(edge)
