"""Whether a plan's incremental extracts can be read as they say, and their loads lose and repeat no row."""

from collections.abc import Iterator

from agent_etl.agents.workbench import Workbench
from agent_etl.engine.backfill import chunks
from agent_etl.engine.complaints import nearest
from agent_etl.engine.dag import Dag
from agent_etl.engine.errors import PlanError, SettingsError, UsageError
from agent_etl.engine.goal import Finding
from agent_etl.engine.incremental import Incremental, span
from agent_etl.engine.increments import carried, hazards, increments_of
from agent_etl.engine.plan import Extract, Load, Plan
from agent_etl.engine.ranges import identity
from agent_etl.engine.reckoning import readable
from agent_etl.engine.schema import Column, Table
from agent_etl.engine.watermark import Family, family
from agent_etl.tools.measure import cursors

__all__ = ["load_findings", "read_findings"]


def read_findings(step: Extract, table: Table) -> list[Finding]:
    """What is wrong with an extract's cursor, lag and range, and which rows it may never see."""
    return list(_read(step, step.incremental, table)) if step.incremental is not None else []


def load_findings(plan: Plan, workbench: Workbench) -> list[Finding]:
    """What is wrong with loads of rows that are only a part of their source. Side effects: looks at their targets."""
    if all(step.incremental is None for step in plan.extracts):
        return []
    binding = workbench.binding(plan)
    if any(step.name not in binding.queries for step in plan.transforms):
        return []  # what does not bind is told of by the transform agent
    dag = Dag(plan)
    return [finding for load in plan.loads for finding in _load(plan, load, dag, workbench)]


def _read(step: Extract, spec: Incremental, table: Table) -> Iterator[Finding]:
    column = table.column(spec.cursor)
    if column is None:
        names = [known.name for known in table.columns]
        near = nearest(spec.cursor, names)
        hint = f"nearest: {', '.join(near)}" if near else f"valid are {', '.join(names[:12])}"
        yield _error("unknown_column", step, f"{step.dataset} has no column {spec.cursor}", hint)
        return
    kind = family(column.type)
    if kind is None:
        message = f"{column.name} is {column.type}, which cannot be a cursor"
        yield _error("cursor_type", step, message, "take an integer, a decimal, a date, a time or a text")
        return
    if step.columns is not None and column.name.lower() not in {name.lower() for name in step.columns}:
        message = f"the cursor {column.name} is not among the columns that it reads"
        yield _error("cursor_not_read", step, message, f"add {column.name} to columns")
    yield from _values(step, spec, column, kind)
    if kind == "text":
        message = f"{column.name} is a text: the order of its bytes decides which rows are new"
        yield Finding("note", "text_cursor", step.name, message, "", "incremental")
    if spec.lag is None and not spec.bounded:
        message = f"a row that is committed later with an older {column.name} than the newest one loaded is never read"
        hint = "set a lag that is longer than such a commit takes"
        yield Finding("note", "late_commits", step.name, message, hint, "incremental")


def _values(step: Extract, spec: Incremental, column: Column, kind: Family) -> Iterator[Finding]:
    wrong = False
    for name, value in (("start", spec.start), ("end", spec.end)):
        if value is not None and not readable(value, column.type):
            wrong = True
            message = f"{name} is no {column.type}, which {column.name} is"
            yield _error("cursor_value", step, message, "write a value of the column's type")
    for name, value in (("lag", spec.lag), ("chunk", spec.chunk)):
        problem = span(value, kind, whole_days=name == "chunk" and column.type == "DATE") if value is not None else None
        if problem is not None:
            wrong = True
            yield _error("cursor_value", step, f"{name} does not fit {column.name}: {problem}", "correct it")
    if spec.bounded and not wrong:
        try:
            parts = chunks(step, column.type)
        except PlanError as error:
            yield _error("cursor_value", step, "the range has too many chunks", error.hint)
            return
        if not parts:
            yield _error("cursor_value", step, "start is not before end", "no row can lie between them")


def _load(plan: Plan, load: Load, dag: Dag, workbench: Workbench) -> Iterator[Finding]:
    extracts = increments_of(dag, load)
    if not extracts:
        return
    names = ", ".join(step.name for step in extracts)
    if load.mode == "replace":
        message = f"{names} reads only what is new, and replace would keep nothing else"
        yield _error("incremental_replace", load, message, "use merge with a key, or append", "mode")
        return
    if sum(step.incremental is not None and step.incremental.bounded for step in extracts) > 1:
        yield _error("two_backfills", load, f"{names} are two ranges that end", "load each of them apart", "from")
    for hazard in hazards(dag, load):
        message = f"{load.name} may differ from a load of all rows: {hazard.message}"
        yield Finding("error", "partial_rows", hazard.step, message, hazard.hint, "sql")
    if _sets_aside(plan, dag.upstream(load.name)):
        message = "rows that are set aside are set aside again by every run that reads them again"
        yield Finding("note", "repeated_letters", load.name, message, "keep the lag short", "from")
    if load.mode == "append":
        yield from _append(plan, load, extracts, dag, workbench)


def _sets_aside(plan: Plan, upstream: frozenset[str]) -> bool:
    checks = any(check.severity == "quarantine" and check.on in upstream for check in plan.checks)
    return checks or any(
        step.incremental is not None and step.options.get("on_error", "fail") != "fail"
        for step in plan.extracts
        if step.name in upstream
    )


def _append(plan: Plan, load: Load, extracts: tuple[Extract, ...], dag: Dag, workbench: Workbench) -> Iterator[Finding]:
    """An append must be able to tell the rows that it reads again, and must not begin anew over its own rows."""
    cursor = carried(dag, load)
    if cursor is None or workbench.binding(plan).column(load.from_, cursor) is None:
        message = (
            "rows that are read again cannot be told from new ones: the cursor does not reach the target unchanged"
        )
        hint = "use merge with a key, or carry the cursor column to the target under its table's name"
        yield _error("incremental_append", load, message, hint, "mode")
        return
    step = extracts[0]
    if step.incremental is None or step.incremental.start is not None:
        return
    try:
        there = cursors.by(workbench.recorder)(workbench.connections, load.target, load.table)
    except (SettingsError, UsageError):
        return  # the load agent says why the target cannot be reached
    own = identity(plan.name, step)
    others = [name for name in there if name.startswith(f"{plan.name}.{step.name}:") and name != own]
    if others and own not in there:
        message = f"{load.table} holds rows that {step.name} loaded by another dataset, cursor or range"
        hint = "set start where these rows end, use merge with a key, or load into a new table"
        yield _error("incremental_anew", load, message, hint, "table")


def _error(code: str, step: Extract | Load, message: str, hint: str, field: str = "incremental") -> Finding:
    return Finding("error", code, step.name, message, hint, field)
