"""Where a plan lets the order of letters decide over numbers, times or dates that a source keeps as text."""

from collections.abc import Iterator

from sqlglot import exp

from agent_etl.agents.workbench import Workbench
from agent_etl.engine.disguises import KNOWN, disguise
from agent_etl.engine.goal import Finding
from agent_etl.engine.lineage import Atom, source_atom
from agent_etl.engine.plan import Plan, Transform

__all__ = ["lettered"]


def lettered(plan: Plan, step: Transform, query: exp.Query, workbench: Workbench) -> Iterator[Finding]:
    """A risk for each extreme, and for each order that chooses rows, over such a column.

    Side effects: measures values in the sources.
    """
    seen: set[str] = set()
    for column in _deciding(query):
        atom = _source(plan, step, query, column, workbench)
        if atom is None or atom[0].table is None or column.name in seen:
            continue
        seen.add(column.name)
        base, name = atom
        found = atom[0].table.column(name)
        if found is None or found.family != "text":
            continue
        what = disguise([value for value, _ in workbench.prober.values(atom[0].table, name, KNOWN).top])
        if what:
            message = f"{name} of {base.label} holds {what} as text, and its letters decide which comes first"
            hint = f"cast it: TRY_CAST({name} AS {'DOUBLE' if what == 'numbers' else 'DATE'}) or strptime"
            yield Finding("risk", "text_order", step.name, message, hint, "sql", (("column", name), ("holds", what)))


def _deciding(query: exp.Query) -> Iterator[exp.Column]:
    """The columns whose order decides what the result holds."""
    for node in query.walk():
        if isinstance(node, exp.Max | exp.Min) and isinstance(node.this, exp.Column):
            yield node.this
        elif isinstance(node, exp.ArgMax | exp.ArgMin) and isinstance(node.expression, exp.Column):
            yield node.expression
        elif isinstance(node, exp.Order) and _chooses(node):
            yield from (one.this for one in node.expressions if isinstance(one.this, exp.Column))


def _chooses(order: exp.Order) -> bool:
    holder = order.parent
    if isinstance(holder, exp.Window):
        return True
    distinct = holder.args.get("distinct") if holder is not None else None
    limited = holder is not None and holder.args.get("limit") is not None
    return limited or (distinct is not None and distinct.args.get("on") is not None)


def _source(plan: Plan, step: Transform, query: exp.Query, column: exp.Column, workbench: Workbench) -> Atom | None:
    """The source column that it is unchanged, where one of the steps that the query reads has that name."""
    binding, grain = workbench.binding(plan), workbench.grain(plan)
    named = {table.alias_or_name.lower(): table.name.lower() for table in query.find_all(exp.Table)}
    reads = [named[column.table.lower()]] if column.table.lower() in named else list(binding.reads.get(step.name, ()))
    owners = [name for name in reads if binding.column(name, column.name) is not None]
    if len(set(owners)) != 1 or owners[0] not in grain.shapes:
        return None
    return source_atom(grain.shapes[owners[0]].origin(column.name))
