"""Values of the data used as adjectives: `completed orders`."""

from agent_etl.agents.rules.expressions import Expr, Ref, build, column, text
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS
from agent_etl.agents.rules.reading import Reading

__all__ = ["take_adjective"]

_FEW = 50
"""A column of kinds and states has few values; a name or a remark that happens to be the word is no adjective."""


def take_adjective(r: Reading) -> tuple[Source, Expr] | None:
    """`completed orders`, taken: the table and the condition; None when the word is no value of one of its columns.

    A word that is a value of several columns is asked about. Raises: Unclear.
    """
    start = r.cur.at
    r.cur.skip(ARTICLES | {"all"})
    at = r.cur.at
    token = r.cur.peek()
    if token is None or token.kind not in ("word", "string") or token.low in BREAKS:
        r.cur.at = start
        return None
    r.cur.next()
    source = r.take_entity(least=0.86)
    found = _holding(r, source, token.text) if source is not None else []
    if source is None or not found:
        r.cur.at = start
        return None
    ref = found[0]
    if len(found) > 1:
        chosen = r.asking.choose(
            "adjective",
            r.cur.span(at),
            f"{token.text!r} is a value of several columns. Which one is meant?",
            [(r.label(one), f"{r.label(one)} = {token.text!r}") for one in found],
        )
        ref = next(one for one in found if r.label(one) == chosen)
    return source, _condition(r, ref, token.text)


def _holding(r: Reading, source: Source, value: str) -> list[Ref]:
    prober = r.request.prober
    return [
        Ref(source.alias, one.name)
        for one in source.table.columns
        if one.type.upper() == "VARCHAR"
        and prober.count(source.table, one.name, value, fold=True) > 0
        and prober.values(source.table, one.name, 1).distinct <= _FEW
    ]


def _condition(r: Reading, ref: Ref, word: str) -> Expr:
    table = r.table(ref.source)
    known = [value for value, _ in r.request.prober.values(table, ref.column, 2 * _FEW).top]
    spelled = [value for value in known if value.strip().lower() == word.strip().lower()]
    r.asking.note(f"{word!r} means {r.label(ref)} = {spelled[0]!r}.")
    whole = next(one for one in table.columns if one.name == ref.column)
    inner = column(ref.source, ref.column, whole.type)
    values = [text(value) for value in spelled]
    if len(values) == 1:
        return build("({} = {})", inner, values[0], kind="boolean")
    return build("({} IN (" + ", ".join("{}" for _ in values) + "))", inner, *values, kind="boolean")
