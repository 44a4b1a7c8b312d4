"""Aggregates in words: counts of things, sums, averages and extremes of columns."""

from dataclasses import replace
from typing import cast

from agent_etl.agents.rules.adjectives import take_adjective
from agent_etl.agents.rules.expressions import Expr, Kind, MeasureRef, Ref
from agent_etl.agents.rules.ground import columns, entities, key_of
from agent_etl.agents.rules.intent import Func, Measure
from agent_etl.agents.rules.lexicon import (
    AGGREGATES,
    ARTICLES,
    DATE_ONLY,
    DISTINCT,
    GRAIN_ADJECTIVES,
    NUMBER_ONLY,
    QUANTITY_NOUNS,
    ROW_NOUNS,
)
from agent_etl.agents.rules.names import singular, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import NUMERIC, require, take_scalar

__all__ = ["add_measure", "count_of", "take_measures"]

_COUNTS = ("number of", "count of", "counts of", "how many", "# of", "amount of distinct", "num of", "no of")
_DATES = frozenset({"date", "timestamp"})


def take_measures(r: Reading) -> list[tuple[Expr, tuple[str, ...]]]:
    """The aggregates that stand here, each with its words; empty (and the cursor back) when none does.

    Several come from one phrase such as `total and average amount`. Raises: Unclear.
    """
    start = r.cur.at
    r.cur.skip(ARTICLES)
    first = r.cur.at
    for reader in (_counted, _called, _explained, _aggregated, _counted_after, _quantity):
        found = reader(r, first)
        if found:
            return found
        r.cur.at = first
    r.cur.at = start
    return []


def add_measure(r: Reading, measure: Measure, unit: str | None = None) -> Expr:
    """A reference to the measure; an equal one is shared."""
    for at, known in enumerate(r.intent.measures):
        if replace(known, phrase=0) == replace(measure, phrase=0):
            return Expr((MeasureRef(at),), _kind(measure), unit)
    r.intent.measures.append(measure)
    return Expr((MeasureRef(len(r.intent.measures) - 1),), _kind(measure), unit)


def _kind(measure: Measure) -> Kind:
    if measure.func in ("count_rows", "count", "count_distinct"):
        return "integer"
    if measure.func in ("min", "max", "sum") and measure.argument is not None:
        return measure.argument.kind
    return "number"


def _words(r: Reading, start: int) -> tuple[str, ...]:
    tokens = r.cur.tokens[start : r.cur.at]
    return tuple(one.text for one in tokens if one.kind == "word" and one.low not in ARTICLES)


def _counted(r: Reading, start: int) -> list[tuple[Expr, tuple[str, ...]]]:
    """`number of [distinct] X`, `how many X`, `count [the] X`, `count`."""
    if r.cur.low(1) in ("number", "count") and r.cur.low(2) == "of":
        r.cur.take("total", "overall")
    if not r.cur.take(*_COUNTS):
        if not r.cur.take("count", "counts", "counting"):
            return []
        r.cur.take("of")
        if r.cur.low() == "(":
            return []
    r.cur.skip(ARTICLES | {"all"})
    found = count_of(r, start)
    if found is None:
        if r.cur.low() in (
            "",
            ",",
            ";",
            ".",
            "per",
            "by",
            "for",
            "and",
            "as",
            "to",
            "into",
            ")",
            "with",
            "having",
            "in",
        ) and r.cur.tokens[r.cur.at - 1].low in ("count", "counts"):
            return [(add_measure(r, Measure("count_rows", None, "*", r.phrase, entity=True)), ("count",))]
        r.cur.at += 0 if r.cur.done else 1
        raise r.unknown(start, "what to count is neither a table's rows nor a column in scope")
    words = _words(r, start)
    r.cur.take("are there", "were there", "there are", "exist", "do we have")
    return [(found, words)]


def count_of(r: Reading, start: int) -> Expr | None:
    """`[distinct] tracks`, `rows`, `distinct statuses` as a count; None when the words name nothing."""
    distinct = r.cur.take_any(DISTINCT) is not None
    r.cur.skip(ARTICLES)
    if r.cur.low() in ROW_NOUNS | {"them"} and not distinct:
        r.cur.next()
        return add_measure(r, Measure("count_rows", None, "*", r.phrase, entity=True))
    adjective = take_adjective(r)
    if adjective is not None:
        source, where = adjective
        counted = Measure("count_rows", None, source.alias, r.phrase, entity=True, distinct=distinct, where=where)
        return add_measure(r, counted)
    at = r.cur.at
    entity = r.take_entity()
    end_of_entity = r.cur.at
    r.cur.at = at
    found = r.take_column(least=0.7)
    if entity is not None and (found is None or end_of_entity >= r.cur.at):
        r.cur.at = end_of_entity
        return add_measure(r, Measure("count_rows", None, entity.alias, r.phrase, entity=True, distinct=distinct))
    if found is None:
        return None
    sole = found.sole
    if not distinct and not _identifies(r, sole, at):
        answer = r.asking.choose(
            "count",
            r.cur.span(start),
            f"{r.cur.quote(start)!r}: count every value or only different ones?",
            [("distinct", "different values"), ("all", "every row that has a value")],
        )
        distinct = answer == "distinct"
    else:
        distinct = True
    home = sole.source if sole is not None else ""
    return add_measure(r, Measure("count_distinct" if distinct else "count", found, home, r.phrase, distinct=distinct))


def _identifies(r: Reading, ref: Ref | None, start: int) -> bool:
    """The words name things by their key: `customers` for customer_id, `order ids`."""
    if ref is None:
        return False
    words = [one.text for one in r.cur.tokens[start : r.cur.at]]
    best = columns(words, r.sources)
    return (bool(best) and best[0].score == 0.7) or key_of(r.table(ref.source)) == (ref.column,)


def _called(r: Reading, start: int) -> list[tuple[Expr, tuple[str, ...]]]:
    """`sum(amount)`, `count(*)`, `count(distinct user_id)`."""
    word = r.cur.low()
    if r.cur.low(1) != "(" or word not in {*AGGREGATES, "count"}:
        return []
    r.cur.at += 2
    if word == "count" and r.cur.take("* )"):
        return [(add_measure(r, Measure("count_rows", None, "*", r.phrase, entity=True)), ("count",))]
    distinct = r.cur.take("distinct")
    inner = take_scalar(r)
    if inner is None or not r.cur.take(")"):
        raise r.unknown(start, "the argument of this function names no column in scope", r.cur.at + 1)
    func = ("count_distinct" if distinct else "count") if word == "count" else AGGREGATES[word]
    if distinct and word != "count":
        raise r.unknown(start, "DISTINCT is understood inside count only")
    return [(_aggregate(r, func, inner, start), _words(r, start))]


def _aggregate(r: Reading, func: str, inner: Expr, start: int) -> Expr:
    if func in ("sum", "avg", "median"):
        require(r, inner, NUMERIC, start, f"a {func}")
    homes = {ref.source for ref in inner.refs()}
    home = homes.pop() if len(homes) == 1 else ""
    return add_measure(r, Measure(cast(Func, func), inner, home, r.phrase), inner.unit)


def _aggregated(r: Reading, start: int) -> list[tuple[Expr, tuple[str, ...]]]:
    """`total amount`, `sum of amount`, `min, max and average price`, `latest order date`."""
    if r.cur.low() in DATE_ONLY | NUMBER_ONLY and (_exact_column(r) or _letters(r)):
        return []
    funcs = _functions(r)
    if not funcs:
        return []
    after = r.cur.at
    r.cur.take("of", "up")
    r.cur.skip(ARTICLES)
    inner = take_scalar(r) if _not_a_grain(r) else None
    if inner is None or inner.measures() or not inner.refs():
        r.cur.at = after - 1
        inner = r.take_column(least=1.0)
    if inner is None:
        r.cur.at = min(after + 1, len(r.cur.tokens))
        raise r.unknown(start, _unknown_reason(r, after))
    _one_reading(r, funcs, after, inner)
    _fits(r, funcs, inner, start)
    noun = _words(r, after)
    if len(funcs) == 1 and inner.sole is not None:
        several = _coordinated(r, funcs[0], start)
        if several:
            first = (_aggregate(r, AGGREGATES[funcs[0]], inner, start), (funcs[0], *noun))
            return [first, *several]
    return [(_aggregate(r, AGGREGATES[word], inner, start), (word, *noun)) for word in funcs]


def _coordinated(r: Reading, func: str, start: int) -> list[tuple[Expr, tuple[str, ...]]]:
    """`sum a, b and c`: further columns under one function, up to a key's opener; empty when it is no such list."""
    resume, found = r.cur.at, list[tuple[Expr, tuple[str, ...]]]()
    known, saved = set(r.asking.questions), list(r.intent.measures)
    last = False
    while not last and (r.cur.take(", and", "and") or r.cur.take(",")):
        last = r.cur.tokens[r.cur.at - 1].low == "and"
        at = r.cur.at
        one = r.take_column(least=0.92) if r.cur.kind() == "word" else None
        sole = one.sole if one is not None else None
        if one is None or sole is None or one.kind not in NUMERIC or stems(sole.column)[-1:] == ("id",):
            break
        if set(r.asking.questions) != known:
            break
        found.append((_aggregate(r, AGGREGATES[func], one, start), (func, *_words(r, at))))
    else:
        if found and last and r.cur.low() in ("per", "by", "for", "of", "from", "in", "grouped", "group"):
            return found
    r.intent.measures[:] = saved
    r.cur.at = resume
    return []


def _explained(r: Reading, start: int) -> list[tuple[Expr, tuple[str, ...]]]:
    """`worst delay (maximum)`: a word of judgement, and in brackets what it means."""
    if not r.cur.take("worst", "best", "peak", "top", "typical"):
        return []
    inner = r.take_column(least=0.92)
    func = _bracketed(r) if inner is not None else None
    if inner is None or func is None:
        return []
    _fits(r, [func], inner, start)
    words = tuple(one.text for one in r.cur.tokens[start : r.cur.at - 3])
    return [(_aggregate(r, AGGREGATES[func], inner, start), words)]


def _bracketed(r: Reading) -> str | None:
    """`(maximum)`, taken."""
    word = r.cur.low(1)
    if r.cur.low() == "(" and word in AGGREGATES and r.cur.low(2) == ")":
        r.cur.at += 3
        return word
    return None


def _not_a_grain(r: Reading) -> bool:
    return r.cur.low() not in GRAIN_ADJECTIVES


def _exact_column(r: Reading) -> bool:
    """`first name`, `last login`: the column's own name begins with the word."""
    start = r.cur.at
    found = r.words_ahead(4)
    for size in range(len(found), 1, -1):
        if any(one.score == 1.0 for one in columns(found[:size], r.sources)):
            r.cur.at = start
            return True
    return False


def _letters(r: Reading) -> bool:
    """`first 3 letters of code`: a part of a text."""
    return any(r.cur.low(ahead) in ("letter", "letters", "character", "characters", "chars") for ahead in (1, 2))


def _functions(r: Reading) -> list[str]:
    funcs: list[str] = []
    while True:
        before = r.cur.at
        if funcs and not (r.cur.take(", and", "and", ",", "&")):
            break
        r.cur.skip(ARTICLES)
        word = r.cur.take_any(AGGREGATES)
        if word is None or r.cur.low() == "(":
            r.cur.at = before
            break
        if word == "average" and r.cur.low() in AGGREGATES and AGGREGATES[r.cur.low()] == "sum":
            pass
        funcs.append(word)
        if r.cur.low() == "of":
            break
    return funcs


def _fits(r: Reading, funcs: list[str], inner: Expr, start: int) -> None:
    for word in funcs:
        if word in DATE_ONLY:
            require(r, inner, _DATES, start, f"the {word}")
        elif word in NUMBER_ONLY:
            require(r, inner, NUMERIC, start, f"the {word}")


def _one_reading(r: Reading, funcs: list[str], start: int, inner: Expr) -> None:
    """Refuse `sum a - 1` and `average revenue`, which each have two values. Raises: Unclear."""
    depth = 0
    for token in r.cur.tokens[start : r.cur.at]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.low in ("+", "-", "plus", "minus"):
            raise r.unknown(start, "is this done before or after adding up? put it in brackets: `sum of (a - b)`")
    word = singular(r.cur.tokens[r.cur.at - 1].low)
    sole = inner.sole
    loose = word in QUANTITY_NOUNS and sole is not None and word not in stems(sole.column)
    if loose and any(AGGREGATES[func] != "sum" for func in funcs):
        raise r.unknown(start, "of single rows or of totals? name the column")


def _unknown_reason(r: Reading, at: int) -> str:
    words = [one.text for one in r.cur.tokens[at : at + 2] if one.kind == "word"]
    near = r.nearest(words) or r.nearest(words[-1:])
    if near:
        return f"no column of that name is in scope; near are {', '.join(near)}"
    return "no column of that name is in scope"


def _counted_after(r: Reading, start: int) -> list[tuple[Expr, tuple[str, ...]]]:
    """`order count`, `track counts`."""
    entity = r.take_entity()
    if entity is None or not r.cur.take("count", "counts"):
        return []
    measure = Measure("count_rows", None, entity.alias, r.phrase, entity=True)
    return [(add_measure(r, measure), _words(r, start))]


def _quantity(r: Reading, start: int) -> list[tuple[Expr, tuple[str, ...]]]:
    """`revenue`, `gross revenue (quantity * unit_price)`: an amount that adds up."""
    words = r.words_ahead(3)
    for size in range(len(words), 0, -1):
        if singular(words[size - 1].lower()) in QUANTITY_NOUNS:
            at = r.cur.at
            r.cur.at += size
            defined = _defined(r)
            if defined is not None:
                require(r, defined, NUMERIC, start, "a sum")
                return [(_aggregate(r, "sum", defined, start), tuple(words[:size]))]
            r.cur.at = at
            if any(score >= 0.96 for score, _ in entities(words[:size], r.sources)):
                # A table of that name: `sales without a note` are its rows, and `sales per shop` may count them.
                if r.cur.low(size) not in ("per", "by", "for"):
                    return []
                r.cur.at += size
                raise r.unknown(start, "counted, or added up? write `number of …`, or `total` and the column")
            inner = r.take_column(want=NUMERIC)
            if inner is None and size == 1:
                r.cur.next()
                raise r.unknown(
                    start, "no column in scope clearly holds it; say which, as in `revenue = sum of amount`"
                )
            if inner is None:
                return []
            require(r, inner, NUMERIC, start, "a sum")
            sole = inner.sole
            if sole is not None:
                r.asking.note(f"{r.cur.quote(start)} is the sum of {r.label(sole)}.")
            return [(_aggregate(r, "sum", inner, start), tuple(words[:size]))]
    return []


def _defined(r: Reading) -> Expr | None:
    """`(quantity * unit_price)`, `= quantity * unit_price` after a name."""
    start = r.cur.at
    if r.cur.take("("):
        r.cur.take("=", "is")
        inner = take_scalar(r)
        if inner is not None and inner.refs() and r.cur.take(")"):
            return inner
    elif r.cur.take("=", "as sum of", "as the sum of"):
        r.cur.take("sum of")
        inner = take_scalar(r)
        if inner is not None and inner.refs():
            return inner
    r.cur.at = start
    return None
