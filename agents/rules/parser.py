"""Reads a goal: productions are tried in order at each place; words that none takes are refused, never dropped."""

from collections.abc import Callable

from agent_etl.agents.planner import PlanRequest
from agent_etl.agents.rules.absence import read_anti
from agent_etl.agents.rules.asking import Asking, Unclear
from agent_etl.agents.rules.attaching import read_attach
from agent_etl.agents.rules.belonging import read_belonging
from agent_etl.agents.rules.choosing import read_choice, read_left_out
from agent_etl.agents.rules.cursor import Cursor
from agent_etl.agents.rules.distinct import read_distinct
from agent_etl.agents.rules.duplicates import read_dedupe
from agent_etl.agents.rules.filters import read_bracket, read_filter, read_period
from agent_etl.agents.rules.formulas import read_flag, read_formula
from agent_etl.agents.rules.groups import read_grain_fact, read_group
from agent_etl.agents.rules.havings import read_having
from agent_etl.agents.rules.hints import read_hint
from agent_etl.agents.rules.joining import read_beside, read_join
from agent_etl.agents.rules.joinkeys import read_key
from agent_etl.agents.rules.landing import find_targets
from agent_etl.agents.rules.layout import read_layout
from agent_etl.agents.rules.lexicon import ALL_VERBS, SEPARATORS
from agent_etl.agents.rules.naming import read_naming, read_rounding
from agent_etl.agents.rules.outputs import read_outputs
from agent_etl.agents.rules.partners import read_partners
from agent_etl.agents.rules.presence import read_presence
from agent_etl.agents.rules.reading import Prior, Reading
from agent_etl.agents.rules.requirements import read_requirement
from agent_etl.agents.rules.shaping import read_cast, read_convert, read_drop, read_rename
from agent_etl.agents.rules.sorting import read_limit, read_sort
from agent_etl.agents.rules.sources import find_sources, read_source
from agent_etl.agents.rules.subjects import read_subject
from agent_etl.agents.rules.targets import read_target
from agent_etl.agents.rules.unsupported import named_as_column, reason_for
from agent_etl.agents.rules.words import tokenize

__all__ = ["read_goal"]

_PRODUCTIONS: tuple[Callable[[Reading], bool], ...] = (
    read_grain_fact,
    read_requirement,
    read_formula,
    read_period,
    read_source,
    read_dedupe,
    read_distinct,
    read_join,
    read_beside,
    read_partners,
    read_key,
    read_hint,
    read_bracket,
    read_naming,
    read_rounding,
    read_layout,
    read_target,
    read_limit,
    read_sort,
    read_rename,
    read_cast,
    read_convert,
    read_left_out,
    read_attach,
    read_presence,
    read_anti,
    read_having,
    read_filter,
    read_drop,
    read_group,
    read_choice,
    read_flag,
    read_outputs,
    read_belonging,
    read_subject,
)


def read_goal(request: PlanRequest, asking: Asking) -> tuple[Reading, tuple[tuple[int, int], ...]]:
    """What the goal means and the spans of its clauses. Questions and refusals are left in `asking`.

    The goal is read twice: words may come before what they name (`only regions over 100 … sum amount per region`).
    """
    tokens = tokenize(request.goal)
    first, _ = _pass(request, asking, Cursor(request.goal, tokens), Prior())
    intent = first.intent
    prior = Prior(
        list(intent.outputs),
        list(intent.measures),
        dict(first.units),
        list(first.same),
        [source.table for source in first.sources],
        list(intent.groups),
        frozenset(edge.right for edge in intent.edges if edge.how in ("anti", "semi")),
    )
    return _pass(request, asking, Cursor(request.goal, tokens), prior)


def _pass(
    request: PlanRequest, asking: Asking, cur: Cursor, prior: Prior
) -> tuple[Reading, tuple[tuple[int, int], ...]]:
    asking.forget()
    r = Reading(request, asking, cur, prior)
    find_targets(r)
    find_sources(r)
    _missing(r)
    starts: list[int] = []
    items = 0
    while True:
        cur.skip(SEPARATORS | {"(", ")"})
        if cur.done:
            break
        if _numbered(r, items + 1):
            items += 1
            continue
        start = cur.at
        r.phrase = len(starts)
        starts.append(start)
        _one(r, start)
    return r, _clauses(r, starts)


def _numbered(r: Reading, number: int) -> bool:
    """`1.`, `2)` before a step of the goal, in order, passed over."""
    token = r.cur.peek()
    if token is None or token.kind != "number" or token.text != str(number) or r.cur.low(1) not in (".", ")"):
        return False
    r.cur.at += 2
    return True


def _missing(r: Reading) -> None:
    """Files that the goal names and that the survey did not find."""
    for name in r.request.catalogue.missing:
        at = r.cur.goal.find(name)
        if at >= 0 and not _is_target(r, at):
            near = r.request.catalogue.near.get(name, ())
            known = f"; near are {', '.join(near)}" if near else ""
            r.asking.refuse((at, at + len(name)), f"no such file or table was found{known}")


def _is_target(r: Reading, position: int) -> bool:
    """The word at that character names a destination: it need not be there yet."""
    for at, token in enumerate(r.cur.tokens):
        if token.start <= position < token.end:
            return any(start <= at <= start + 3 for start in r.target_starts)
    return False


def _one(r: Reading, start: int) -> None:
    """Read one phrase, or refuse its words."""
    reason = reason_for(r)
    if reason is not None and not named_as_column(r):
        r.cur.at = _boundary(r, start)
        r.asking.refuse(r.cur.span(start), reason)
        return
    for production in _PRODUCTIONS:
        saved, sources = r.intent.saved(), list(r.sources)
        try:
            if production(r):
                return
        except Unclear:
            r.cur.at = _boundary(r, max(r.cur.at, start + 1), start)
            return
        r.cur.at = start
        r.intent.restore(saved)
        r.intent.sources[:] = sources
    r.cur.at = _boundary(r, start)
    r.asking.refuse(r.cur.span(start), "these words name nothing that is in scope and nothing that can be done")


def _boundary(r: Reading, at: int, start: int | None = None) -> int:
    """The end of the phrase: the next comma, full stop or conjunction before a verb."""
    tokens, first = r.cur.tokens, at if start is None else start
    while at < len(tokens):
        token = tokens[at]
        if token.low == "where" and at > first:
            break
        if token.kind == "punct" and token.text in ",;.:()":
            break
        if token.low in ("and", "then") and at + 1 < len(tokens) and tokens[at + 1].low in ALL_VERBS | {"then"}:
            break
        at += 1
    return max(at, 1)


def _clauses(r: Reading, starts: list[int]) -> tuple[tuple[int, int], ...]:
    """Spans of the phrases; together they hold every word of the goal."""
    goal, spans = r.cur.goal, []
    for index, start in enumerate(starts):
        first = r.cur.tokens[start].start if index else 0
        last = r.cur.tokens[starts[index + 1]].start if index + 1 < len(starts) else len(goal)
        text = goal[first:last]
        first += len(text) - len(text.lstrip())
        spans.append((first, first + len(text.strip())))
    return tuple(spans)
