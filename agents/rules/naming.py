"""Names and rounding said after the groups: `… per origin as a and b`, `call it x`, `rounded to 2 decimals`."""

from dataclasses import replace

from agent_etl.agents.rules.expressions import Expr
from agent_etl.agents.rules.intent import Output
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS, UNIT_FAMILIES
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import known_measure, total_named
from agent_etl.agents.rules.scalars import NUMERIC, rounded, take_places

__all__ = ["fitting", "read_naming", "read_rounding", "take_names"]

_AS = ("as", "named", "called", "naming it", "naming them", "name it", "name them", "call it", "call them", "call this")
_ENDS = frozenset({"", ",", ";", ".", ")", "and", "&", "to", "into", "in", "->", "per", "by", "for"})
_OPEN = frozenset({"to", "into", "in", "from", "per", "by", "for", "where", "with", "and", "then", "if", "it", "them"})


def read_naming(r: Reading) -> bool:
    """`… per origin as a and b`, `call it x`, `call the count x`: names for the measures before. Raises: Unclear."""
    start = r.cur.at
    if _one_named(r, start):
        return True
    if _repeated(r):
        return True
    unnamed = _unnamed(r) or _changed(r)
    if not unnamed or r.cur.at + 1 in r.target_starts or not r.cur.take(*_AS):
        r.cur.at = start
        return False
    names = take_names(r, len(unnamed))
    if not names:
        r.cur.at = start
        return False
    if len(names) != len(unnamed):
        raise r.unknown(start, f"{len(unnamed)} values are computed, and this names {len(names)}; name each of them")
    for at, name in zip(unnamed, names, strict=True):
        fitting(r, name, r.intent.outputs[at].expression, start)
        r.intent.outputs[at] = replace(r.intent.outputs[at], name=name, named=True)
    return True


def take_names(r: Reading, most: int) -> list[str]:
    """Up to `most` names in a row, taken: `a`, `a and b`, `a, b and c`."""
    names: list[str] = []
    while len(names) < most:
        before = r.cur.at
        if names and not r.cur.take(", and", "and", ",", "&"):
            break
        token = r.cur.peek()
        bad = token is None or token.kind not in ("word", "string") or r.cur.at in r.target_starts
        noun = token is not None and token.low in ARTICLES and r.cur.low(1) not in _ENDS
        if token is None or bad or (token.kind == "word" and (noun or token.low in _OPEN)):
            r.cur.at = before
            break
        names.append(r.cur.next().text)
    return names


def fitting(r: Reading, name: str, value: Expr, start: int) -> str:
    """The name, unless it claims another unit than the values have. Raises: Unclear."""
    unit = stems(name)[-1:]
    for family in UNIT_FAMILIES:
        if value.unit in family and unit and unit[0] in family and family[unit[0]] != family[value.unit]:
            raise r.unknown(start, f"the values are in {value.unit}s; say `in {unit[0]}s as {name}` to convert them")
    return name


def _repeated(r: Reading) -> bool:
    """`total cost = a * b from x as total_cost`: the name that the definition has already."""
    start = r.cur.at
    known = {one.name.lower() for one in r.intent.outputs[-1:] if one.named}
    if r.cur.at + 1 not in r.target_starts and r.cur.take(*_AS) and r.cur.low() in known:
        r.cur.next()
        return True
    r.cur.at = start
    return False


def _unnamed(r: Reading) -> list[int]:
    """Places of the measured outputs that the goal has given no name."""
    return [at for at, one in enumerate(r.intent.outputs) if one.expression.measures() and not one.named]


def _changed(r: Reading) -> list[int]:
    """The column that the clause before changes: `uppercase the product of x.csv as code`."""
    last = len(r.intent.outputs) - 1
    fits = last >= 0 and r.intent.outputs[last].replaces is not None and not r.intent.outputs[last].named
    return [last] if fits and r.intent.outputs[last].expression.sole is None else []


def _one_named(r: Reading, start: int) -> bool:
    """`call the count flights`, `name the average runtime avg_runtime`: one measure by its words and its new name."""
    # `count column n`
    noun = r.cur.low(1) in ("column", "called", "named") and r.cur.low() not in ("call", "name", "rename")
    if not noun and not r.cur.take("call the", "name the", "call", "name", "rename the", "rename"):
        return False
    opened = r.cur.at
    for reader in (known_measure, total_named):
        r.cur.at = opened
        found = reader(r)
        at = next((at for at, one in enumerate(r.intent.outputs) if found and one.expression == found), None)
        r.cur.take("to", "as", "->", "it", "column", "called", "named")
        names = take_names(r, 1) if at is not None else []
        if at is not None and names and names[0].lower() not in BREAKS:
            r.intent.outputs[at] = replace(r.intent.outputs[at], name=names[0], named=True)
            return True
    r.cur.at = start
    return False


def read_rounding(r: Reading) -> bool:
    """`… per x, rounded to 2 decimals`: the computed values before, when it is plain which. Raises: Unclear."""
    start = r.cur.at
    every = r.cur.take("both", "all", "each")
    places = take_places(r)
    outputs = r.intent.outputs
    chosen = [at for at in range(len(outputs)) if _roundable(outputs[at])]
    chosen = [at for at in chosen if outputs[at].expression.measures()] or chosen
    if places is None or not chosen:
        r.cur.at = start
        return False
    every = r.cur.take("each", "both", "all") or every
    if len(chosen) > 1 and not every:
        raise r.unknown(start, "several values are computed; say which is rounded, or `each rounded to …`")
    for at in chosen:
        one = r.intent.outputs[at]
        r.intent.outputs[at] = replace(one, expression=rounded(one.expression, places))
    return True


def _roundable(output: Output) -> bool:
    computed = output.expression.sole is None and output.expression.kind in NUMERIC
    whole = output.expression.kind == "integer"
    return computed and not whole and not str(output.expression.parts[0]).startswith("round(")
