"""Totals of child rows, made once for each parent row before the join, so that neither side is counted twice."""

from dataclasses import dataclass, field

from agent_etl.agents.rules.expressions import Ref, identifier
from agent_etl.agents.rules.intent import Edge, Filter, Measure, Source
from agent_etl.agents.rules.links import Links
from agent_etl.agents.rules.names import entity_words
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.rows import joined, keep_or_drop
from agent_etl.agents.rules.statement import Statement
from agent_etl.agents.rules.streams import Streams

__all__ = ["Rollup", "counted", "plain_aggregate", "roll_up"]


@dataclass
class Rollup:
    """The outer statement, the SQL of each measure over it, and its row conditions."""

    statement: Statement
    values: list[str] = field(default_factory=list)
    wheres: list[str] = field(default_factory=list)


@dataclass
class _Child:
    """A table whose totals are made first: the path from it to the parent, its parts by measure."""

    source: Source
    path: list[Edge]
    items: list[tuple[str, str]] = field(default_factory=list)
    step: str = ""


def plain_aggregate(measure: Measure, inner: str) -> str:
    """`sum(x)` and its kin; integers add up to integers."""
    if measure.func == "count_distinct":
        return f"count(DISTINCT {inner})"
    if measure.func == "sum" and measure.argument is not None and measure.argument.kind == "integer":
        return f"CAST(sum({inner}) AS BIGINT)"
    return f"{measure.func}({inner})"


def counted(streams: Streams, measure: Measure, what: str = "*") -> str:
    """A count of rows, or of those that meet the measure's own condition."""
    only = f" FILTER (WHERE {measure.where.sql(streams.full)})" if measure.where is not None else ""
    return f"count({what}){only}"


def roll_up(r: Reading, links: Links, streams: Streams, homes: list[str], involved: list[Source]) -> Rollup:
    """Totals over a parent and its children. Raises: Unclear when the tables do not form that shape."""
    parent = _parent(r, links, homes, involved)
    children = {home: _Child(r.intent.source(home), links.path(home, parent.alias)) for home in homes}
    children.pop(parent.alias, None)
    single = _one_row_each(r, parent)
    parts = [
        _parts(r, streams, one, at, children[home], single=single) if home in children else None
        for at, (one, home) in enumerate(zip(r.intent.measures, homes, strict=True))
    ]
    inner, outer = _conditions(r, links, streams, parent, children)
    for child in children.values():
        _step(streams, child, parent, inner.get(child.source.alias, []))
    lookups = _lookups(links, parent, children)
    statement = Statement(streams.step(parent.alias), joins=joined(r, lookups, streams, parent))
    for child in children.values():
        statement.joins.append(_attach(r, links, streams, child))
    wheres = [streams.where(one.condition) for one in outer] + _present(r, links, streams, parent, children)
    values = []
    for measure, part in zip(r.intent.measures, parts, strict=True):
        values.append(part if part is not None else _own(streams, measure))
    named = [_filled(value, children) for value in values]
    return Rollup(statement, named, wheres)


def _present(r: Reading, links: Links, streams: Streams, parent: Source, children: dict[str, _Child]) -> list[str]:
    """A joined table that nothing is shown of still decides which rows of the parent count. Raises: Unclear."""
    covered = links.reach(parent.alias) | {
        one for child in children.values() for e in child.path for one in (e.left, e.right)
    }
    conditions: list[str] = []
    for edge in links.edges:
        other = next((one for one in (edge.left, edge.right) if one not in covered), None)
        if other is None:
            continue
        seen = edge if edge.right == other else edge.turned()
        if seen.left not in links.reach(parent.alias):
            raise r.asking.refuse(links.span_of(r.intent.source(other)), "nothing of this table is used in the totals")
        if not links.to_one(seen, seen.right) and not links.to_one(seen, seen.left):
            reason = f"several rows on both sides share {links.describe(*_sides(r, seen), seen.pairs)}; how often a row"
            raise r.asking.refuse(links.span_of(r.intent.source(other)), f"{reason} counts is not said")
        missing = links.overlap(seen).left_unmatched if edge.how is None else 0
        if edge.how == "left" or (
            edge.how is None and (not missing or keep_or_drop(r, links, seen, missing) == "LEFT JOIN")
        ):
            # Every row stays, and counts once however many partners it has: the other table is not needed.
            streams.leave(other)
            continue
        on = " AND ".join(streams.equal(Ref(other, b), Ref(seen.left, a)) for a, b in seen.pairs)
        conditions.append(f"EXISTS (SELECT 1 FROM {identifier(streams.step(other))} WHERE {on})")
    return conditions


def _sides(r: Reading, edge: Edge) -> tuple[Source, Source]:
    return r.intent.source(edge.left), r.intent.source(edge.right)


def _parent(r: Reading, links: Links, homes: list[str], involved: list[Source]) -> Source:
    """The table that every measured row belongs to exactly one row of, and that decides the groups."""
    keys = {ref.source for group in r.intent.groups for ref in group.expression.refs()}
    keys |= {ref.source for one in r.intent.outputs if not one.expression.measures() for ref in one.expression.refs()}
    entities = [group.entity for group in r.intent.groups if group.entity is not None]
    lefts = {edge.left for edge in links.edges if edge.how == "left"}
    lefts -= {edge.right for edge in links.edges if edge.how == "left"}
    order = sorted(involved, key=lambda one: tuple(one.alias not in these for these in (lefts, entities, homes)))
    for source in order:
        reached = links.reach(source.alias)
        if keys <= reached and all(source.alias in links.reach(home) for home in homes):
            return source
    reason = "the totals are over tables that multiply each other's rows; ask for them one by one"
    if len(set(homes)) == 1:
        name = r.table(homes[0]).name
        reason = f"the joins give rows of {name} several partners; how often such a row counts in a total is not said"
    raise r.asking.refuse((0, len(r.cur.goal)), reason)


def _one_row_each(r: Reading, parent: Source) -> bool:
    """Each result row is one row of the parent, so that any aggregate of its children is final."""
    return any(group.entity == parent.alias for group in r.intent.groups)


def _parts(r: Reading, streams: Streams, measure: Measure, at: int, child: _Child, *, single: bool) -> str:
    """Adds the measure's parts to the child's step; gives the SQL over them, `{child}` standing for its name."""
    inner = measure.argument.sql(streams.full) if measure.argument is not None else "*"
    func = "count" if measure.func == "count_rows" else measure.func
    if single:
        name = _part(
            child,
            plain_aggregate(measure, inner) if measure.argument is not None else counted(streams, measure),
            func,
            at,
        )
        value = f"max({{{child.source.alias}}}.{name})"
        return f"coalesce({value}, 0)" if func in ("count", "count_distinct", "sum") else value
    if func in ("count", "sum"):
        name = _part(child, counted(streams, measure) if measure.entity else f"{func}({inner})", func, at)
        value = f"coalesce(sum({{{child.source.alias}}}.{name}), 0)"
        whole = func == "count" or (measure.argument is not None and measure.argument.kind == "integer")
        return f"CAST({value} AS BIGINT)" if whole else value
    if func in ("min", "max"):
        name = _part(child, f"{func}({inner})", func, at)
        return f"{func}({{{child.source.alias}}}.{name})"
    if func == "avg":
        total, count = _part(child, f"sum({inner})", "sum", at), _part(child, f"count({inner})", "count", at)
        alias = f"{{{child.source.alias}}}"
        return f"(sum({alias}.{total}) / nullif(sum({alias}.{count}), 0))"
    raise r.asking.refuse(
        (0, len(r.cur.goal)),
        f"a {func.replace('_', ' ')} over {child.source.table.name} beside totals of another table",
    )


def _part(child: _Child, sql: str, func: str, at: int) -> str:
    name = f"{func}_{at + 1}"
    child.items.append((sql, name))
    return name


def _own(streams: Streams, measure: Measure) -> str:
    if measure.argument is None or measure.entity:
        return counted(streams, measure)
    return plain_aggregate(measure, measure.argument.sql(streams.full))


def _filled(value: str, children: dict[str, _Child]) -> str:
    for alias, child in children.items():
        value = value.replace(f"{{{alias}}}", identifier(child.step))
    return value


def _conditions(
    r: Reading, links: Links, streams: Streams, parent: Source, children: dict[str, _Child]
) -> tuple[dict[str, list[Filter]], list[Filter]]:
    """Row conditions by child, and those of the parent. Raises: Unclear for one that could mean either."""
    inner: dict[str, list[Filter]] = {}
    outer: list[Filter] = []
    reached = links.reach(parent.alias)
    for one in streams.pending():
        used = {ref.source for ref in one.condition.refs()}
        if used <= reached:
            outer.append(one)
            continue
        names = ", ".join(sorted(r.label(ref) for ref in one.condition.refs()))
        raise r.asking.refuse(
            r.cur.span(0, len(r.cur.tokens)),
            f"a condition on {names} beside a total of {parent.table.name}: it is not said which of the two it limits",
        )
    return inner, outer


def _step(streams: Streams, child: _Child, parent: Source, conditions: list[Filter]) -> None:
    """The child's totals for each of the parent's keys."""
    last = child.path[-1]
    keys = [streams.full(Ref(last.left, one)) for one, _ in last.pairs]
    statement = Statement(streams.step(child.source.alias))
    statement.items = [(key, name) for key, name in zip(keys, _key_names(child), strict=True)]
    statement.items += [(sql, name) for sql, name in child.items]
    statement.joins = [streams.join(edge, "JOIN") for edge in child.path[:-1]]
    statement.wheres = [streams.where(one.condition) for one in conditions]
    statement.groups = keys
    entity = "_".join(entity_words(parent.table.name))
    phrases = {child.source.phrase}
    child.step = streams.add(f"{child.source.alias}_per_{entity}", statement.text(), tuple(sorted(phrases)))


def _key_names(child: _Child) -> list[str]:
    return [one for one, _ in child.path[-1].pairs]


def _lookups(links: Links, parent: Source, children: dict[str, _Child]) -> Links:
    """The joins that stay outside: from the parent to what it refers to."""
    used = {frozenset((edge.left, edge.right)) for child in children.values() for edge in child.path}
    outside = Links(links.r)
    reached = links.reach(parent.alias)
    outside.edges = [
        edge
        for edge in links.edges
        if frozenset((edge.left, edge.right)) not in used and {edge.left, edge.right} <= reached
    ]
    return outside


def _attach(r: Reading, links: Links, streams: Streams, child: _Child) -> str:
    """The join of the parent with a child's totals; parents without children stay, unless the goal says otherwise."""
    last = child.path[-1].turned()
    keyword = "LEFT JOIN"
    if any(edge.how == "inner" for edge in child.path):
        missing = links.overlap(last).left_unmatched
        keyword = keep_or_drop(r, links, last, missing) if missing else "LEFT JOIN"
    step = identifier(child.step)
    on = " AND ".join(streams.equal(Ref(last.left, one), Ref(last.right, other), step) for one, other in last.pairs)
    return f"{keyword} {step} ON {on}"
