"""The extract agent proves that a plan's sources are there and are what the plan was made for."""

from agent_etl.agents.increments import read_findings
from agent_etl.agents.places import unknown_connection
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.complaints import nearest
from agent_etl.engine.errors import AgentEtlError, UsageError
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Extract, Plan
from agent_etl.engine.schema import Table

__all__ = ["prove"]


def prove(plan: Plan, workbench: Workbench) -> tuple[Finding, ...]:
    """Findings about the extracts: source, dataset, columns, types, condition, and whether somebody reads them."""
    binding = workbench.binding(plan)
    names = {step.name for step in plan.extracts}
    findings: list[Finding] = []
    told: set[tuple[str, str]] = set()
    for step in plan.extracts:
        table = binding.sources.get(step.name)
        found = _missing(step, workbench) if table is None else _changed(step, table)
        told |= {(finding.step, dict(finding.evidence).get("column", "")) for finding in found}
        findings += found
        findings += [*_noted(step, table), *read_findings(step, table)] if table is not None else []
    for finding in binding.findings:
        if finding.step in names and (finding.step, dict(finding.evidence).get("column", "")) not in told:
            findings.append(finding)
    for name in binding.unread(plan, plan.extracts):
        findings.append(
            Finding("error", "unused_step", name, "no step reads it", "remove it, or join it where it belongs")
        )
    return tuple(findings)


def _missing(step: Extract, workbench: Workbench) -> list[Finding]:
    """Why the catalogue does not hold the step's source: no such connection, or no such dataset there."""
    try:
        workbench.connections[step.source]
    except UsageError as error:
        return [unknown_connection(step.name, "source", step.source, error, workbench.connections.names())]
    known = _datasets(step.source, workbench)
    near = nearest(step.dataset, known)
    hint = f"nearest: {', '.join(near)}" if near else f"there are {', '.join(known[:12])}" if known else ""
    message = f"{step.source} has no dataset {step.dataset}"
    evidence = (("dataset", step.dataset), ("candidates", ", ".join(near)))
    return [Finding("error", "unknown_dataset", step.name, message, hint, "dataset", evidence)]


def _datasets(source: str, workbench: Workbench) -> list[str]:
    """The datasets that can be named: those of the catalogue, and what the source itself lists."""
    known = [table.dataset for table in workbench.catalogue.tables if table.connection == source]
    try:
        known += workbench.connections[source].source().tables()
    except AgentEtlError:
        return known  # the dataset is missing either way
    return list(dict.fromkeys(known))


def _changed(step: Extract, table: Table) -> list[Finding]:
    """Columns that the plan was made for and that are gone or have another type now."""
    new = [column.name for column in table.columns if column.name not in step.expect]
    findings = []
    for name, kind in step.expect.items():
        column = table.column(name)
        if column is None:
            # A renamed column keeps its type, so what has the type and is new is a candidate too.
            alike = [item.name for item in table.columns if item.name in new and item.type == kind]
            near = nearest(name, new) or tuple(alike[:3])
            evidence = (("column", name), ("candidates", ", ".join(near)))
            message = f"{step.dataset} has no column {name} any more"
            hint = f"it may be {' or '.join(near)} now" if near else f"its columns are {', '.join(new[:12])}"
            findings.append(Finding("error", "schema_changed", step.name, message, hint, "expect", evidence))
        elif column.type != kind:
            kinds = (("column", name), ("expected", kind), ("found", column.type))
            message = f"{name} of {step.dataset} is {column.type} now, the plan was made for {kind}"
            hint = "take the new type into the plan's expect, or cast the column"
            findings.append(Finding("error", "schema_changed", step.name, message, hint, "expect", kinds))
    return findings


def _noted(step: Extract, table: Table) -> list[Finding]:
    return [Finding("note", "source_note", step.name, f"{step.dataset}: {note}") for note in table.notes]
