"""What a plan makes of rows that are only a part of their source: is a load of them what a load of all would give?

An incremental extract delivers some rows, the new ones and a few again. A step that looks at each row alone makes of
them what it would make of all. A total, a rank or a missing partner would be that of the part alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from agent_etl.engine.dag import Dag
from agent_etl.engine.frame import aggregates, conjuncts, own_nodes
from agent_etl.engine.plan import Extract, Load, Transform
from agent_etl.engine.projection import column_names, held_to_one
from agent_etl.engine.sandbox import check_select

__all__ = ["Hazard", "carried", "hazards", "increments_of"]


@dataclass(frozen=True, slots=True)
class Hazard:
    """What makes a step's rows depend on rows that an incremental extract did not read."""

    step: str
    message: str
    hint: str


def increments_of(dag: Dag, load: Load) -> tuple[Extract, ...]:
    """The incremental extracts that a load's rows are made of, in the plan's order."""
    upstream = dag.upstream(load.name)
    steps = (step for step in dag.steps.values() if step.name in upstream)
    return tuple(step for step in steps if isinstance(step, Extract) and step.incremental is not None)


def hazards(dag: Dag, load: Load) -> tuple[Hazard, ...]:
    """Why loading parts one after the other may not give what loading all at once gives; nothing when it surely does.

    An append needs more than a merge: a row that is read again must come out as it did before.
    """
    found: list[Hazard] = []
    partial = {step.name for step in increments_of(dag, load)}
    for step in _between(dag, load):
        if partial & set(dag.inputs[step.name]):
            partial.add(step.name)
            query = check_select(step.sql, dag.inputs[step.name])
            found += (Hazard(step.name, *told) for told in _Judge(query, partial, load).judge())
    return tuple(dict.fromkeys(found))


def carried(dag: Dag, load: Load) -> str | None:
    """The column under which the one incremental extract's cursor reaches an append, unchanged; None: not surely."""
    extracts = increments_of(dag, load)
    if len(extracts) != 1 or extracts[0].incremental is None:
        return None
    names: dict[str, str | None] = {extracts[0].name: extracts[0].incremental.cursor}
    for step in _between(dag, load):
        query = check_select(step.sql, dag.inputs[step.name])
        names[step.name] = _traced(query, {name.lower(): column for name, column in names.items()})
    return names.get(load.from_)


def _between(dag: Dag, load: Load) -> Iterator[Transform]:
    upstream = dag.upstream(load.name)
    for task in dag.tasks():
        step = dag.steps[task.name]
        if isinstance(step, Transform) and step.name in upstream:
            yield step


class _Judge:
    """Judges one query, in which the relations named `partial` hold only a part of their rows."""

    def __init__(self, query: exp.Query, partial: set[str], load: Load) -> None:
        self._query = query
        self._partial = {name.lower() for name in partial}
        self._appends = load.mode == "append"
        self._keyed = bool(load.key)
        for cte in query.find_all(exp.CTE):
            if self._touches(cte.this):
                self._partial.add(cte.alias_or_name.lower())

    def judge(self) -> Iterator[tuple[str, str]]:
        for node in self._query.find_all(exp.SetOperation):
            if self._touches(node) and (self._appends or not isinstance(node, exp.Union)):
                yield f"it combines parts by {type(node).__name__.upper()}", "load each side by a load of its own"
        for select in self._query.find_all(exp.Select):
            if self._touches(select):
                yield from self._select(select)

    def _touches(self, node: exp.Expr) -> bool:
        return any(table.name.lower() in self._partial for table in node.find_all(exp.Table))

    def _select(self, select: exp.Select) -> Iterator[tuple[str, str]]:
        start = select.args.get("from_")
        joins = select.args.get("joins") or []
        sides = [start.this] if start is not None else []
        keys = ("expressions", "where", "having", "qualify", "order")
        parts = [part for key in keys for part in _listed(select, key)]
        if any(self._touches(node) for part in parts for node in own_nodes([part]) if isinstance(node, exp.Query)):
            yield "it asks for rows by a subquery of which only a part is read", "join it, or read it in full"
        if not any(self._touches(side) for side in (*sides, *(join.this for join in joins))):
            return
        yield from self._joined(sides, joins)
        yield from self._rows(select, parts)

    def _joined(self, sides: list[exp.Expr], joins: list[exp.Join]) -> Iterator[tuple[str, str]]:
        first = any(self._touches(side) for side in sides)
        if first + sum(self._touches(join.this) for join in joins) > 1:
            yield "it joins two inputs of which only a part is read", "read one of them in full"
        for join in joins:
            outer = str(join.side or "").upper() in {"RIGHT", "FULL"}
            inner = not join.side and str(join.kind or "").upper() in {"", "INNER", "CROSS"}
            if (first and outer) or (self._touches(join.this) and not inner):
                yield "it keeps rows that found no partner in the part that is read", "begin FROM the incremental input"
        if joins and self._appends and not self._keyed:
            yield (
                "a row that is read again may be joined with other values than before",
                "give the load a key, or use merge with a key",
            )

    def _rows(self, select: exp.Select, parts: list[exp.Expr]) -> Iterator[tuple[str, str]]:
        calls = list(aggregates(parts))
        if select.args.get("group") is not None or any(window is None for _, window in calls):
            yield "it aggregates rows of which only a part is read", "read the source in full, or load its rows first"
        if any(isinstance(node, exp.Window) for node in own_nodes(parts)):
            held = [held_to_one(part) for part in conjuncts(select.args.get("qualify"))]
            ranked = [one for one in held if isinstance(one, exp.Window) and isinstance(one.this, exp.RowNumber)]
            windows = [node for node in own_nodes(parts) if isinstance(node, exp.Window)]
            if self._appends or any(window not in ranked for window in windows):
                yield (
                    "it ranks or sums over rows of which only a part is read",
                    "read the source in full; to merge the newest row of a key, QUALIFY row_number() OVER (…) = 1",
                )
        if select.args.get("distinct") is not None and self._appends:
            yield "it drops repeated rows of the part alone", "use merge with a key"
        if select.args.get("limit") is not None or select.args.get("offset") is not None:
            yield "it leaves rows out by LIMIT, which no later run reads again", "leave LIMIT and OFFSET out"


def _listed(node: exp.Select, key: str) -> list[exp.Expr]:
    value = node.args.get(key)
    return value if isinstance(value, list) else [value] if value is not None else []


def _traced(node: exp.Expr, names: Mapping[str, str | None]) -> str | None:
    """The output column of a query that is the cursor unchanged, by what the relations that it names call it."""
    if isinstance(node, exp.Subquery):
        return None if column_names(node) else _traced(node.this, names)
    if not isinstance(node, exp.Select):
        return None
    known = dict(names)
    clause = node.args.get("with_")
    for cte in clause.expressions if clause is not None else ():
        known[cte.alias_or_name.lower()] = None if column_names(cte) else _traced(cte.this, known)
    start = node.args.get("from_")
    sources = [start.this] if start is not None else []
    sources += [join.this for join in node.args.get("joins") or ()]
    sources += node.args.get("laterals") or ()
    for source in sources:
        column = _of(source, known)
        if column is not None:
            return _given(node, source.alias_or_name.lower(), column, alone=len(sources) == 1)
    return None


def _of(source: exp.Expr, known: Mapping[str, str | None]) -> str | None:
    if isinstance(source, exp.Table):
        return None if column_names(source) else known.get(source.name.lower())
    return _traced(source, known) if isinstance(source, exp.Subquery) else None


def _given(select: exp.Select, alias: str, column: str, *, alone: bool) -> str | None:
    """The name under which a select gives `column` of the source `alias`. Without its table's name only when alone."""
    for item in select.expressions:
        inner = item.unalias()
        if isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
            star = inner if isinstance(inner, exp.Star) else inner.this
            owner = inner.table.lower() if isinstance(inner, exp.Column) else ""
            left_out = {gone.name.lower() for gone in star.args.get("except_") or ()}
            left_out |= {new.alias.lower() for new in star.args.get("replace") or ()}
            renamed = {old.this.name.lower(): old.alias for old in star.args.get("rename") or ()}
            if owner in ("", alias) and column.lower() not in left_out:
                return str(renamed.get(column.lower(), column))
            continue
        own = isinstance(inner, exp.Column) and (inner.table.lower() == alias or (alone and not inner.table))
        if own and inner.name.lower() == column.lower():
            return str(item.alias_or_name)
    return None
