"""The result's columns by name: `columns region, orders`, `write line and scrapped to …`, `(kind, bookings)`."""

from collections.abc import Sequence

from agent_etl.agents.rules.expressions import Expr
from agent_etl.agents.rules.ground import WEAK, columns
from agent_etl.agents.rules.intent import GroupKey, Output
from agent_etl.agents.rules.lexicon import AGGREGATES, ARTICLES, BREAKS, COMPUTE_VERBS, WRITE_VERBS
from agent_etl.agents.rules.names import entity_words, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import gist

__all__ = ["arranged", "read_layout"]

_BAD = (BREAKS - frozenset(AGGREGATES) - {"count", "number"}) | ARTICLES
_ENDS = frozenset({"", ".", ";", ",", ")", "to", "into", "in", "->", "-", "and", "then"})
_COUNTS = frozenset({"n", "cnt", "num", "count"})


def read_layout(r: Reading) -> bool:
    """A list of names for the columns of totals. Raises: Unclear."""
    start = r.cur.at
    bracket = start > 0 and r.cur.tokens[start - 1].text == "("
    if not _measured(r.prior.outputs) and not _measured(r.intent.outputs):
        return False
    verb = r.cur.take_any(WRITE_VERBS | COMPUTE_VERBS | {"keep", "name", "call", "with"})
    said = _columns_said(r)
    names = _names(r)
    fits = r.cur.low() in _ENDS or r.cur.at in r.target_starts
    if not names or not fits or (bracket and r.cur.low() != ")"):
        r.cur.at = start
        return False
    known = [_known(r, name) for name, _ in names]
    later = _measured(r.intent.outputs) and (len(names) > 1 or verb is not None)
    if not (said or (bracket and any(known)) or (later and all(known) and "measure" in known)):
        r.cur.at = start
        return False
    r.intent.layout.extend(names)
    return True


def _columns_said(r: Reading) -> bool:
    r.cur.skip(ARTICLES | {"output", "result", "resulting", "with", "final"})
    return r.cur.take("columns are", "columns :", "columns", "columns called", "columns named", "fields", "header")


def _measured(outputs: Sequence[Output]) -> bool:
    return any(one.expression.measures() for one in outputs)


def _names(r: Reading) -> list[tuple[str, tuple[int, int]]]:
    """Single words or quoted names between commas."""
    names: list[tuple[str, tuple[int, int]]] = []
    while True:
        before = r.cur.at
        if names and not r.cur.take(", and", "and", ",", "&", "+"):
            return names
        token = r.cur.peek()
        named = token is not None and token.kind in ("word", "string") and r.cur.at not in r.target_starts
        if token is None or not named or (token.kind == "word" and token.low in _BAD):
            r.cur.at = before
            return names
        r.cur.next()
        names.append((token.text, (token.start, token.end)))


def _known(r: Reading, name: str) -> str:
    """`measure` or `group` when the name is that of one computed value or key; else empty."""
    for groups, outputs in ((r.intent.groups, r.intent.outputs), (r.prior.groups, r.prior.outputs)):
        measured = [one for one in outputs if one.expression.measures()]
        keys = [_key_names(r, group) for group in groups]
        at = _match(name, [*keys, *(_output_names(one) for one in measured)])
        if at is not None:
            return "group" if at < len(keys) else "measure"
    return ""


def _key_names(r: Reading, group: GroupKey) -> tuple[tuple[str, ...], bool]:
    sole = group.expression.sole
    names = [group.name, sole.column if sole is not None else group.name]
    if group.entity is not None:
        names.append(" ".join(entity_words(r.table(group.entity).name)))
    return tuple(names), False


def _output_names(output: Output) -> tuple[tuple[str, ...], bool]:
    counted = "count" in gist(output.words)
    return (output.name, " ".join(output.words)), counted


def _match(name: str, items: Sequence[tuple[tuple[str, ...], bool]]) -> int | None:
    """The item that the name means: by its name, by all its words, by some of them; None unless it is one."""
    for level in range(4):
        found = [at for at, (names, counted) in enumerate(items) if _fits(name, names, counted, level)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _fits(name: str, names: tuple[str, ...], counted: bool, level: int) -> bool:
    wanted = gist([name])
    if level == 0:
        return any(name.lower() == one.lower() for one in names)
    if level == 1:
        return any(wanted == gist([one]) or stems(name) == stems(one) for one in names)
    if level == 2:
        return counted and name.lower() in _COUNTS
    return bool(wanted) and any(set(wanted) <= set(gist([one])) for one in names)


def arranged(r: Reading, shown: list[tuple[str, Expr]]) -> list[tuple[str, Expr]]:
    """The columns in the goal's order and under its names. Raises: Unclear for a name that may be none or several."""
    names = r.intent.layout
    if not names:
        return shown
    places = _placed(r, shown)
    for (name, span), at in zip(names, places, strict=True):
        if at is None:
            raise r.asking.refuse(
                span, f"no column of the result is plainly {name!r}; say `… as {name}` where it is computed"
            )
    left_out = [name for at, (name, one) in enumerate(shown) if one.measures() and at not in places]
    if left_out or len(set(places)) < len(places):
        said = f"{left_out[0]} is computed" if left_out else "a column is named twice"
        raise r.asking.refuse((names[0][1][0], names[-1][1][1]), f"{said}, but not among these columns")
    return [(name, shown[at][1]) for (name, _), at in zip(names, places, strict=True) if at is not None]


def _placed(r: Reading, shown: list[tuple[str, Expr]]) -> list[int | None]:
    """For each name the place of what it means: by name, else by the order when every column is named."""
    items = [_names_of(r, name, one) for name, one in shown]
    places = [_match(name, items) for name, _ in r.intent.layout]
    if len(places) != len(shown):
        return places
    open_ = [at for at in range(len(shown)) if at not in places]
    aligned = all(at is None or at == index for index, at in enumerate(places))
    for index, at in enumerate(places):
        if at is None and (aligned or len(open_) == 1):
            target = index if aligned else open_[0]
            places[index] = target if _free(r, r.intent.layout[index][0], shown[target][1]) else None
    return places


def _names_of(r: Reading, name: str, one: Expr) -> tuple[tuple[str, ...], bool]:
    for output in r.intent.outputs:
        if output.name == name and output.expression == one:
            return _output_names(output) if one.measures() else ((name, " ".join(output.words)), False)
    for group in r.intent.groups:
        if group.name == name and group.expression == one:
            return _key_names(r, group)
    return (name,), False


def _free(r: Reading, name: str, one: Expr) -> bool:
    """A new name that is not the name of some other column in scope."""
    own = {*one.refs()}
    for index in one.measures():
        argument = r.intent.measures[index].argument
        own |= {*argument.refs()} if argument is not None else set()
    return all(found.ref in own for found in columns([name], r.sources) if found.score >= WEAK)
