"""What NULL does to a query without a word: `NOT IN` over a NULL, a left join that WHERE makes an inner one."""

from collections.abc import Iterator, Sequence

from sqlglot import exp

from agent_etl.engine.frame import Frame, conjuncts, text_of
from agent_etl.engine.goal import Finding
from agent_etl.engine.lineage import Shape, source_atom
from agent_etl.engine.ports import Prober

__all__ = ["not_in", "undone"]

_REJECTS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.Like, exp.ILike)
"""Comparisons that a NULL never passes."""
_FILLS = (exp.Coalesce, exp.Is, exp.Case, exp.If, exp.NullSafeEQ, exp.NullSafeNEQ)


def not_in(step: str, query: exp.Expr, shape: Shape, prober: Prober) -> Finding | None:
    """A finding when no row can pass `x NOT IN (query)`, because the query gives a NULL.

    `shape` is the query's. An error where the NULLs are sure, a risk where a filter may have taken them out.
    Side effects: measures through the prober.
    """
    holder = query.parent
    inside = holder if isinstance(holder, exp.In) else holder.parent if holder is not None else None
    if not isinstance(inside, exp.In) or not isinstance(inside.parent, exp.Not) or not shape.columns:
        return None
    atom = source_atom(shape.columns[0][1])
    if atom is None or atom[0].table is None or _filled(query, shape.columns[0][0]):
        return None
    base, name = atom
    facts = prober.keys(atom[0].table, (name,))
    if not facts.nulls:
        return None
    sure = not shape.partial and not base.partial
    message = f"{name} of {base.label} is missing in {facts.nulls} of {facts.rows} rows, and NOT IN over a list with a "
    message += "NULL keeps no row" if sure else "NULL keeps no row; whether the filter leaves one is not known"
    hint = f"add WHERE {name} IS NOT NULL to the list, or write NOT EXISTS"
    evidence = (("column", name), ("nulls", str(facts.nulls)))
    return Finding("error" if sure else "risk", "null_in_not_in", step, message, hint, "sql", evidence)


def undone(step: str, node: exp.Select, frame: Frame, where: Sequence[exp.Expr]) -> Iterator[Finding]:
    """A risk for each condition that leaves out the very rows that a left join before it keeps."""
    for join in node.args.get("joins") or ():
        if str(join.args.get("side") or "").upper() != "LEFT":
            continue
        name = join.this.alias_or_name
        for part in where:
            if _rejects(part, name, frame):
                message = f"{text_of(part)} leaves out the rows that have no {name}, which the left join keeps"
                hint = f"put the condition into ON to keep them, or write JOIN where only rows with {name} are meant"
                yield Finding("risk", "left_join_undone", step, message, hint, "sql", (("table", name),))


def _rejects(part: exp.Expr, alias: str, frame: Frame) -> bool:
    """The condition is over columns of that side alone, and no NULL passes it."""
    if not isinstance(part, _REJECTS) or part.find(*_FILLS) is not None or part.find(exp.Query) is not None:
        return False
    columns = [*part.find_all(exp.Column)]
    return bool(columns) and all(_owner(column, frame) == alias.lower() for column in columns)


def _owner(column: exp.Column, frame: Frame) -> str:
    if column.table:
        return column.table.lower()
    owners = {alias.lower() for alias, name, _, shown in frame.fields if shown and name.lower() == column.name.lower()}
    return owners.pop() if len(owners) == 1 else ""


def _filled(query: exp.Expr, name: str) -> bool:
    """The query itself takes out the rows without a value."""
    selects = [query] if isinstance(query, exp.Select) else [*query.find_all(exp.Select)]
    for select in selects:
        for part in conjuncts(select.args.get("where")):
            inner = part.this if isinstance(part, exp.Not) else None
            if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
                if isinstance(inner.this, exp.Column) and inner.this.name.lower() == name.lower():
                    return True
            elif isinstance(part, _REJECTS) and any(
                column.name.lower() == name.lower() for column in part.find_all(exp.Column)
            ):
                return True
    return False
