"""The transform agent proves that a plan's SQL is allowed, binds and counts every row once."""

from collections.abc import Iterator

from sqlglot import exp

from agent_etl.agents.letters import lettered
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.frame import own_nodes, text_of
from agent_etl.engine.goal import Finding
from agent_etl.engine.grain import Grain
from agent_etl.engine.plan import Plan, Transform

__all__ = ["prove"]

_IN_ORDER = (exp.First, exp.Last, exp.ArrayAgg, exp.GroupConcat)
"""Aggregates whose result depends on the order in which rows come."""


def prove(plan: Plan, workbench: Workbench) -> tuple[Finding, ...]:
    """Findings about the transforms: guard, binding, grain, order, and whether somebody reads them.

    Side effects: measures keys and values in the sources.
    """
    binding = workbench.binding(plan)
    names = {step.name for step in plan.transforms}
    gone = {
        column
        for step in plan.extracts
        if (table := binding.sources.get(step.name)) is not None
        for column in step.expect
        if table.column(column) is None
    }
    findings = [
        finding
        for finding in binding.findings
        # A column that the source has lost is the extract's finding.
        if finding.step in names and dict(finding.evidence).get("column") not in gone
    ]
    grain = workbench.grain(plan)
    findings += grain.findings
    for step in plan.transforms:
        query = binding.queries.get(step.name)
        if query is not None:
            found = dict.fromkeys(
                [*_limits(step, query, grain), *_orders(step, query), *lettered(plan, step, query, workbench)]
            )
            findings += [finding for finding in found if finding.code not in step.acknowledge]
    for name in binding.unread(plan, plan.transforms):
        findings.append(Finding("error", "unused_step", name, "no step reads it", "remove it, or load it"))
    return tuple(findings)


def _limits(step: Transform, query: exp.Query, grain: Grain) -> Iterator[Finding]:
    """LIMIT keeps the same rows each time only when the order before it leaves no ties."""
    for node in query.find_all(exp.Select, exp.SetOperation):
        limit = node.args.get("limit")
        if limit is None:
            continue
        order = node.args.get("order")
        if order is None:
            message = f"{text_of(limit).lower()} without an order keeps whichever rows come first"
            yield Finding("note", "arbitrary_rows", step.name, message, "add ORDER BY, or drop the limit", "sql")
        elif node is query and not _total(step, node, order, grain):
            keys = ", ".join(text_of(item) for item in order.expressions)
            message = f"rows with equal {keys} at the limit are kept or left out by chance"
            yield Finding("note", "ties", step.name, message, "end ORDER BY with a unique column", "sql")


def _total(step: Transform, node: exp.Query, order: exp.Order, grain: Grain) -> bool:
    names: list[str] = []
    selected = node.selects
    for item in order.expressions:
        key = item.this
        if isinstance(key, exp.Literal) and key.is_int and int(key.this) <= len(selected):
            names.append(selected[int(key.this) - 1].alias_or_name)
        elif isinstance(key, exp.Column):
            names.append(key.name)
        names += [one.alias for one in selected if isinstance(one, exp.Alias) and text_of(one.this) == text_of(key)]
    if any(isinstance(item.this, exp.Var) and item.this.name.upper() == "ALL" for item in order.expressions):
        names = [one.alias_or_name for one in selected]
    return grain.sorts(step.name, names)


def _orders(step: Transform, query: exp.Query) -> Iterator[Finding]:
    for node in query.walk():
        if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber) and not node.args.get("order"):
            if node.alias:
                continue  # a named window says its order elsewhere
            message = f"{text_of(node)} numbers rows in no order: which one is first is left to chance"
            yield Finding("note", "arbitrary_rows", step.name, message, "add ORDER BY to the window", "sql")
        elif isinstance(node, exp.Distinct) and node.args.get("on") and not _ordered(node):
            message = "DISTINCT ON without an order keeps whichever row comes first"
            yield Finding("note", "arbitrary_rows", step.name, message, "add ORDER BY", "sql")
        elif isinstance(node, _IN_ORDER) and not _sorted(node):
            message = f"{text_of(node)} depends on the order in which rows come"
            yield Finding("note", "order_dependent", step.name, message, "add ORDER BY inside it", "sql")


def _ordered(distinct: exp.Distinct) -> bool:
    return distinct.parent is not None and distinct.parent.args.get("order") is not None


def _sorted(node: exp.Expr) -> bool:
    holder = node.parent
    while isinstance(holder, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        holder = holder.parent
    if isinstance(holder, exp.Window | exp.WithinGroup):
        return True
    return any(isinstance(part, exp.Order) for part in own_nodes([node]))
