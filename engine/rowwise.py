"""Whether a query makes its rows of one step row by row, so that rows of that step may come later, alone."""

from sqlglot import exp

from agent_etl.engine.frame import aggregates

__all__ = ["obstacle"]

_WHOLE = {
    "group": "groups rows",
    "having": "groups rows",
    "distinct": "drops repeated rows",
    "qualify": "ranks rows",
    "limit": "keeps a number of rows",
    "offset": "keeps a number of rows",
    "with_": "has a WITH",
    "with": "has a WITH",
}
"""Parts of a SELECT whose result for some rows alone is not a part of the result for all."""


def obstacle(query: exp.Expr, step: str) -> str:
    """Why the query's rows for some rows of `step` are not just missing from its rows without them; empty: they are.

    Only a plain SELECT passes that reads the step once, on a side of its joins that keeps no row without a partner.
    """
    if not isinstance(query, exp.Select):
        return "is no plain SELECT"
    for part, what in _WHOLE.items():
        if query.args.get(part):
            return what
    if any(True for _ in query.find_all(exp.Window)) or any(True for _ in aggregates(query.expressions)):
        return "aggregates rows"
    tables = [table for table in query.find_all(exp.Table) if table.name.lower() == step]
    if len(tables) != 1 or tables[0].find_ancestor(exp.Select) is not query:
        return f"reads {step} more than once, or inside of another query"
    return _joined(query, tables[0])


def _joined(query: exp.Select, table: exp.Table) -> str:
    """What a join makes of rows that have no partner yet; empty when it waits for none."""
    joins: list[exp.Join] = list(query.args.get("joins") or [])
    first = all(join.this is not table for join in joins)
    for join in joins:
        side = str(join.args.get("side") or "").upper()
        kind = str(join.args.get("kind") or "").upper()
        method = str(join.args.get("method") or "").upper()
        plain = kind in {"", "INNER", "CROSS", "OUTER"} and method in {"", "NATURAL"}
        if plain and (side == "" or (side == "LEFT" and first)) and not (side == "" and kind == "OUTER"):
            continue
        return f"joins {table.name} so that rows without a partner are kept, or only one partner is"
    return ""
