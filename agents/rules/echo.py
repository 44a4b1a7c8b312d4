"""What was understood, in plain sentences, one a clause."""

from agent_etl.agents.rules.expressions import Expr
from agent_etl.agents.rules.reading import Reading
from agent_etl.engine.plan import Plan

__all__ = ["sentences"]


def sentences(r: Reading, spans: tuple[tuple[int, int], ...], plan: Plan | None) -> tuple[str, ...]:
    """One sentence a clause, then the decisions that a reader should know of."""
    said = []
    for index, (start, end) in enumerate(spans):
        meaning = "; ".join(_meanings(r, index)) or r.echo.get(index, "") or "part of the request"
        said.append(f"{r.cur.goal[start:end].strip(' ,;.')}: {meaning}.")
    if plan is not None:
        load = plan.loads[0]
        key = f" by {', '.join(load.key)}" if load.key else ""
        said.append(f"The result goes to {load.target}: {load.table} ({load.mode}{key}).")
    return (*said, *r.asking.notes)


def _meanings(r: Reading, index: int) -> list[str]:
    intent = r.intent
    found = [f"reads {one.table.connection}.{one.table.dataset}" for one in intent.sources if one.phrase == index]
    found += [f"keeps rows where {_plain(r, one.condition)}" for one in intent.filters if one.phrase == index]
    found += [f"drops duplicates of {r.table(one.source).name}" for one in intent.dedupes if one.phrase == index]
    for edge in intent.edges:
        if edge.phrase == index:
            how = {"anti": "without", "semi": "with", "left": "left join", "inner": "join"}.get(
                edge.how or "", "relates"
            )
            found.append(f"{how} {r.table(edge.left).name} and {r.table(edge.right).name}")
    found += [f"one row per {one.name}" for one in intent.groups if one.phrase == index]
    found += [f"column {one.name}" for one in intent.outputs if one.phrase == index]
    found += ["only groups that meet the condition" for one in intent.havings if one.phrase == index]
    found += [f"sorted {'down' if one.descending else 'up'}" for one in intent.sorts if one.phrase == index]
    if intent.limit is not None and intent.limit[1] == index:
        found.append(f"the first {intent.limit[0]} rows")
    for target in intent.targets:
        if target.phrase == index:
            found.append(f"writes to {target.table or target.connection or 'a file'}")
    return found


def _plain(r: Reading, condition: Expr) -> str:
    return condition.sql(r.label)
