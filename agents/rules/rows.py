"""Results whose rows are the sources' rows: chosen, derived and renamed columns over filters and joins."""

from dataclasses import replace

from agent_etl.agents.rules.expressions import Expr, Ref, column, identifier
from agent_etl.agents.rules.ground import key_of
from agent_etl.agents.rules.intent import Edge, Output, Source
from agent_etl.agents.rules.links import Links
from agent_etl.agents.rules.names import entity_words, slug
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.statement import Statement
from agent_etl.agents.rules.streams import Streams

__all__ = ["absent", "joined", "keep_or_drop", "plain_rows", "substituted"]


def plain_rows(r: Reading, links: Links, streams: Streams, involved: list[Source]) -> Statement | str:
    """The statement, or the name of the step whose rows already are the result. Raises: Unclear."""
    base = _base(r, links, involved)
    _no_groups(r, base)
    if _untouched(r, streams, involved):
        step = streams.step(base.alias)
        streams.whole.add(base.alias)
        return step
    statement = Statement(streams.step(base.alias))
    items = _items(r, links, base, involved)
    statement.joins = joined(r, links, streams, base)
    statement.items = _rendered(streams, items)
    statement.wheres = [streams.where(one.condition) for one in streams.pending()]
    statement.wheres += absent(r, links, streams)
    _order(r, statement, streams, base, items)
    if r.intent.distinct:
        _once(r, statement, items)
    return statement


def _once(r: Reading, statement: Statement, items: list[Output]) -> None:
    """Equal rows of the result once: they are sorted by what they show. Raises: Unclear for any other order."""
    shown = {one.expression for one in items}
    if any(sort.expression not in shown for sort in r.intent.sorts):
        raise r.asking.refuse((0, len(r.cur.goal)), "distinct rows can only be sorted by columns that they show")
    statement.distinct = True
    del statement.orders[len(r.intent.sorts) :]


def _no_groups(r: Reading, base: Source) -> None:
    """`for each order` over the orders' own rows is what the result is anyway. Raises: Unclear for other groups."""
    if all(group.entity == base.alias for group in r.intent.groups):
        return
    quote = ", ".join(group.name for group in r.intent.groups)
    span = (0, len(r.cur.goal))
    raise r.asking.refuse(span, f"the rows are grouped by {quote}, but no total, count or average is asked for")


def _untouched(r: Reading, streams: Streams, involved: list[Source]) -> bool:
    intent = r.intent
    changed = (
        intent.distinct
        or intent.outputs
        or intent.dropped
        or intent.sorts
        or intent.limit
        or intent.edges
        or streams.pending()
    )
    return not changed and len(involved) == 1


def _base(r: Reading, links: Links, involved: list[Source]) -> Source:
    """The table whose rows the result keeps: the left side of left joins, else the one that all others look up into."""
    rights = {edge.right for edge in links.edges if edge.how == "left"}
    lefts = [source for source in involved if source.alias not in rights]
    anti = [r.intent.source(edge.left) for edge in r.intent.edges if edge.how in ("anti", "semi")]
    for source in [*anti, *lefts]:
        if source in involved and {one.alias for one in involved} <= links.reach(source.alias):
            return source
    return (lefts or involved)[0]


def joined(r: Reading, links: Links, streams: Streams, base: Source) -> list[str]:
    """JOIN clauses outward from the base. Raises: Unclear when an unnamed kind of join would lose rows."""
    clauses: list[str] = []
    reached, waiting = {base.alias}, list(links.edges)
    while waiting:
        edge = next((one for one in waiting if (one.left in reached) != (one.right in reached)), None)
        if edge is None:
            # Both ends are joined already: a further condition between them.
            break
        waiting.remove(edge)
        seen = edge if edge.left in reached else edge.turned()
        clauses.append(streams.join(seen, _keyword(r, links, edge, seen)))
        reached.add(seen.right)
    for edge in waiting:
        pairs = [(Ref(edge.left, one), Ref(edge.right, other)) for one, other in edge.pairs]
        clauses[-1] += "".join(f" AND {streams.equal(one, other)}" for one, other in pairs)
    return clauses


def _keyword(r: Reading, links: Links, edge: Edge, seen: Edge) -> str:
    if edge.how == "inner":
        return "JOIN"
    if edge.how == "left":
        if seen.left != edge.left:
            raise r.asking.refuse(
                links.span_of(r.intent.source(edge.right)), "this left join would have to keep both sides' rows"
            )
        return "LEFT JOIN"
    missing = links.overlap(seen).left_unmatched
    if missing == 0:
        return "LEFT JOIN"
    return keep_or_drop(r, links, seen, missing)


def keep_or_drop(r: Reading, links: Links, seen: Edge, missing: int) -> str:
    """Rows without a partner, where the goal names no kind of join: asked about. Raises: Unclear."""
    left, right = r.table(seen.left).name, r.table(seen.right).name
    answer = r.asking.choose(
        "unmatched",
        links.span_of(r.intent.source(seen.right)),
        f"{missing} rows of {left} have no {right}. Are they kept?",
        [("keep", f"keep them, with nothing from {right}"), ("drop", "leave them out")],
    )
    return "LEFT JOIN" if answer == "keep" else "JOIN"


def absent(r: Reading, links: Links, streams: Streams) -> list[str]:
    """Conditions for rows that must have no partner, or must have one."""
    conditions: list[str] = []
    for edge in r.intent.edges:
        if edge.how not in ("anti", "semi"):
            continue
        found = links.completed(edge)
        step = identifier(streams.step(found.right))
        on = " AND ".join(streams.equal(Ref(found.right, b), Ref(found.left, a)) for a, b in found.pairs)
        word = "NOT EXISTS" if edge.how == "anti" else "EXISTS"
        conditions.append(f"{word} (SELECT 1 FROM {step} WHERE {on})")
    return conditions


def _items(r: Reading, links: Links, base: Source, involved: list[Source]) -> list[Output]:
    replaced = _replacements(r)
    dropped = {ref for ref, _ in r.intent.dropped}
    chosen = [one for one in r.intent.outputs if not one.derived]
    if chosen:
        items = [_changed(one, replaced) for one in chosen]
        for one in chosen:
            if one.expression.sole in dropped:
                raise r.asking.refuse(links.span_of(base), f"{one.name} is both chosen and dropped")
    else:
        items = _everything(r, links, base, involved, replaced, dropped)
    last = max(r.intent.closed, default=0)
    shown = {one.name.lower() for one in chosen}
    added = [one for one in r.intent.outputs if one.derived and one.replaces is None and one.name.lower() not in shown]
    items += [one for one in added if one.phrase >= last]
    return _unlike(r, items)


def _replacements(r: Reading) -> dict[Ref, Output]:
    """Renames, casts and changes of one column, put on top of each other."""
    found: dict[Ref, Output] = {}
    for one in r.intent.outputs:
        if one.replaces is None:
            continue
        before = found.get(one.replaces)
        if before is None:
            found[one.replaces] = one
            continue
        name = one.name if one.name != one.replaces.column else before.name
        found[one.replaces] = replace(one, name=name, expression=substituted(one.expression, one.replaces, before))
    return found


def substituted(expression: Expr, ref: Ref, output: Output) -> Expr:
    """The expression with a column's changed form in its place."""
    parts: list[object] = []
    for part in expression.parts:
        parts.extend(output.expression.parts if part == ref else [part])
    return replace(expression, parts=tuple(parts))  # type: ignore[arg-type]


def _changed(output: Output, replaced: dict[Ref, Output]) -> Output:
    sole = output.expression.sole
    change = replaced.get(sole) if sole is not None else None
    if change is None:
        return output
    name = change.name if sole is not None and change.name != sole.column else output.name
    return replace(output, name=name, expression=change.expression)


def _everything(
    r: Reading, links: Links, base: Source, involved: list[Source], replaced: dict[Ref, Output], dropped: set[Ref]
) -> list[Output]:
    """All columns of the base, then those of the joined tables but for the keys, which would be there twice."""
    items: list[Output] = []
    attached = {edge.right for edge in links.edges if edge.attached}
    twins = {
        Ref(edge.right, other) for edge in links.edges for one, other in edge.pairs if one.lower() == other.lower()
    }
    twins |= {Ref(edge.left, one) for edge in links.edges for one, other in edge.pairs if edge.right == base.alias}
    for source in [base, *(one for one in involved if one != base)]:
        if source.alias in attached:
            continue
        for found in source.table.columns:
            ref = Ref(source.alias, found.name)
            if ref in dropped or (ref in twins and source != base):
                continue
            change = replaced.get(ref)
            plain = Output(found.name, column(source.alias, found.name, found.type), source.phrase)
            item = plain if change is None else change
            if (twin := next((one for one in items if one.name.lower() == item.name.lower()), None)) is not None:
                if _renamed(item) or _renamed(twin):
                    raise r.asking.refuse(
                        links.span_of(base),
                        f"two columns of the result would be called {item.name}; drop or rename one",
                    )
                name = slug(" ".join([*entity_words(source.table.name), item.name]), [one.name for one in items])
                r.asking.note(f"{r.label(ref)} is called {name} in the result.")
                item = replace(item, name=name)
            items.append(item)
    return items


def _renamed(item: Output) -> bool:
    """The goal itself gives the column its name."""
    return item.replaces is not None and item.name != item.replaces.column


def _unlike(r: Reading, items: list[Output]) -> list[Output]:
    """No two columns of one name. Raises: Unclear."""
    seen: dict[str, Output] = {}
    for item in items:
        other = seen.get(item.name.lower())
        if other is not None and other.expression != item.expression:
            span = r.cur.span(0, len(r.cur.tokens))
            raise r.asking.refuse(span, f"two columns of the result would be called {item.name}; name one with `as`")
        seen[item.name.lower()] = item
    return list(seen.values())


def _rendered(streams: Streams, items: list[Output]) -> list[tuple[str, str | None]]:
    rendered: list[tuple[str, str | None]] = []
    for item in items:
        sole = item.expression.sole
        text = item.expression.sql(streams.full)
        rendered.append((text, None if sole is not None and sole.column == item.name else item.name))
    return rendered


def _order(r: Reading, statement: Statement, streams: Streams, base: Source, items: list[Output]) -> None:
    if r.intent.limit is not None and not r.intent.sorts:
        raise r.asking.refuse(
            (0, len(r.cur.goal)), "the first rows of an unordered table are any rows; say what they are sorted by"
        )
    if not r.intent.sorts:
        return
    for sort in r.intent.sorts:
        statement.orders.append(
            f"{sort.expression.sql(streams.full)} {'DESC' if sort.descending else 'ASC'} NULLS LAST"
        )
    key = key_of(base.table)
    sorted_by = {sort.expression.sole for sort in r.intent.sorts}
    ties = [Ref(base.alias, name) for name in key] or [Ref(base.alias, one.name) for one in base.table.columns]
    statement.orders += [streams.full(ref) for ref in ties if ref not in sorted_by]
    if r.intent.limit is not None:
        statement.limit = r.intent.limit[0]
