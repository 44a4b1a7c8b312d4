"""A query's shape: sources, joins, groups, distinct rows and windows, from the inside out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from agent_etl.engine.aggregates import judge
from agent_etl.engine.frame import Frame, aggregates, conjuncts, own_nodes, text_of
from agent_etl.engine.goal import Finding
from agent_etl.engine.joins import Joiner
from agent_etl.engine.lineage import Base, Cause, Origin, Shape, clashing, made, opaque
from agent_etl.engine.nulls import not_in, undone
from agent_etl.engine.ports import Prober
from agent_etl.engine.projection import column_names, group_keys, held_to_one, literal_rows, outputs

__all__ = ["Reader"]

Scope = Mapping[str, Shape]


class Reader:
    """Reads one step's query. Side effects: measures through the prober; `findings` grows."""

    def __init__(self, step: str, prober: Prober) -> None:
        self.step = step
        self.prober = prober
        self.joiner = Joiner(step, prober)
        self.findings = self.joiner.findings

    def query(self, node: exp.Expr, scope: Scope, label: str, outer: Frame | None = None) -> Shape:
        """The shape of a query's result. `scope` are the relations that it may name."""
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            return self.query(node.this, self._with(node, scope), label, outer)
        scope = self._with(node, scope)
        if isinstance(node, exp.SetOperation):
            return self._set(node, scope, label, outer)
        if isinstance(node, exp.Select):
            return self._select(node, scope, label, outer)
        if isinstance(node, exp.Values):
            return literal_rows(node, label)
        return opaque(label, ())

    def _with(self, node: exp.Expr, scope: Scope) -> Scope:
        clause = node.args.get("with_")
        if clause is None:
            return scope
        known = dict(scope)
        for cte in clause.expressions:
            name = cte.alias_or_name
            inside = {**known, name.lower(): _recursive(cte)} if clause.recursive else known
            shape = self.query(cte.this, inside, name)
            if clause.recursive and any(table.name.lower() == name.lower() for table in cte.find_all(exp.Table)):
                shape = opaque(name, (column for column, _ in shape.columns))
            known[name.lower()] = shape.renamed(column_names(cte))
        return known

    def _set(self, node: exp.SetOperation, scope: Scope, label: str, outer: Frame | None) -> Shape:
        left = self.query(node.left, scope, label, outer)
        right = self.query(node.right, scope, label, outer)
        pairs = dict(right.columns) if node.args.get("by_name") else {}
        if not pairs:
            self.findings += _misplaced(self.step, left, right)
        columns: list[tuple[str, Origin]] = []
        causes: list[Cause] = []
        for index, (name, origin) in enumerate(left.columns):
            other = pairs.get(name) if pairs else right.columns[index][1] if index < len(right.columns) else None
            cause = _cause_of(origin, left) or (_cause_of(other, right) if other else None)
            causes += [cause] if cause else []
            columns.append((name, Origin(frozenset({Base(label)}) if cause else frozenset())))
        columns += [(name, Origin()) for name in pairs if left.origin(name) is None]
        distinct = bool(node.args.get("distinct"))
        shape = made(label, columns, (frozenset(name for name, _ in columns),) if distinct else ())
        if not causes or distinct:
            return shape
        # A column that a branch had repeated stays repeated, apart from the union's rows themselves.
        tainted = {name: origin.bases for name, origin in columns if origin.bases}
        listed = [(name, Origin(tainted[name]) if name in tainted else origin) for name, origin in shape.columns]
        bases = frozenset(base for group in tainted.values() for base in group)
        return replace(
            shape, columns=tuple(listed), bases=shape.bases | bases, repeated=dict.fromkeys(bases, causes[0])
        )

    def _select(self, node: exp.Select, scope: Scope, label: str, outer: Frame | None) -> Shape:
        where = [*conjuncts(node.args.get("where"))]
        frame = self._sources(node, scope, where, outer)
        driving = _first(node, frame)
        frame = _filtered(frame, where)
        frame = replace(frame, aliases=self._aliases(node, frame), outer=outer)
        parts = [part for key in ("expressions", "where", "having", "qualify", "order") for part in _listed(node, key)]
        for inner in _subqueries(parts):
            finding = not_in(self.step, inner, self.query(inner, scope, label, frame), self.prober)
            self.findings += [finding] if finding is not None else []
        self.findings += undone(self.step, node, frame, where)
        group = node.args.get("group")
        grouped = group is not None or any(window is None for _, window in aggregates(parts))
        self.findings += judge(self.step, parts, frame, windows=not grouped)
        shape = self._grouped(node, frame, label) if grouped else self._plain(node, frame, driving)
        return _limited(node, self._distinct(node, shape, frame, label))

    def _sources(self, node: exp.Select, scope: Scope, where: Sequence[exp.Expr], outer: Frame | None) -> Frame:
        start = node.args.get("from_")
        if start is None:
            return Frame((), Shape((), frozenset(), one_row=True), outer=outer)
        frame = self._source(start.this, scope, None, outer)
        for join in node.args.get("joins") or ():
            frame = self._joined(frame, join, scope, where, outer)
        for lateral in node.args.get("laterals") or ():
            frame = self._joined(frame, exp.Join(this=lateral), scope, where, outer)
        return frame

    def _joined(
        self, frame: Frame, join: exp.Join, scope: Scope, where: Sequence[exp.Expr], outer: Frame | None
    ) -> Frame:
        right = self._source(join.this, scope, frame, outer)
        if isinstance(join.this, exp.Unnest | exp.Lateral) and not right.shape.one_row and _uses(join.this, frame):
            cause = Cause("unnest", right.fields[0][0] if right.fields else "unnest")
            shape = replace(
                frame.shape,
                bases=frame.shape.bases | right.shape.bases,
                repeated={**dict.fromkeys(frame.shape.bases, cause), **frame.shape.repeated, **right.shape.repeated},
                keys=(),
                one_row=False,
                partial=True,
            )
            return replace(frame, fields=frame.fields + right.fields, shape=shape)
        return self.joiner.join(frame, right, join, where)

    def _source(self, node: exp.Expr, scope: Scope, left: Frame | None, outer: Frame | None) -> Frame:
        alias = node.alias_or_name
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            shape = scope.get(node.name.lower()) or opaque(node.name, ())
            frame = _named(alias, shape.instance(), node)
            for join in node.args.get("joins") or ():
                frame = self._joined(frame, join, scope, (), outer)
            return frame
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            frame = self._source(node.this, scope, left, outer)
            if not node.alias:
                return frame
            shape = replace(
                frame.shape, columns=tuple((name, origin) for _, name, origin, shown in frame.fields if shown)
            )
            return _named(alias, shape, node)
        if isinstance(node, exp.Subquery | exp.Lateral):
            inner = node.this
            return _named(alias, self.query(inner, scope, alias or "a subquery", left or outer), node)
        if isinstance(node, exp.Values):
            return _named(alias, literal_rows(node, alias or "values"), node)
        if isinstance(node, exp.Table) and isinstance(node.this, exp.GenerateSeries):
            name = (column_names(node) or ["generate_series"])[0]
            return _named(alias or name, made(alias or name, [(name, Origin())], (frozenset({name}),)), node)
        names = column_names(node) or [alias or "unnest"]
        return _named(alias or "unnest", opaque(alias or "unnest", names), node)

    def _aliases(self, node: exp.Select, frame: Frame) -> dict[str, Origin]:
        known: dict[str, Origin] = {}
        for item in node.expressions:
            if isinstance(item, exp.Alias):
                known[item.alias.lower()] = replace(frame, aliases=known).origin(item)
        return known

    def _plain(self, node: exp.Select, frame: Frame, driving: Base | None) -> Shape:
        """A select without groups: rows are those of the frame, or more when a list is unnested into rows."""
        columns = outputs(node, frame)
        shape = replace(frame.shape, columns=tuple(columns))
        totals = frozenset(base for _, origin in columns for base in origin.bases) - shape.bases
        if totals:
            causes = {base: Cause("window", base.label) for base in totals}
            shape = replace(shape, bases=shape.bases | totals, repeated={**shape.repeated, **causes})
        if any(isinstance(part, exp.Explode) for part in own_nodes(node.expressions)):
            rows = Base("unnest")
            causes = dict.fromkeys(shape.bases, Cause("unnest", "unnest"))
            shape = replace(
                shape, bases=shape.bases | {rows}, repeated={**causes, **shape.repeated}, keys=(), one_row=False
            )
        if not node.args.get("distinct") and not node.args.get("qualify"):
            self._multiplied(frame.shape, driving)
        return self._qualified(node, frame, shape)

    def _multiplied(self, shape: Shape, driving: Base | None) -> None:
        """Say that a join without an aggregate gives more rows than its first table has."""
        caused = [cause for cause in shape.repeated.values() if cause.kind in {"join", "unproven"}]
        if driving is None or driving not in shape.repeated or not caused:
            return
        cause = shape.repeated[driving]
        if cause.kind not in {"join", "unproven"}:
            return
        every = all(base in shape.repeated for base in shape.bases)
        evidence = (("table", driving.label), ("other", cause.other), ("columns", ", ".join(cause.columns)))
        if every:
            message = f"{driving.label} and {cause.other} match many to many: rows of both are repeated"
            hint = "join on a key that is unique on one side, or aggregate one side first"
            self.findings.append(Finding("risk", "many_to_many", self.step, message, hint, "sql", evidence))
        else:
            message = f"each row of {driving.label} stands once for every matching row of {cause.other}"
            self.findings.append(Finding("note", "rows_multiplied", self.step, message, "", "sql", evidence))

    def _qualified(self, node: exp.Select, frame: Frame, shape: Shape) -> Shape:
        if node.args.get("qualify") is not None:
            shape = replace(shape, partial=True)
        for part in conjuncts(node.args.get("qualify")):
            window = held_to_one(part)
            if isinstance(window, exp.Window):
                origin = frame.origin(window)
            else:
                origin = frame.origin(window) if window is not None else Origin()
            if origin.partition is not None:
                shape = shape.one_per(origin.partition)
        return shape

    def _grouped(self, node: exp.Select, frame: Frame, label: str) -> Shape:
        group = node.args.get("group")
        items = outputs(node, frame)
        if group is None:
            return replace(made(label, items), one_row=True)
        keys, whole = group_keys(node, group, frame)
        names: list[str] = []
        parts: list[tuple[str, Origin]] = list(items)
        for key in keys:
            text = text_of(key)
            position = next((i for i, e in enumerate(node.expressions) if text_of(e.unalias()) == text), None)
            if position is not None and len(items) == len(node.expressions):
                names.append(items[position][0])
                parts[position] = (items[position][0], frame.origin(key))
            else:
                names.append(f" {text}")
        shape = made(label, parts, (frozenset(names),) if whole else ())
        shape = self._qualified(node, frame, shape)
        return replace(shape, partial=frame.shape.partial or node.args.get("having") is not None)

    def _distinct(self, node: exp.Select, shape: Shape, frame: Frame, label: str) -> Shape:
        distinct = node.args.get("distinct")
        if distinct is None:
            return shape
        on = distinct.args.get("on")
        if on is not None:
            listed = on.expressions if isinstance(on, exp.Tuple) else [on]
            return shape.one_per(tuple(frame.origin(item) for item in listed))
        rows = made(label, shape.columns, (frozenset(name for name, _ in shape.columns),))
        return replace(rows, partial=shape.partial)


def _misplaced(step: str, left: Shape, right: Shape) -> list[Finding]:
    """Columns that a union puts under each other by their place though their names or types say otherwise."""
    ours, theirs = ([name.lower() for name, _ in shape.columns] for shape in (left, right))
    if ours != theirs and sorted(ours) == sorted(theirs):
        message = f"the union puts {', '.join(theirs)} under {', '.join(ours)}: columns go by place, not by name"
        return [Finding("risk", "union_order", step, message, "write UNION ALL BY NAME", "sql")]
    found = []
    for (name, one), (_, other) in zip(left.columns, right.columns, strict=False):
        columns = clashing(one, other)
        if columns is not None:
            types = " and ".join(f"{column.name} ({column.type})" for column in columns)
            message = f"the union makes one column {name} of {types}"
            found.append(Finding("risk", "union_types", step, message, "cast one of them to say so", "sql"))
    return found


def _cause_of(origin: Origin, shape: Shape) -> Cause | None:
    """Why every base of a value is repeated, or None when one is not."""
    if origin.bases and all(base in shape.repeated for base in origin.bases):
        return next(shape.repeated[base] for base in origin.bases)
    return None


def _named(alias: str, shape: Shape, node: exp.Expr) -> Frame:
    shape = shape.renamed(column_names(node))
    return Frame(tuple((alias, name, origin, True) for name, origin in shape.columns), shape)


def _recursive(cte: exp.CTE) -> Shape:
    first = cte.this.left if isinstance(cte.this, exp.SetOperation) else cte.this
    names = column_names(cte) or [item.alias_or_name for item in getattr(first, "expressions", [])]
    return opaque(cte.alias_or_name, names)


def _first(node: exp.Select, frame: Frame) -> Base | None:
    """The base of the first table in FROM: the one whose rows a reader expects to see once."""
    start = node.args.get("from_")
    alias = start.this.alias_or_name if start is not None else ""
    for owner, _, origin, _ in frame.fields:
        if owner == alias and len(origin.bases) == 1:
            return next(iter(origin.bases))
    return None


def _filtered(frame: Frame, where: Sequence[exp.Expr]) -> Frame:
    shape = replace(frame.shape, partial=frame.shape.partial or bool(where))
    for part in where:
        first = held_to_one(part)
        origin = frame.origin(first) if isinstance(first, exp.Column) else Origin()
        if origin.partition is not None:
            shape = shape.one_per(origin.partition)
    return replace(frame, shape=shape)


def _limited(node: exp.Select, shape: Shape) -> Shape:
    limit = node.args.get("limit")
    count = limit.args.get("expression") or limit.args.get("count") if limit is not None else None
    if count is not None and count.sql() == "1":
        shape = replace(shape, one_row=True)
    cut = limit is not None or node.args.get("offset") is not None
    return replace(shape, partial=True) if cut else shape


def _listed(node: exp.Select, key: str) -> list[exp.Expr]:
    value = node.args.get(key)
    return value if isinstance(value, list) else [value] if value is not None else []


def _subqueries(parts: Sequence[exp.Expr]) -> list[exp.Expr]:
    return [node for node in own_nodes(parts) if isinstance(node, exp.Query)]


def _uses(node: exp.Expr, frame: Frame) -> bool:
    return any(frame.find(column) is not None for column in node.find_all(exp.Column))
