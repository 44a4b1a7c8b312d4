"""Functions of single values in words: case and length of text, parts of dates, absolute values, joined texts."""

from collections.abc import Callable

from agent_etl.agents.rules.expressions import Expr, build, text
from agent_etl.agents.rules.ground import WEAK, columns
from agent_etl.agents.rules.lexicon import ARTICLES, SMALL_NUMBERS
from agent_etl.agents.rules.reading import Reading

__all__ = ["NUMERIC", "grain", "require", "take_function", "take_text"]

Inner = Callable[[Reading], Expr | None]

NUMERIC = frozenset({"integer", "number"})
_DATED = frozenset({"date", "timestamp"})
_TEXT = {"uppercase": "upper", "upper": "upper", "uppercased": "upper", "lowercase": "lower", "lower": "lower"}
_TEXT |= {"lowercased": "lower", "trimmed": "trim", "trim": "trim", "upper-case": "upper", "lower-case": "lower"}
_PARTS = {"year": "year", "day": "day", "hour": "hour", "minute": "minute", "weekday": "isodow", "quarter": "quarter"}
_NUMBERS = {"abs": "abs", "absolute": "abs", "floor": "floor", "ceil": "ceil", "ceiling": "ceil"}
_LETTERS = ("letters", "letter", "characters", "character", "chars", "char")
_MARKS = {"space": " ", "comma": ",", "dash": "-", "hyphen": "-", "slash": "/", "underscore": "_", "colon": ":"}


def take_function(r: Reading, inner: Inner) -> Expr | None:
    """A function and its argument, taken; None when none stands here. `inner` reads an argument. Raises: Unclear."""
    word = r.cur.low()
    if r.cur.kind() != "word":
        return None
    if word in _TEXT:
        return _of_text(r, _TEXT[word], inner)
    if word in _PARTS or word in ("month", "week", "date"):
        return _part(r, word)
    if word in _NUMBERS:
        return _of_number(r, _NUMBERS[word], inner)
    if word in ("length", "number"):
        return _length(r)
    if word in ("first", "last", "leading"):
        return _letters(r, word)
    if word in ("concat", "concatenate", "concatenation"):
        return _joined(r, inner)
    return None


def _of_text(r: Reading, name: str, inner: Inner) -> Expr | None:
    start = r.cur.at
    r.cur.next()
    closing = r.cur.take("(")
    r.cur.skip(ARTICLES | {"of"})
    found = inner(r)
    if found is None or found.kind != "text" or (closing and not r.cur.take(")")):
        r.cur.at = start
        return None
    return build(name + "({})", found, kind="text")


def _of_number(r: Reading, name: str, inner: Inner) -> Expr | None:
    """`abs(a - b)`, `absolute value of a`, `floor of a`."""
    start = r.cur.at
    r.cur.next()
    r.cur.take("value")
    closing = r.cur.take("(")
    r.cur.skip(ARTICLES | {"of"})
    found = inner(r)
    if found is None or found.kind not in NUMERIC or not found.refs() or (closing and not r.cur.take(")")):
        r.cur.at = start
        return None
    kind = found.kind if name == "abs" else "integer"
    shape = name + "({})" if name == "abs" else f"CAST({name}({{}}) AS BIGINT)"
    return build(shape, found, kind=kind, unit=found.unit)


def _length(r: Reading) -> Expr | None:
    """`length of title`, `number of characters in title`; not where a column holds a length."""
    start = r.cur.at
    asked = r.cur.take(*(f"number of {noun} in" for noun in _LETTERS), *(f"number of {noun} of" for noun in _LETTERS))
    held = any(one.score >= WEAK for one in columns(["length"], r.sources))
    closing = not asked and r.cur.take("length (")
    if asked or closing or (not held and r.cur.take("length of")):
        found = r.take_column()
        if found is not None and found.kind == "text" and (not closing or r.cur.take(")")):
            return build("length({})", found, kind="integer")
    r.cur.at = start
    return None


def _letters(r: Reading, word: str) -> Expr | None:
    """`first 3 letters of code`."""
    start = r.cur.at
    r.cur.next()
    token = r.cur.peek()
    digits = str(SMALL_NUMBERS.get(token.low, token.text)) if token is not None else ""
    if digits.isdecimal() and len(digits) < 4:
        r.cur.next()
    else:
        digits = "1"
    if r.cur.take(*_LETTERS) and r.cur.take("of"):
        found = r.take_column()
        if found is not None and found.kind == "text":
            side = "right" if word == "last" else "left"
            return build(f"{side}({{}}, {int(digits)})", found, kind="text")
    r.cur.at = start
    return None


def _joined(r: Reading, inner: Inner) -> Expr | None:
    """`concat(a, ' ', b)`, `concatenate a and b with a space`. Raises: Unclear when what stands between is not said."""
    start = r.cur.at
    r.cur.next()
    r.cur.take("of")
    closing = r.cur.take("(")
    parts: list[Expr] = []
    while True:
        part = take_text(r) or inner(r)
        if part is None:
            break
        parts.append(part)
        if not r.cur.take(", and", ",", "and", "&"):
            break
    if (
        len(parts) < 2
        or any(not one.refs() and one.kind != "text" for one in parts)
        or (closing and not r.cur.take(")"))
    ):
        r.cur.at = start
        return None
    if not closing and len(parts) == 2:
        parts.insert(1, _between(r, start))
    return build(" || ".join("{}" for _ in parts), *parts, kind="text")


def _between(r: Reading, start: int) -> Expr:
    if r.cur.take("with", "separated by", "joined by", "joined with", "using", "with only"):
        found = take_text(r)
        if found is not None:
            r.cur.take("between", "in between", "between them", "as separator")
            return found
    answer = r.asking.choose(
        "separator",
        r.cur.span(start),
        f"{r.cur.quote(start)!r}: what stands between the texts?",
        [("space", "a space"), ("nothing", "nothing"), ("comma", "a comma")],
    )
    return text({"space": " ", "comma": ","}.get(answer, ""))


def take_text(r: Reading) -> Expr | None:
    """A piece of text to put in: `' '`, `a space`, `comma`; not a quoted column name."""
    start = r.cur.at
    token = r.cur.peek()
    if token is not None and token.kind == "string":
        if any(one.score == 1.0 for one in columns([token.text], r.sources)):
            return None
        r.cur.next()
        return text(token.text)
    article = r.cur.take("a", "one", "an")
    if r.cur.low() in _MARKS and (article or r.cur.low() == "space"):
        return text(_MARKS[r.cur.next().low])
    r.cur.at = start
    return None


def _part(r: Reading, word: str) -> Expr | None:
    """`year of order_date`, `year(order_date)`."""
    start = r.cur.at
    r.cur.next()
    closing = r.cur.take("(")
    if not closing and not r.cur.take("of"):
        r.cur.at = start
        return None
    found = r.take_column(want=_DATED)
    if found is None or (closing and not r.cur.take(")")):
        r.cur.at = start
        return None
    require(r, found, _DATED, start, f"the {word}")
    if word == "date":
        return build("CAST({} AS DATE)", found, kind="date")
    if word in ("month", "week"):
        answer = r.asking.choose(
            "part",
            r.cur.span(start),
            f"Is {r.cur.quote(start)!r} the {word}'s number in the year or its first day?",
            [("number", f"the number of the {word}"), ("start", f"the first day of the {word}, as a date")],
        )
        if answer == "start":
            return grain(found, word)
    return build(f"extract({_PARTS.get(word, word)} FROM {{}})", found, kind="integer")


def grain(inner: Expr, word: str) -> Expr:
    """A date cut to its year (a number), or to the first day of its quarter, month, week, or to the day or hour."""
    if word == "year":
        return build("extract(year FROM {})", inner, kind="integer")
    if word == "hour":
        return build("date_trunc('hour', {})", inner, kind="timestamp")
    if word == "day":
        return inner if inner.kind == "date" else build("CAST({} AS DATE)", inner, kind="date")
    return build(f"CAST(date_trunc('{word}', {{}}) AS DATE)", inner, kind="date")


def require(r: Reading, found: Expr, kinds: frozenset[str], start: int, purpose: str) -> None:
    """Refuse when the expression's kind does not serve. Raises: Unclear."""
    if found.kind not in kinds:
        need = " or ".join(sorted(kinds))
        raise r.unknown(
            start, f"{purpose} needs a column of kind {need}, and this one holds {found.kind}; cast it first"
        )
