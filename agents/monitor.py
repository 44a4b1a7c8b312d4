"""The monitor agent proves that a plan's checks can be asked, and foresees what the run will write."""

from agent_etl.agents import quarantine
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.bind import Binding
from agent_etl.engine.complaints import nearest
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Check, Load, Plan
from agent_etl.engine.sandbox import Sandbox
from agent_etl.engine.schema import Column

__all__ = ["prove"]

_ORDERED = ("INT", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "BIGNUM")


def prove(plan: Plan, workbench: Workbench) -> tuple[Finding, ...]:
    """Findings about the checks, about sources without rows, and how many rows each load writes at most."""
    binding = workbench.binding(plan)
    names = {check.name for check in plan.checks}
    findings = [finding for finding in binding.findings if finding.step in names]
    for check in plan.checks:
        columns = binding.columns.get(check.on)
        if columns is not None:
            findings += _check(check, columns)
    findings += quarantine.prove(plan, binding, workbench)
    for load in plan.loads:
        findings += _volume(plan, load, binding, workbench)
    return tuple(findings)


def _check(check: Check, columns: tuple[Column, ...]) -> list[Finding]:
    known = {column.name.lower(): column for column in columns}
    for name in check.columns:
        if name.lower() not in known:
            near = nearest(name, [column.name for column in columns])
            hint = f"nearest: {', '.join(near)}" if near else f"valid are {', '.join(c.name for c in columns[:12])}"
            evidence = (("column", name), ("candidates", ", ".join(near)))
            return [_error("unknown_column", check, f"{check.on} has no column {name}", hint, "columns", evidence)]
    wrong = _incomplete(check)
    if wrong:
        return [_error("incomplete_check", check, wrong[0], "", wrong[1])]
    if check.kind == "range" and not any(part in known[check.columns[0].lower()].type for part in _ORDERED):
        column = known[check.columns[0].lower()]
        message = f"{column.name} is {column.type}, which has no range of numbers"
        return [_error("type_mismatch", check, message, "check a number", "columns")]
    if check.kind == "accepted":
        return _accepted(check, known[check.columns[0].lower()])
    return []


def _incomplete(check: Check) -> tuple[str, str] | None:
    """What a check of its kind lacks, and the field."""
    if check.kind in {"not_null", "unique"} and not check.columns:
        return f"{check.kind} needs columns", "columns"
    if check.kind in {"accepted", "range"} and len(check.columns) != 1:
        return f"{check.kind} needs one column", "columns"
    if check.kind == "accepted" and not check.values:
        return "accepted needs values", "values"
    if check.kind == "expression" and not check.sql:
        return "expression needs sql", "sql"
    if check.kind in {"range", "row_count"}:
        if check.low is None and check.high is None:
            return f"{check.kind} needs low or high", "low"
        if check.low is not None and check.high is not None and check.low > check.high:
            return f"low {check.low:g} is above high {check.high:g}: no row could pass", "low"
    if check.kind == "row_count" and check.high is not None and check.high < 0:
        return "a number of rows is never below 0", "high"
    return None


def _accepted(check: Check, column: Column) -> list[Finding]:
    with Sandbox() as sandbox:
        foreign = [
            value for value in check.values if value is not None and not sandbox.castable(_text(value), column.type)
        ]
    if not foreign:
        return []
    message = f"{len(foreign)} of the accepted values are no {column.type}, which {column.name} is"
    return [_error("type_mismatch", check, message, "write values of the column's type", "values")]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _volume(plan: Plan, load: Load, binding: Binding, workbench: Workbench) -> list[Finding]:
    """An empty source that would empty a target, and the most rows that a load can write where that is known."""
    feeding = _sources(load.from_, binding)
    empty = sorted(name for name in feeding if binding.sources[name].rows == 0)
    found = []
    if empty and (load.mode == "replace" or load.delete_missing):
        doing = "replacing" if load.mode == "replace" else "deleting what it lacks from"
        message = f"{', '.join(empty)} has no rows: {doing} {load.table} may leave it empty"
        found.append(Finding("risk", "empty_source", load.name, message, "look at the source first", "mode"))
    elif empty:
        message = f"{', '.join(empty)} has no rows"
        found.append(Finding("note", "empty_source", load.name, message))
    shape = workbench.grain(plan).shapes.get(load.from_)
    rows = shape.at_most() if shape is not None else None
    if rows is not None:
        message = f"at most {rows} rows are written to {load.table} in {load.target}"
        found.append(Finding("note", "estimated_rows", load.name, message, evidence=(("rows", str(rows)),)))
    return found


def _sources(step: str, binding: Binding) -> set[str]:
    """The extracts that a step is made of."""
    if step in binding.sources:
        return {step}
    return {name for other in binding.reads.get(step, ()) for name in _sources(other, binding)}


def _error(
    code: str, check: Check, message: str, hint: str, field: str, evidence: tuple[tuple[str, str], ...] = ()
) -> Finding:
    return Finding("error", code, check.name, message, hint, field, evidence)
