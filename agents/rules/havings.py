"""Conditions on groups: `holders with 2 or more bookings`, `at least two films`, `only those above 100`."""

from agent_etl.agents.rules.comparisons import take_comparison
from agent_etl.agents.rules.conditions import add_condition, take_condition, take_count_condition
from agent_etl.agents.rules.expressions import Expr, build
from agent_etl.agents.rules.intent import GroupKey
from agent_etl.agents.rules.lexicon import ARTICLES
from agent_etl.agents.rules.literals import take_number
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import known_measure, total_named

__all__ = ["read_having"]

_VERBS = ("keep only", "only keep", "only show", "show only", "only include", "include only", "just", "only", "keep")
_GROUPS = frozenset({"group", "groups", "ones", "those", "row", "rows", "combination", "combinations", "pair", "pairs"})
_WITH = ("with", "having", "that have", "who have", "which have", "that has", "where there are", "that had", "who had")


def read_having(r: Reading) -> bool:
    """A condition on the result's groups, named by their key or as groups. Raises: Unclear."""
    start = r.cur.at
    if not r.prior.measures or not (r.prior.groups or r.intent.groups):
        return False
    verb = r.cur.take(*_VERBS)
    thing = _thing(r)
    condition = _condition(r, verb=verb, thing=thing)
    if condition is None or not condition.measures() or condition.refs():
        r.cur.at = start
        return False
    r.cur.take("only")
    add_condition(r, condition)
    return True


def _thing(r: Reading) -> bool:
    """`groups`, `those`, or the words for what the result has a row of, taken."""
    at = r.cur.at
    r.cur.skip((ARTICLES | {"all"}) - _GROUPS)
    if r.cur.take_any(_GROUPS):
        return True
    groups = [*r.intent.groups, *r.prior.groups]
    entity = r.take_entity(least=0.8)
    if entity is not None and any(group.entity == entity.alias for group in groups):
        return True
    for least in (0.92, 0.7):
        r.cur.at = at
        found = _quiet(r, groups, least)
        if found:
            return True
    r.cur.at = at
    return False


def _quiet(r: Reading, groups: list[GroupKey], least: float) -> bool:
    """The words name a column that is a key; nothing is asked about words that name others."""
    pool = [source for source in r.sources if any(_of(group, source.alias) for group in groups)]
    known = set(r.asking.questions)
    found = r.take_column(sources=pool, least=least) if r.cur.kind() == "word" else None
    return found is not None and set(r.asking.questions) == known and any(one.expression == found for one in groups)


def _of(group: GroupKey, alias: str) -> bool:
    return any(ref.source == alias for ref in group.expression.refs())


def _condition(r: Reading, *, verb: bool, thing: bool) -> Expr | None:
    if thing and r.cur.take("whose", "where the", "where", "where their", "for which the"):
        return _of_total(r) or take_condition(r)
    if thing and r.cur.take(*_WITH):
        r.cur.skip(ARTICLES)
        return take_count_condition(r) or _of_total(r) or take_condition(r)
    if thing and verb:
        return _bare(r)
    if thing:
        return None
    return take_count_condition(r)


def _of_total(r: Reading) -> Expr | None:
    """`total exceeds 100`, `average above 3`: the only value that is computed so."""
    at = r.cur.at
    left = known_measure(r) or total_named(r)
    sign = take_comparison(r) if left is not None else None
    value = take_number(r) if sign is not None else None
    if left is None or value is None:
        r.cur.at = at
        return None
    return build(f"({{}} {sign} {{}})", left, value, kind="boolean")


def _bare(r: Reading) -> Expr | None:
    """`only those above 100`: the only value that is computed."""
    sign = take_comparison(r)
    value = take_number(r) if sign is not None else None
    left = total_named(r, any_function=True) if value is not None else None
    if left is None or value is None:
        return None
    return build(f"({{}} {sign} {{}})", left, value, kind="boolean")
