"""Computed values named again: `only revenue > 100`, `sorted by avg_price`, `columns region, orders`."""

from collections.abc import Iterable
from dataclasses import replace

from agent_etl.agents.rules.expressions import Expr, MeasureRef, Ref
from agent_etl.agents.rules.intent import Measure, Output
from agent_etl.agents.rules.lexicon import AGGREGATES, ARTICLES
from agent_etl.agents.rules.measures import add_measure
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading

__all__ = ["gist", "known_measure", "recalled", "total_named"]

_COUNT = frozenset({"number", "count", "num", "cnt"})
_EMPTY = ARTICLES | {"of", "how", "many", "#", "each", "every"}


def gist(words: Iterable[str]) -> tuple[str, ...]:
    """What the words name, however it is said: `avg_price`, `average price` and `mean of the prices` are one."""
    found = []
    for word in (stem for text in words for stem in stems(text)):
        if word in _COUNT:
            found.append("count")
        elif word not in _EMPTY:
            found.append(AGGREGATES.get(word, word))
    return tuple(found)


def known_measure(r: Reading) -> Expr | None:
    """An output that the goal computes, named here again (`revenue` in `revenue > 100`), taken."""
    start = r.cur.at
    r.cur.skip(ARTICLES)
    words = r.words_ahead(6)
    for size in range(len(words), 0, -1):
        found = _named(r, words[:size])
        if found is not None:
            r.cur.at += size
            return found
    r.cur.at = start
    return None


def _named(r: Reading, words: list[str]) -> Expr | None:
    wanted = gist(words)
    for outputs, measures in ((r.intent.outputs, r.intent.measures), (r.prior.outputs, r.prior.measures)):
        for output in outputs:
            if not output.expression.measures():
                continue
            if wanted == gist(output.words) or "_".join(words).lower() == output.name.lower():
                return _again(r, output.expression, measures)
    return None


def recalled(r: Reading, output: Output) -> Expr:
    """The output's expression, its measures in this reading's list."""
    for outputs, measures in ((r.intent.outputs, r.intent.measures), (r.prior.outputs, r.prior.measures)):
        if output in outputs:
            return _again(r, output.expression, measures)
    return output.expression


def total_named(r: Reading, *, any_function: bool = False) -> Expr | None:
    """`total`, `average`, `count` alone, taken: the only computed value of that function.

    `any_function`: no word is taken, and the value must be the only one there is.
    """
    outputs, measures = (
        (r.prior.outputs, r.prior.measures) if r.prior.outputs else (r.intent.outputs, r.intent.measures)
    )
    wanted = "count" if r.cur.low() in _COUNT else AGGREGATES.get(r.cur.low(), "")
    if not (wanted or any_function):
        return None
    found = []
    for output in outputs:
        funcs = [measures[index].func for index in output.expression.measures()]
        if len(funcs) == 1 and (any_function or funcs[0].startswith(wanted)):
            found.append(output.expression)
    if len(found) != 1:
        return None
    if not any_function:
        r.cur.next()
    return _again(r, found[0], measures)


def _again(r: Reading, expression: Expr, measures: list[Measure]) -> Expr:
    """The expression with its measures in this reading's list."""
    parts: list[str | Ref | MeasureRef] = []
    for part in expression.parts:
        if isinstance(part, MeasureRef):
            parts.extend(add_measure(r, replace(measures[part.index], phrase=r.phrase)).parts)
        else:
            parts.append(part)
    return replace(expression, parts=tuple(parts))
