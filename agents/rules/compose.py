"""From what a goal means to a plan: extracts, de-duplication, the result's SELECT, the load."""

from collections.abc import Sequence
from dataclasses import replace

from agent_etl.agents.rules.aggregates import aggregate
from agent_etl.agents.rules.contradictions import refuse_contradictions
from agent_etl.agents.rules.destination import Destination, adopt_columns, keyed, settle_target
from agent_etl.agents.rules.disguises import refuse_disguised_order
from agent_etl.agents.rules.duplicates import decided
from agent_etl.agents.rules.expressions import Ref, column, identifier
from agent_etl.agents.rules.intent import Dedupe, Edge, Filter, GroupKey, Source
from agent_etl.agents.rules.kept import keep_rows
from agent_etl.agents.rules.keytypes import refuse_unlike_keys
from agent_etl.agents.rules.links import Links
from agent_etl.agents.rules.names import slug
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.requirements import required
from agent_etl.agents.rules.rows import plain_rows
from agent_etl.agents.rules.statement import Statement
from agent_etl.agents.rules.streams import Streams
from agent_etl.engine.plan import Extract, Load, Plan, Transform

__all__ = ["compose"]


def compose(r: Reading, clauses: tuple[tuple[int, int], ...]) -> Plan:
    """The plan. Raises: Unclear after recording what is missing."""
    if not r.sources:
        raise r.asking.refuse((0, len(r.cur.goal)), "no table or file in scope is named as a source")
    _dropped_then_used(r)
    refuse_contradictions(r, clauses)
    refuse_disguised_order(r, clauses)
    _by_reference(r)
    involved = _involved(r)
    links = Links(r)
    links.settle(involved)
    refuse_unlike_keys(r, links)
    keep_rows(r, links)
    _useful(r, links, involved)
    streams = Streams(r, involved)
    _deduplicate(r, links, streams)
    destination = settle_target(r)
    adopt_columns(r, destination)
    result = aggregate(r, links, streams, involved) if r.intent.grouped else plain_rows(r, links, streams, involved)
    names = result.names if isinstance(result, Statement) else [one.name for one in involved[0].table.columns]
    return _plan(r, clauses, streams, result, keyed(r, destination, tuple(names)))


def _dropped_then_used(r: Reading) -> None:
    """A column that goes cannot be used afterwards. Raises: Unclear."""
    intent = r.intent
    later = [(ref, one.phrase) for one in intent.measures if one.argument is not None for ref in one.argument.refs()]
    later += [(ref, one.phrase) for one in intent.groups for ref in one.expression.refs()]
    later += [(ref, one.phrase) for one in intent.filters for ref in one.condition.refs()]
    for ref, phrase in intent.dropped:
        if any(ref == other and phrase < after for other, after in later):
            raise r.asking.refuse((0, len(r.cur.goal)), f"{r.label(ref)} is dropped and then used")


def _by_reference(r: Reading) -> None:
    """`total per customer` needs no customers table where the measured rows hold the customer's key."""
    intent = r.intent
    homes = {one.home for one in intent.measures if one.home not in ("", "*")}
    for at, group in enumerate(intent.groups):
        alias, sole = group.entity, group.expression.sole
        if alias is None or group.each or sole is None or len(homes) != 1 or r.intent.source(alias).listed:
            continue
        home = intent.source(next(iter(homes)))
        others = [one for one in intent.groups if one != group]
        if home.alias == alias or alias in _read(r, without=[group]) or any(one.entity == alias for one in others):
            continue
        same = [one for one in home.table.columns if r.equal(Ref(home.alias, one.name), sole)]
        if len(same) == 1:
            whole = column(home.alias, same[0].name, same[0].type)
            intent.groups[at] = replace(group, expression=whole, name=same[0].name, entity=None)


def _involved(r: Reading) -> list[Source]:
    """The sources that the result reads. Raises: Unclear when the goal names one that nothing uses."""
    used, intent = _read(r), r.intent
    used |= {alias for edge in intent.edges if edge.how is not None for alias in (edge.left, edge.right)}
    used |= {alias for aliases, _, _ in intent.joined for alias in aliases}
    if not used or len(r.sources) == 1:
        used |= {source.alias for source in r.sources if source.listed} or {r.sources[0].alias}
    # Listed tables may be bridges between those that are used.
    used |= {source.alias for source in r.sources if source.listed or source in r.subjects}
    apart = {edge.right for edge in intent.edges if edge.how in ("anti", "semi")}
    return [source for source in r.sources if source.alias in used and source.alias not in apart]


def _read(r: Reading, without: Sequence[GroupKey] = ()) -> set[str]:
    """The sources whose columns or rows the goal's operations need; `without` some groups."""
    used: set[str] = set()
    intent = r.intent
    expressions = [one.condition for one in intent.filters] + [one.condition for one in intent.havings]
    expressions += [one.expression for one in intent.outputs] + [
        one.expression for one in intent.groups if one not in without
    ]
    expressions += [one.expression for one in intent.sorts]
    expressions += [one.argument for one in intent.measures if one.argument is not None]
    expressions += [one.where for one in intent.measures if one.where is not None]
    used |= {ref.source for expression in expressions for ref in expression.refs()}
    used |= {one.home for one in intent.measures if one.home not in ("", "*")}
    used |= {dedupe.source for dedupe in intent.dedupes} | {ref.source for ref, _ in intent.dropped}
    return used


def _useful(r: Reading, links: Links, involved: list[Source]) -> None:
    """A table that the goal names must be shown, counted, joined in words, or be a bridge. Raises: Unclear."""
    for source in involved:
        degree = sum(source.alias in (edge.left, edge.right) for edge in links.edges)
        stated = any(source.alias in (edge.left, edge.right) and edge.how for edge in links.edges)
        if len(involved) > 1 and degree < 2 and not stated and source.alias not in _read(r):
            reason = f"{source.table.name} is named, but nothing says what to do with it"
            raise r.asking.refuse(links.span_of(source), reason)


def _deduplicate(r: Reading, links: Links, streams: Streams) -> None:
    """One step for each table whose duplicates go; conditions that the goal says before it come before it."""
    for at, asked in enumerate(r.intent.dedupes):
        dedupe = replace(decided(r, asked, _shown(r, links, asked)), span=None)
        r.intent.dedupes[at] = dedupe
        source = r.intent.source(dedupe.source)
        streams.whole.add(source.alias)
        before = [one for one in r.intent.filters if _early(one, dedupe)]
        statement = Statement(streams.step(source.alias), [("*", None)])
        statement.wheres = [one.condition.sql(streams.bare) for one in before]
        streams.applied.update(id(one) for one in before)
        if dedupe.keys:
            statement.qualify = _one_row(r, streams, dedupe, source)
        else:
            statement.distinct = True
        why = tuple(sorted({dedupe.phrase, *(one.phrase for one in before)}))
        streams.add(f"{source.alias}_deduplicated", statement.text(), why)
        streams.move(source.alias)


def _shown(r: Reading, links: Links, dedupe: Dedupe) -> set[str] | None:
    """The columns of a de-duplicated table that anything after it reads; None: all of them."""
    intent = r.intent
    if not intent.grouped and not intent.outputs:
        return None
    refs = [ref for one in intent.filters if not _early(one, dedupe) for ref in one.condition.refs()]
    expressions = [one.condition for one in intent.havings] + [one.expression for one in intent.outputs]
    expressions += [one.expression for one in intent.groups] + [one.expression for one in intent.sorts]
    expressions += [one for m in intent.measures for one in (m.argument, m.where) if one is not None]
    refs += [ref for one in expressions for ref in one.refs()]
    refs += [ref for edge in (*links.edges, *intent.edges) for one in (edge, edge.turned()) for ref in _ends(one)]
    derived = any(one.derived for one in intent.outputs) and not intent.grouped
    return None if derived else {ref.column for ref in refs if ref.source == dedupe.source}


def _ends(edge: Edge) -> list[Ref]:
    return [Ref(edge.left, one) for one, _ in edge.pairs]


def _early(condition: Filter, dedupe: Dedupe) -> bool:
    before = not dedupe.first and condition.phrase < dedupe.phrase
    return before and {ref.source for ref in condition.condition.refs()} == {dedupe.source}


def _one_row(r: Reading, streams: Streams, dedupe: Dedupe, source: Source) -> str:
    keys = ", ".join(key.sql(streams.bare) for key in dedupe.keys)
    orders = []
    if dedupe.order is not None:
        orders.append(f"{identifier(dedupe.order.column)} {'DESC' if dedupe.descending else 'ASC'} NULLS LAST")
    chosen = {key.sole.column for key in dedupe.keys if key.sole is not None}
    chosen |= {dedupe.order.column} if dedupe.order is not None else set()
    if dedupe.order is not None:
        _tell_ties(r, dedupe, source)
    # Ties are settled by the remaining columns, so that the same rows give the same row everywhere.
    orders += [f"{identifier(one.name)} NULLS LAST" for one in source.table.columns if one.name not in chosen]
    return f"row_number() OVER (PARTITION BY {keys} ORDER BY {', '.join(orders)}) = 1"


def _tell_ties(r: Reading, dedupe: Dedupe, source: Source) -> None:
    keys = [key.sole.column for key in dedupe.keys if key.sole is not None]
    order = dedupe.order.column if dedupe.order is not None else ""
    rest = [one.name for one in source.table.columns if one.name not in (*keys, order)]
    if rest and len(keys) == len(dedupe.keys) and not r.request.prober.keys(source.table, (*keys, order)).unique:
        r.asking.note(f"Rows with the same {', '.join((*keys, order))}: the one with the lowest {rest[0]} stays.")


def _plan(
    r: Reading,
    clauses: tuple[tuple[int, int], ...],
    streams: Streams,
    result: Statement | str,
    destination: Destination,
) -> Plan:
    extracts = tuple(_extract(r, streams, source) for source in streams.read())
    taken = [*(one.name for one in extracts), *(name for name, _, _ in streams.made)]
    served = {index for one in extracts for index in one.why} | {one for _, _, why in streams.made for one in why}
    served |= {one.phrase for one in r.intent.checks}
    rest = tuple(index for index in range(len(clauses)) if index not in served and index != destination.phrase)
    if isinstance(result, str):
        final = result
        extracts = tuple(one.model_copy(update={"why": tuple(sorted({*one.why, *rest}))}) for one in extracts)
    else:
        final = slug(destination.table.split(".")[-1] if not destination.file else destination.stem, taken)
        streams.made.append((final, result.text(), rest))
    transforms = tuple(Transform(name=name, sql=sql, why=why) for name, sql, why in streams.made)
    load = Load(
        name=slug(f"load_{destination.stem}", [*taken, final]),
        from_=final,
        target=destination.connection,
        table=destination.table,
        mode=destination.mode,
        key=destination.key,
        format=destination.format,
        why=(destination.phrase,) if destination.phrase is not None else (),
    )
    return Plan(
        name=slug(destination.stem),
        goal=r.cur.goal,
        clauses=clauses,
        answers=dict(r.asking.used),
        extracts=extracts,
        transforms=transforms,
        checks=required(r, streams, result, final, [*taken, final, load.name]),
        loads=(load,),
    )


def _extract(r: Reading, streams: Streams, source: Source) -> Extract:
    table = source.table
    needed = streams.columns(source.alias)
    names = [one.name for one in table.columns]
    kept = names if needed is None else [name for name in names if name in needed] or names[:1]
    phrases = {source.phrase} if source.listed else set()
    return Extract(
        name=source.alias,
        source=table.connection,
        dataset=table.dataset,
        columns=None if kept == names else tuple(kept),
        options=dict(table.options),
        expect={one.name: one.type for one in table.columns if one.name in kept},
        why=tuple(sorted(phrases)),
    )
