"""What a SELECT sees: the joined sources under their aliases, and where any expression over them comes from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from agent_etl.engine.lineage import Base, Origin, Shape

__all__ = ["DETACHED", "Frame", "aggregates", "conjuncts", "own_nodes", "text_of"]

DETACHED = frozenset({"product", "mean", "favg", "fsum", "kahan_sum", "sumkahan", "sum_no_overflow", "mad", "sem"}) | {
    "entropy", "geomean", "geometric_mean", "histogram", "weighted_avg", "wavg", "kurtosis_pop", "json_group_array",
    "json_group_object", "arbitrary", "arg_max_null", "arg_min_null",
}  # fmt: skip
"""Aggregates that sqlglot does not know as such."""

_RANKING = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile)
_OF_A_ROW = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)


@dataclass(frozen=True)
class Frame:
    """Joined sources. `fields` are (alias, column, origin, shown): a column that USING merged away is not shown.

    `shape` holds the bases, what is repeated and the keys. `aliases` are the select's own names, which DuckDB lets
    later expressions use. `outer` is the frame around a correlated subquery. `optional` are bases that some rows lack:
    a left join keeps the row without them.
    """

    fields: tuple[tuple[str, str, Origin, bool], ...]
    shape: Shape
    aliases: Mapping[str, Origin] = field(default_factory=dict)
    outer: "Frame | None" = None
    optional: frozenset[Base] = frozenset()

    def find(self, column: exp.Column) -> Origin | None:
        """The origin of a column reference; None when it is none of this frame's (an outer one, a lambda's)."""
        table, name = column.table.lower(), column.name.lower()
        for alias, known, origin, shown in self.fields:
            if known.lower() == name and (alias.lower() == table if table else shown):
                return origin
        if table:
            # `a.b` may also be field b of the struct column a.
            return self.find(exp.column(column.args["table"].copy())) if self._struct(table) else None
        return self.aliases.get(name)

    def _struct(self, name: str) -> bool:
        return any(known.lower() == name for _, known, _, _ in self.fields)

    def origin(self, node: exp.Expr) -> Origin:
        """Where an expression's value comes from. A choice (CASE, IF) depends on the values that it chooses from."""
        if isinstance(node, exp.Alias | exp.Paren):
            return self.origin(node.this)
        if isinstance(node, exp.Column):
            found = self.find(node)
            if found is None and self.outer is not None:
                return Origin()  # constant for the subquery
            return found or Origin()
        if isinstance(node, exp.Window):
            return self._window(node)
        if isinstance(node, exp.Subquery | exp.Query | exp.Exists):
            return Origin(self._correlated(node))
        bases = frozenset(base for value in _values(node) for base in self.origin(value).bases)
        if not bases:
            bases = frozenset(base for part in _parts(node) for base in self.origin(part).bases)
        parts = [self.origin(part) for part in _values(node)]
        different = isinstance(node, exp.ApproxDistinct) or (
            isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct)
        )
        return Origin(
            bases,
            average=isinstance(node, exp.Avg) or any(part.average for part in parts),
            distinct=different or any(part.distinct for part in parts),
        )

    def key(self, node: exp.Expr) -> Origin:
        """The origin of a join key: a cast to text keeps a key's values apart, so it is looked through."""
        while isinstance(node, exp.Paren) or (isinstance(node, exp.Cast) and node.is_type("varchar", "text")):
            node = node.this
        return self.origin(node)

    def _window(self, node: exp.Window) -> Origin:
        partition = [self.origin(part) for part in node.args.get("partition_by") or ()]
        call = node.this.this if isinstance(node.this, exp.IgnoreNulls | exp.RespectNulls | exp.Filter) else node.this
        if isinstance(call, _RANKING):
            ranked = tuple(partition) if isinstance(call, exp.RowNumber) else None
            return Origin(self.shape.bases, partition=ranked)
        if isinstance(call, _OF_A_ROW):
            return self.origin(call.this)
        # A total of a window stands in every row of its partition: whoever makes a shape of it calls it repeated.
        return Origin(frozenset({Base(text_of(node))}))

    def _correlated(self, node: exp.Expr) -> frozenset[Base]:
        found = (self.find(column) for column in node.find_all(exp.Column))
        return frozenset(base for origin in found if origin is not None for base in origin.bases)


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition that all must hold."""
    if condition is None:
        return
    if isinstance(condition, exp.Where | exp.Having | exp.Qualify | exp.Paren):
        yield from conjuncts(condition.this)
    elif isinstance(condition, exp.And):
        yield from conjuncts(condition.left)
        yield from conjuncts(condition.right)
    else:
        yield condition


def own_nodes(nodes: Iterable[exp.Expr]) -> Iterator[exp.Expr]:
    """Every node below, without those inside subqueries: they are judged where they stand."""
    for root in nodes:
        yield from root.walk(prune=lambda node: isinstance(node, exp.Query))


def aggregates(nodes: Iterable[exp.Expr]) -> Iterator[tuple[exp.Expr, exp.Window | None]]:
    """Each aggregate call below with the window that it stands over, if any; ranking functions are none."""
    for node in own_nodes(nodes):
        known = isinstance(node, exp.AggFunc) or (isinstance(node, exp.Anonymous) and node.name.lower() in DETACHED)
        if not known or isinstance(node, _RANKING + _OF_A_ROW):
            continue
        if isinstance(node, exp.AggFunc) and isinstance(node.parent, exp.AggFunc) and node.arg_key == "this":
            continue
        holder = node.parent
        while isinstance(holder, exp.Filter | exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls):
            holder = holder.parent
        yield node, holder if isinstance(holder, exp.Window) and _called(holder, node) else None


def _called(window: exp.Window, node: exp.Expr) -> bool:
    return any(node is part for part in window.this.walk())


def text_of(node: exp.Expr) -> str:
    """The expression as a person writes it, on one line, cut at 80 letters."""
    text = " ".join(node.sql(dialect="duckdb", normalize_functions="lower").split())
    return text if len(text) <= 80 else text[:77] + "..."


def _values(node: exp.Expr) -> list[exp.Expr]:
    """The operands that a value is made of; a condition decides only which one it is."""
    if isinstance(node, exp.Case):
        parts = [branch.args["true"] for branch in node.args["ifs"]]
        return [*parts, *([node.args["default"]] if node.args.get("default") else [])]
    if isinstance(node, exp.If):
        return [part for part in (node.args.get("true"), node.args.get("false")) if part is not None]
    if isinstance(node, exp.Filter | exp.Nullif | exp.Cast):
        return [node.this]
    return _parts(node)


def _parts(node: exp.Expr) -> list[exp.Expr]:
    return [part for part in node.iter_expressions() if not isinstance(part, exp.DataType | exp.Identifier)]
