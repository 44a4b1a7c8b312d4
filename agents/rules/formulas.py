"""Columns that the goal defines: `margin = price - cost`, `net price as price minus discount`, `rate (a / b)`."""

from agent_etl.agents.rules.asking import Unclear
from agent_etl.agents.rules.comparisons import take_comparison
from agent_etl.agents.rules.conditions import take_condition
from agent_etl.agents.rules.expressions import Expr
from agent_etl.agents.rules.intent import Output
from agent_etl.agents.rules.lexicon import AGGREGATES, ALL_VERBS, ARTICLES, BREAKS, ROW_NOUNS
from agent_etl.agents.rules.measures import take_measures
from agent_etl.agents.rules.names import slug
from agent_etl.agents.rules.naming import take_names
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import take_scalar, take_suffixes
from agent_etl.agents.rules.sources import read_source

__all__ = ["read_flag", "read_formula", "take_definition"]

_LONGEST = 7
_OPERATIONS = frozenset(
    {"absolute", "abs", "floor", "ceil", "ceiling", "root", "sqrt", "log", "logarithm", "exp", "half", "twice", "not"}
    | {"double", "triple", "negative", "inverse", "reciprocal", "power", "squared", "truncated", "square", "cube", "no"}
    | {"non", "lower", "upper", "trim", "lowercase", "uppercase"}
)
_VERBS = (
    "compute the",
    "compute",
    "calculate the",
    "calculate",
    "derive the",
    "derive",
    "add the",
    "add a",
    "add",
    "with",
)


def take_definition(r: Reading) -> tuple[str, Expr] | None:
    """`margin = unit_price - cost`, `net price as price minus discount`, `big = amount > 50`. Raises: Unclear."""
    start = r.cur.at
    r.cur.skip(ARTICLES)
    name, sign = _name(r)
    if not name:
        r.cur.at = start
        return None
    try:
        value = _value(r)
    except Unclear:
        if sign == "=":
            raise
        value = None
    if value is None or (sign != "=" and value.sole is not None):
        r.cur.at = start
        return None
    return name, value


def _name(r: Reading) -> tuple[str, str]:
    """One to four words and the sign after them; empty (and the cursor anywhere) when no definition stands here."""
    first = r.cur.peek()
    if first is None or first.kind not in ("word", "string"):
        return "", ""
    words = [first.text]
    if first.kind == "word":
        words = r.words_ahead(4)
        words = words[: next((at for at, word in enumerate(words) if word.lower() == "as"), len(words))]
    sign = r.cur.low(len(words))
    single = len(words) == 1
    if not words or sign not in (("=", "as", ":") if single else ("=", "as")):
        return "", ""
    # `total cost = units * unit_cost` defines a column; `total cost as …` names a total.
    operators = BREAKS - frozenset(AGGREGATES) if sign == "=" else BREAKS
    if operators & {word.lower() for word in words} and not (single and sign == "="):
        return "", ""
    r.cur.at += len(words) + 1
    plain = first.kind == "string" or (single and "_" in first.text)
    return (first.text if plain else slug(words)), sign


def _value(r: Reading) -> Expr | None:
    """A total, a test (true or false), or an expression of single rows."""
    found = take_measures(r)
    if found:
        return found[0][0] if len(found) == 1 else None
    start = r.cur.at
    value = take_scalar(r)
    end = r.cur.at
    if value is not None and value.refs() and take_comparison(r) is not None:
        r.cur.at = start
        test = take_condition(r)
        if test is not None and not test.measures() and r.cur.at > end:
            return test
    r.cur.at = end if value is not None else start
    return value


def read_formula(r: Reading) -> bool:
    """`scrap rate in percent (scrap / units * 100)`, `price per square metre (price / sqm, 2 decimals) as ppm`.

    The words before the brackets are a title: the formula says what they mean. Raises: Unclear.
    """
    start = r.cur.at
    r.cur.take(*_VERBS)
    r.cur.skip(ARTICLES)
    words = _title(r)
    value = _bracket(r) if words else None
    if value is None:
        r.cur.at = start
        return False
    value = take_suffixes(r, value)
    names = take_names(r, 1) if r.cur.take("as", "called", "named", ", as") else []
    name = names[0] if names else slug(_untitled(words))
    if value.measures():
        r.intent.trail.append("M")
    r.intent.outputs.append(Output(name, value, r.phrase, tuple(words), not value.measures(), named=bool(names)))
    return True


def _title(r: Reading) -> list[str]:
    """The words up to a bracket, taken, when none of them can be an operation of its own."""
    words: list[str] = []
    while r.cur.kind(len(words)) == "word" and len(words) <= _LONGEST:
        token = r.cur.peek(len(words))
        words.append(token.text if token is not None else "")
    operators = (BREAKS | ALL_VERBS) - {"in", "per", "of"}
    taken = {word.lower() for word in words} & operators
    if not words or taken or r.cur.low(len(words)) != "(" or words[0].lower() in ("in", "per", "of"):
        return []
    last, bracket = r.cur.peek(len(words) - 1), r.cur.peek(len(words))
    called = last is not None and bracket is not None and last.end == bracket.start
    if called or words[-1].lower() == "of" or words[0].lower() in _OPERATIONS:
        # `sqrt(a * b)`, `absolute value of (a - b)`: the brackets hold what the words work on.
        return []
    r.cur.at += len(words)
    return words


def _untitled(words: list[str]) -> list[str]:
    """`scrap rate in percent` is called scrap_rate: the unit says what the values are."""
    lows = [word.lower() for word in words]
    return words[: lows.index("in")] if "in" in lows[1:] and lows[-1] not in ("in", "of", "per") else words


def _bracket(r: Reading) -> Expr | None:
    """The formula: arithmetic over columns, maybe with its rounding. A column alone is no formula."""
    r.cur.take("(")
    r.cur.take("=", "i.e.", "that is", "i.e. ,")
    known = set(r.asking.questions), set(r.asking.refusals)
    try:
        value = _value(r)
    except Unclear:
        if (set(r.asking.questions), set(r.asking.refusals)) != known:
            raise
        return None
    if value is None or value.kind == "boolean" or value.sole is not None or not (value.refs() or value.measures()):
        return None
    value = take_suffixes(r, value)
    return value if r.cur.take(")") else None


def read_flag(r: Reading) -> bool:
    """`flag orders with amount over 50 as big`, `flag each row as passed when mark is at least 50`. Raises: Unclear."""
    start = r.cur.at
    if not r.cur.take("flag", "mark", "tag"):
        return False
    r.cur.skip(ARTICLES | {"each", "every", "all"})
    if r.cur.take_any(ROW_NOUNS) is None:
        r.take_entity(least=0.8)
    if r.cur.low() in ("of", "in", "from"):
        read_source(r)
    name, test = _named_flag(r), None
    if r.cur.take("when", "if", "where", "with", "whose", "that have", "that are", "having"):
        r.cur.skip(ARTICLES)
        test = take_condition(r)
    name = name or _named_flag(r)
    if test is None or test.measures() or not name:
        end = next((at for at in range(r.cur.at, len(r.cur.tokens)) if r.cur.tokens[at].text in ",;."), None)
        raise r.unknown(start, "a flag reads `flag <rows> where <condition> as <name>`", end or len(r.cur.tokens))
    r.intent.outputs.append(Output(name, test, r.phrase, (name,), derived=True, named=True))
    return True


def _named_flag(r: Reading) -> str:
    names = take_names(r, 1) if r.cur.at + 1 not in r.target_starts and r.cur.take("as") else []
    return names[0] if names else ""
