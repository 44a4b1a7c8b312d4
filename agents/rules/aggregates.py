"""Results that are totals: which rows are multiplied by a join is known before a single one is added up."""

import re
from dataclasses import replace

from agent_etl.agents.rules.expressions import Expr, Ref
from agent_etl.agents.rules.ground import key_of
from agent_etl.agents.rules.intent import GroupKey, Intent, Measure, Output, Source
from agent_etl.agents.rules.kept import kept_outside
from agent_etl.agents.rules.layout import arranged
from agent_etl.agents.rules.links import Links
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.rollups import counted, plain_aggregate, roll_up
from agent_etl.agents.rules.rows import absent, joined, substituted
from agent_etl.agents.rules.statement import Statement
from agent_etl.agents.rules.streams import Streams

__all__ = ["aggregate"]


def aggregate(r: Reading, links: Links, streams: Streams, involved: list[Source]) -> Statement:
    """The statement of the totals. Raises: Unclear when the totals cannot be made without counting rows twice."""
    if not any(one.expression.measures() for one in r.intent.outputs):
        raise r.asking.refuse((0, len(r.cur.goal)), "a condition on totals needs a result that shows totals")
    _one_grouping(r)
    _replaced(r)
    homes = [_home(r, links, measure, involved) for measure in r.intent.measures]
    grain = _grain(r, links, homes, involved)
    outside = grain is not None and kept_outside(links, grain.alias)
    if grain is not None and not outside and not _empty_groups(r, links, grain):
        statement = Statement(streams.step(grain.alias), joins=joined(r, links, streams, grain))
        values = [_value(r, streams, one, home, grain) for one, home in zip(r.intent.measures, homes, strict=True)]
        wheres = [streams.where(one.condition) for one in streams.pending()]
    else:
        rollup = roll_up(r, links, streams, homes, involved)
        statement, values, wheres = rollup.statement, rollup.values, rollup.wheres
    statement.wheres = wheres + absent(r, links, streams)
    _finish(r, streams, statement, values)
    return statement


def _one_grouping(r: Reading) -> None:
    """`sum a by x, then sum b by y` are two results. Raises: Unclear."""
    trail = "".join(r.intent.trail)
    if re.search("MG+M+G", trail) or re.match("GMM+G", trail):
        raise r.asking.refuse(
            (0, len(r.cur.goal)),
            "it is not said which totals belong to which groups, or these are two results; ask for one",
        )


def _replaced(r: Reading) -> None:
    """Casts and changes of a column hold for the totals over it."""
    intent = r.intent
    for output in intent.outputs:
        if output.replaces is not None and output.expression.sole is None:
            ref = output.replaces
            intent.measures[:] = [_with(one, ref, output) for one in intent.measures]
            intent.groups[:] = [
                GroupKey(substituted(one.expression, ref, output), one.name, one.phrase, one.entity, one.each)
                for one in intent.groups
            ]


def _with(measure: Measure, ref: Ref, output: Output) -> Measure:
    if measure.argument is None:
        return measure
    changed = substituted(measure.argument, ref, output)
    if measure.argument.sole == ref:
        changed = changed.as_kind(output.expression.kind, output.expression.unit)
    elif output.expression.kind == "number" and changed.kind == "integer":
        changed = changed.as_kind("number")
    return replace(measure, argument=changed)


def _home(r: Reading, links: Links, measure: Measure, involved: list[Source]) -> str:
    """The table whose rows the measure adds up. Raises: Unclear."""
    if measure.home not in ("", "*"):
        return measure.home
    if len(involved) == 1:
        return involved[0].alias
    pool = {ref.source for ref in measure.argument.refs()} if measure.argument is not None else set()
    pool = pool or {source.alias for source in involved}
    for source in involved:
        if source.alias in pool and pool <= links.reach(source.alias):
            return source.alias
    raise r.asking.refuse((0, len(r.cur.goal)), "a total over several tables that multiply each other's rows")


def _sensitive(measure: Measure) -> bool:
    """More copies of a row would change it."""
    if measure.entity:
        return not measure.distinct
    return measure.func not in ("min", "max", "count_distinct")


def _grain(r: Reading, links: Links, homes: list[str], involved: list[Source]) -> Source | None:
    """A table whose rows no other join multiplies and which is the home of every sensitive measure."""
    wanted = {home for measure, home in zip(r.intent.measures, homes, strict=True) if _sensitive(measure)}
    if len(wanted) > 1:
        return None
    needed = {source.alias for source in involved}
    for source in sorted(involved, key=lambda one: one.alias not in homes):
        if wanted <= {source.alias} and needed <= links.reach(source.alias):
            return source if all(_complete(links, source.alias, home) for home in homes) else None
    return _bridge(r, links, wanted, involved)


def _bridge(r: Reading, links: Links, homes: set[str], involved: list[Source]) -> Source | None:
    """The table between two others that pairs each row of one with a row of the other at most once.

    Per row of the one, the other's rows then count once: tracks per playlist over playlist_track.
    """
    things = {group.entity for group in r.intent.groups}
    if len(homes) != 1 or len(things) != 1 or None in things or homes == things:
        return None
    needed = {source.alias for source in involved}
    for source in involved:
        sides = [links.path(source.alias, str(alias)) for alias in (*things, *homes)]
        if any(len(side) != 1 for side in sides) or not needed <= links.reach(source.alias):
            continue
        names = tuple(dict.fromkeys(one for side in sides for one, _ in side[0].pairs))
        if links.unique(source, names) and all(side[0].how == "inner" for side in sides):
            return source
    return None


def _complete(links: Links, grain: str, home: str) -> bool:
    """Every row of `home` is there after the joins from the grain, or the goal itself names joins that lose some."""
    path = links.path(grain, home)
    return all(edge.how == "inner" or links.overlap(edge).right_unmatched == 0 for edge in path)


def _empty_groups(r: Reading, links: Links, grain: Source) -> bool:
    """The goal wants a row for each thing, some have nothing to add up, and the kind of join is not named: ask.

    True: keep those things with zeros. Raises: Unclear.
    """
    for alias in dict.fromkeys(group.entity for group in r.intent.groups if group.entity and group.each):
        if alias is None or alias == grain.alias or _needs_some(r.intent):
            continue
        path = links.path(grain.alias, alias)
        if any(edge.how is not None for edge in path):
            continue
        missing = max((links.overlap(edge).right_unmatched for edge in path), default=0)
        if missing == 0:
            continue
        name, other = r.table(alias).name, grain.table.name
        answer = r.asking.choose(
            "empty",
            links.span_of(r.intent.source(alias)),
            f"{missing} rows of {name} have no {other}. Do they get a row with zeros?",
            [("keep", f"keep them: every row of {name} counts"), ("drop", f"only those that have {other}")],
        )
        return answer == "keep"
    return False


def _needs_some(intent: Intent) -> bool:
    """A condition on a count that nothing can pass that has no rows."""
    for having in intent.havings:
        text = "".join(part for part in having.condition.parts if isinstance(part, str))
        if ">" in text and "<" not in text and "OR" not in text:
            return True
    return False


def _value(r: Reading, streams: Streams, measure: Measure, home: str, grain: Source) -> str:
    """The aggregate over the grain's rows."""
    if measure.entity:
        if home == grain.alias:
            return counted(streams, measure)
        key = key_of(r.table(home))
        if not key:
            raise r.asking.refuse(
                (0, len(r.cur.goal)), f"{r.table(home).name} has no key by which its rows are counted"
            )
        names = ", ".join(streams.full(Ref(home, name)) for name in key)
        what = f"DISTINCT {names}" if len(key) == 1 else f"DISTINCT ({names})"
        return counted(streams, measure, what)
    if measure.argument is None:
        return "count(*)"
    return plain_aggregate(measure, measure.argument.sql(streams.full))


def _finish(r: Reading, streams: Streams, statement: Statement, values: list[str]) -> None:
    """Groups, outputs, conditions on totals, order."""
    intent = r.intent

    def measure(index: int) -> str:
        return values[index]

    shown = arranged(r, _shown(r))
    for name, expression in shown:
        sole = expression.sole
        text = expression.sql(streams.full, measure)
        statement.items.append((text, None if sole is not None and sole.column == name else name))
    keys = [group.expression for group in intent.groups]
    keys += [expression for _, expression in shown if not expression.measures()]
    statement.groups = list(dict.fromkeys(key.sql(streams.full) for key in keys))
    for having in intent.havings:
        statement.havings.append(having.condition.sql(streams.full, measure))
    if intent.sorts:
        for sort in intent.sorts:
            direction = "DESC" if sort.descending else "ASC"
            statement.orders.append(f"{sort.expression.sql(streams.full, measure)} {direction} NULLS LAST")
        ordered = {order.rsplit(" NULLS", 1)[0].rsplit(" ", 1)[0] for order in statement.orders}
        statement.orders += [key for key in statement.groups if key not in ordered]
    if intent.limit is not None:
        if not intent.sorts:
            raise r.asking.refuse((0, len(r.cur.goal)), "a limit needs an order; say what the rows are sorted by")
        statement.limit = intent.limit[0]


def _shown(r: Reading) -> list[tuple[str, Expr]]:
    """The result's columns in order: keys that are not named again, then what the goal lists. Raises: Unclear."""
    intent = r.intent
    listed = [one for one in intent.outputs if one.expression.measures() or (not one.derived and one.replaces is None)]
    attributes = [one for one in listed if not one.expression.measures()]
    described = {ref.source for one in attributes for ref in one.expression.refs()}
    shown: list[tuple[str, Expr]] = []
    for group in intent.groups:
        if any(one.expression == group.expression for one in attributes):
            continue
        if group.entity is not None and group.entity in described:
            # `for each artist … the artist's name`: the name stands for the key.
            continue
        shown.append((group.name, group.expression))
    for output in listed:
        _determined(r, output)
        shown.append((output.name, output.expression))
    names = [name.lower() for name, _ in shown]
    for name in names:
        if names.count(name) > 1:
            raise r.asking.refuse((0, len(r.cur.goal)), f"two columns of the result would be called {name}; name one")
    return shown


def _determined(r: Reading, output: Output) -> None:
    """A column that is neither a key nor decided by one cannot stand in a row of totals. Raises: Unclear."""
    if output.expression.measures():
        return
    keys = [group.expression for group in r.intent.groups]
    entities = {group.entity for group in r.intent.groups if group.entity is not None}
    for ref in output.expression.refs():
        same = any(r.equal(ref, key.sole) for key in keys if key.sole is not None)
        if output.expression not in keys and ref.source not in entities and not same:
            start = r.cur.goal.lower().find(output.words[0].lower()) if output.words else 0
            span = (max(start, 0), max(start, 0) + len(output.words[0])) if output.words else (0, len(r.cur.goal))
            raise r.asking.refuse(
                span,
                f"{r.label(ref)} may differ within a group; group by it, or ask for a total, count or average of it",
            )
