"""What tells rows apart without a comparison: adjectives, states, and words that a bracket explains."""

from agent_etl.agents.rules.adjectives import meaning, opposite, take_adjective
from agent_etl.agents.rules.conditions import take_condition
from agent_etl.agents.rules.expressions import Expr, build
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.lexicon import ALL_VERBS, ARTICLES, BREAKS, ROW_NOUNS
from agent_etl.agents.rules.names import singular
from agent_etl.agents.rules.reading import Reading

__all__ = ["pass_place", "take_bracket", "take_kind", "take_quality", "take_state"]

_AFTER_KIND = frozenset({"whose", "that", "which", "who", "with", "where", "only", ",", ";", ".", "and", "into", "to"})
_BEING = frozenset({"is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "got", "get"})
_ANYTHING = ROW_NOUNS | {"ones", "values", "items", "things", "cases"}
_TESTS = frozenset(
    (
        *("is", "are", "was", "were", "=", ">", "<", ">=", "<=", "!=", "not", "no", "null", "empty", "missing", "in"),
        *("between", "on", "contains", "starts", "ends", "over", "above", "below", "under", "than", "least", "most"),
        *("true", "false", "before", "after", "since", "until", "exceeds", "equals", "known", "set"),
    )
)
_ASIDES = frozenset({"still", "already", "currently", "now", "ever", "yet"})


def take_quality(r: Reading) -> tuple[Source, Expr] | None:
    """`completed orders`, `female patients (sex = 'F')`, taken: the table and the condition. Raises: Unclear."""
    return _explained(r) or take_adjective(r)


def _explained(r: Reading) -> tuple[Source, Expr] | None:
    """An adjective whose meaning follows in brackets: `irrigated fields of f.csv (irrigated = Y)`."""
    start = r.cur.at
    r.cur.skip(ARTICLES | {"all"})
    token = r.cur.peek()
    plain = token is not None and (token.low not in BREAKS or token.low in ALL_VERBS)
    if token is not None and token.kind == "word" and plain and r.cur.kind(1) == "word":
        r.cur.next()
        source = r.take_entity(least=0.8) or _anything(r)
        if source is not None:
            pass_place(r)
            condition = _bracket(r, source)
            if condition is not None:
                r.asking.note(f"{token.text!r} means what the brackets say.")
                return source, condition
    r.cur.at = start
    return None


def _anything(r: Reading) -> Source | None:
    """`metered values`, `open ones`: rows of the only table, by a noun for any."""
    return r.sources[0] if len(r.sources) == 1 and r.cur.take_any(_ANYTHING) else None


def pass_place(r: Reading) -> None:
    """`of tickets.jsonl`: the file is in scope already."""
    if r.cur.low() in ("of", "in", "from") and r.cur.kind(1) == "place":
        r.cur.at += 2


def _bracket(r: Reading, source: Source) -> Expr | None:
    """A condition on that table in brackets, taken."""
    start = r.cur.at
    if r.cur.take("("):
        r.cur.skip(ARTICLES | {"where", "i", "e"})
        condition = take_condition(r)
        own = condition is not None and {ref.source for ref in condition.refs()} == {source.alias}
        if own and (r.cur.take(")") or r.cur.low() in (";", ",")):
            return condition
    r.cur.at = start
    return None


def take_kind(r: Reading) -> tuple[Source, Expr] | None:
    """`credits`, `debits only`: a value of the only table's rows in the plural, for the rows that have it.

    Raises: Unclear when it is a value of several columns.
    """
    start = r.cur.at
    r.cur.skip(ARTICLES | {"all"})
    at = r.cur.at
    token = r.cur.peek()
    source = r.current or (r.sources[0] if len(r.sources) == 1 else None)
    follows = r.cur.low(1) in _AFTER_KIND or r.cur.kind(1) == ""
    if token is not None and token.kind == "word" and source is not None and follows and token.low not in BREAKS:
        one = singular(token.low)
        found = meaning(r, source, one, at) if one != token.low else None
        if found is not None:
            r.cur.next()
            r.cur.take("only")
            return source, found
    r.cur.at = start
    return None


def take_state(r: Reading, subject: Source | None) -> Expr | None:
    """`are not cancelled`, `are still open (closed is null)`, `were never returned`, taken. Raises: Unclear."""
    start = r.cur.at
    source = subject or r.current or (r.sources[0] if len(r.sources) == 1 else None)
    being = r.cur.take_any(_BEING) or (start and r.cur.tokens[start - 1].low in _BEING)
    if not being or source is None:
        r.cur.at = start
        return None
    r.cur.skip(_BEING | _ASIDES)
    negative = r.cur.take("not", "never")
    r.cur.skip(_BEING | _ASIDES)
    at = r.cur.at
    token = r.cur.peek()
    if token is None or token.kind != "word" or (token.low in BREAKS and r.cur.low(1) != "("):
        r.cur.at = start
        return None
    r.cur.next()
    condition = _bracket(r, source)
    if condition is not None:
        return _settled(r, at, condition) if negative else condition
    found = meaning(r, source, token.text, at)
    if found is None:
        r.cur.at = start
        return None
    return opposite(r, found, start) if negative else found


def take_bracket(r: Reading) -> Expr | None:
    """`(paid_on is empty)`: a condition on one table that fills a pair of brackets, or its first clause; taken."""
    start = r.cur.at
    if not start or r.cur.tokens[start - 1].text != "(" or not _tests(r):
        return None
    condition = take_condition(r)
    if condition is not None and len({ref.source for ref in condition.refs()}) == 1 and r.cur.low() in (")", ";", ","):
        return condition
    r.cur.at = start
    return None


def _tests(r: Reading) -> bool:
    """Some word up to the closing bracket compares: `(month of order_date)` tests nothing."""
    for token in r.cur.tokens[r.cur.at :]:
        if token.text == ")":
            return False
        if token.low in _TESTS:
            return True
    return False


def _settled(r: Reading, at: int, condition: Expr) -> Expr:
    """`never returned (returned_on is empty)`: the bracket holds for the whole, or for the word without its `never`."""
    shown = "".join(part if isinstance(part, str) else "" for part in condition.parts)
    if " IS NULL" in shown or "= false" in shown:
        return condition
    answer = r.asking.choose(
        "bracket",
        r.cur.span(at - 1),
        f"Do the rows that stay meet what stands in brackets after {r.cur.quote(at - 1, at + 1)!r}?",
        [("yes", "the rows that meet it stay"), ("no", "the rows that meet it go")],
    )
    return condition if answer == "yes" else build("({} IS NOT TRUE)", condition, kind="boolean")
