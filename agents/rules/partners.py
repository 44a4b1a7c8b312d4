"""What becomes of rows that a join finds no partner for: `even orders without payments`, `keep all customers`."""

from agent_etl.agents.rules.intent import Edge, Kept, Source
from agent_etl.agents.rules.lexicon import ARTICLES
from agent_etl.agents.rules.reading import Reading

__all__ = ["read_partners"]

_LACK = (
    *("without any", "without a matching", "without matching", "without a", "without", "with no", "with zero"),
    *(f"{who} {verb}" for who in ("that", "which", "who") for verb in ("have no", "has no", "lack")),
    "lacking",
    *(f"{who} {verb}" for who in ("that", "who") for verb in ("do not have any", "do not have", "never had")),
)
_ALSO = ("even", "also", "including", "include", "even for", "also for", "also keep", "also include", "and even")
_KEEP = ("keep", "keeping", "retain", "retaining", "preserve", "preserving", "show", "showing")
_TOO = ("too", "as well", "also")
_SHOWN = (
    *(f"{verb} {what}" for verb in ("show", "get", "have", "count as", "with", "as") for what in ("0", "zero", "a 0")),
    *(f"should {verb} {what}" for verb in ("show", "get", "have", "count as") for what in ("0", "zero", "a 0")),
    *("stay", "are kept", "should be kept", "should stay", "must stay", "count too", "count as well", "are included"),
    *("should be included", "must be kept", "appear too", "appear with 0", "should appear too", "remain"),
)
_NOBODY = ("anybody", "anyone", "any", "one", "anything")
_NONE = (
    *("there are none", "there is none", "they have none", "it has none", "none", "they have no", "there are no"),
    *("there is no", "it has no", "those without any", "those without", "without any", "without", "no", "has no"),
    *("have no", "has none", "have none", "missing"),
)


def read_partners(r: Reading) -> bool:
    """A remark on rows without a partner. They stay, with nothing or with 0 from the other table. Raises: Unclear."""
    if len(r.sources) < 2:
        return False
    start = r.cur.at
    for reader in (_all_of, _without, _zeros, _unknown, _unknown_key):
        if reader(r, start):
            return True
        r.cur.at = start
    return False


def _note(r: Reading, owner: Source | None, other: Source | None) -> bool:
    r.intent.kept.append(Kept(owner.alias if owner else None, other.alias if other else None, r.phrase))
    name = f"rows of {owner.table.name}" if owner else "rows"
    r.echo[r.phrase] = f"{name} without {other.table.name if other else 'a partner'} stay"
    return True


def _all_of(r: Reading, start: int) -> bool:
    """`keep all orders`, `keeping every customer, even those without orders`."""
    if not r.cur.take(*_KEEP) or not r.cur.take("all the", "all", "every", "each"):
        return False
    owner = r.take_entity(least=0.86)
    r.cur.skip({"rows", "records"})
    if owner is None:
        return False
    at = r.cur.at
    r.cur.take(",")
    if r.cur.take("even if", "even when", "whether or not", "even") and (other := _lacking(r)) is not None:
        return _note(r, owner, other)
    r.cur.at = at
    return _ended(r) and _note(r, owner, None)


def _lacking(r: Reading) -> Source | None:
    """`those without payments`, `they have no payment`, `there is no payment`."""
    r.cur.skip({"those", "ones", "the", "they", "it", "there", "some"})
    if not r.cur.take(*_LACK, "have no", "has no", "is no", "are no", "have", "has", "do not have", "no"):
        return None
    r.cur.skip(ARTICLES | {"any", "matching", "known"})
    other = r.take_entity(least=0.86)
    if other is not None:
        r.cur.take("or not", "at all", "matches", "match")
    return other


def _without(r: Reading, start: int) -> bool:
    """`even orders without payments`, `visits without bills count too`, `keeping visits without bills`."""
    also = r.cur.take(*_ALSO)
    keeps = not also and r.cur.take(*_KEEP)
    r.cur.skip(ARTICLES | {"all", "for", "those", "ones", "also"})
    owner = r.take_entity(least=0.86)
    if not r.cur.take(*_LACK):
        return False
    r.cur.skip(ARTICLES | {"any", "matching", "known"})
    other = r.take_entity(least=0.86)
    if other is None and not r.cur.take(*_NOBODY):
        return False
    said = r.cur.take(*_TOO, *_SHOWN)
    if not (also or said) and not (keeps and owner is not None and _also(r, owner, other, start)):
        return False
    return (owner is not None or other is not None) and _note(r, owner, other)


def _also(r: Reading, owner: Source, other: Source | None, start: int) -> bool:
    """After a join `keep orders without payments` may mean those too, or only those. Raises: Unclear."""
    if other is None or not any(
        {one.left, one.right} == {owner.alias, other.alias} and one.how in ("inner", "left") for one in r.intent.edges
    ):
        return False
    answer = r.asking.choose(
        "without",
        r.cur.span(start),
        f"Are {owner.table.name} without {other.table.name} kept beside the others, or only they?",
        [("also", "beside the others"), ("only", "only they")],
    )
    return answer == "also"


def _zeros(r: Reading, start: int) -> bool:
    """`0 where none`, `zero when there are no invoices`, `0 for customers without orders`."""
    r.cur.take("with", "or", "show", "showing", "as", "and")
    if not r.cur.take("a 0", "a zero", "0", "zero", "zeros", "zeroes"):
        return False
    if not r.cur.take("if", "when", "where", "for"):
        return False
    owner = r.take_entity(least=0.86)
    if not r.cur.take(*_LACK, *_NONE):
        return False
    r.cur.skip(ARTICLES | {"any"})
    other = r.take_entity(least=0.86)
    return _ended(r) and _note(r, owner, other)


def _unknown(r: Reading, start: int) -> bool:
    """`even if the supplier is unknown`, `even when no customer matches`."""
    if not r.cur.take("even if", "even when", "even where", "even though", "also if", "also when", "whether or not"):
        return False
    r.cur.take("there is", "there are")
    none = r.cur.take("no")
    r.cur.skip(ARTICLES | {"any", "matching"})
    other = r.take_entity(least=0.86)
    if other is None:
        return False
    said = r.cur.take("is", "are") and r.cur.take("unknown", "missing", "absent", "not known", "not there", "not found")
    said = said or (none and r.cur.take("matches", "match", "exists", "exist", "is there", "is known", "was found"))
    return bool(said or (none and _ended(r))) and _note(r, None, other)


def _unknown_key(r: Reading, start: int) -> bool:
    """`keep admissions whose code is unknown` after an enrichment over that code: those too."""
    if not r.cur.take("keep", "keeping", "include", "including", "even"):
        return False
    owner = r.take_entity(least=0.86)
    if owner is None or not r.cur.take("whose"):
        return False
    lefts = [one for one in r.intent.edges if one.how == "left" and one.attached and one.left == owner.alias]
    pairs = lefts or [one for one in r.intent.edges if one.how == "left" and one.left == owner.alias]
    known = len(r.asking.questions)
    found = (
        r.take_column(sources=[owner, *(r.intent.source(one.right) for one in pairs)], least=0.78) if pairs else None
    )
    ref = found.sole if found is not None and len(r.asking.questions) == known else None
    edge = next((one for one in pairs if ref is not None and _on(one, ref.source, ref.column)), None)
    if edge is None or not r.cur.take("is unknown", "are unknown", "is not known", "are not known"):
        return False
    return _note(r, owner, r.intent.source(edge.right))


def _on(edge: Edge, source: str, column: str) -> bool:
    """The column is part of the join's key, or the key is not stated yet and it is the other table's."""
    if not edge.pairs:
        return source in (edge.left, edge.right)
    return any((source, column) in ((edge.left, one), (edge.right, other)) for one, other in edge.pairs)


def _ended(r: Reading) -> bool:
    """The phrase ends here."""
    return r.cur.done or r.cur.low() in (",", ";", ".", ")", ":", "and", "then", "->", "?", "!")
