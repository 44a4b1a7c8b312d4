"""What must hold of a plan that sets rows aside: the limits make sense, and every target can keep dead letters."""

from agent_etl.agents.workbench import Workbench
from agent_etl.engine.bind import Binding
from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Check, Extract, Load, Plan
from agent_etl.tools.measure import letters_fault

__all__ = ["asides", "prove"]


def prove(plan: Plan, binding: Binding, workbench: Workbench) -> list[Finding]:
    """Findings about thresholds, checks that can set no row aside, and targets that cannot keep what is set aside.

    Side effects: looks at the targets.
    """
    findings = [found for check in plan.checks for found in _check(check)]
    findings += [found for step in plan.extracts for found in _read(step)]
    for load in plan.loads:
        aside = sorted(asides(plan, load.from_, binding))
        if aside:
            findings += _kept(load, aside, workbench)
    return findings


def _check(check: Check) -> list[Finding]:
    if check.severity != "quarantine":
        if check.threshold is None:
            return []
        message = f"a threshold means nothing where severity is {check.severity}"
        return [_error("threshold_without_quarantine", check.name, message, "severity: quarantine", "threshold")]
    if check.kind == "row_count":
        message = "a number of rows is a matter of no single row: none can be set aside"
        return [_error("unsupported_severity", check.name, message, "valid are fail, warn", "severity")]
    return _limit(check.name, check.threshold, "threshold")


def _read(step: Extract) -> list[Finding]:
    limit = step.options.get("max_rejects")
    if limit is None:
        return []
    if step.options.get("on_error") != "quarantine":
        message = "max_rejects means nothing where rows that cannot be read end the run"
        return [_error("threshold_without_quarantine", step.name, message, "on_error: quarantine", "options")]
    return _limit(step.name, limit, "max_rejects")


def _limit(step: str, limit: object, field: str) -> list[Finding]:
    whole = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0
    if limit is None or whole or (isinstance(limit, float) and 0 <= limit <= 1):
        return []
    hint = "write a share such as 0.05, or a number of rows such as 20"
    place = "options" if field == "max_rejects" else field
    return [_error("wrong_threshold", step, f"{field} {limit!r} is no share and no number of rows", hint, place)]


def _kept(load: Load, aside: list[str], workbench: Workbench) -> list[Finding]:
    found = []
    if load.delete_missing:
        message = f"{', '.join(aside)} may set rows aside, and delete_missing would delete what they stand for"
        hint = "let the check fail instead, or leave delete_missing out"
        found.append(_error("quarantine_deletes", load.name, message, hint, "delete_missing"))
    try:
        why = letters_fault.by(workbench.recorder)(workbench.connections, load.target, load.table)
    except AgentEtlError:
        return found  # the load agent says what is wrong with the target
    if why:
        message = f"{load.target} cannot keep the rows that are set aside beside {load.table}: {why}"
        found.append(_error("no_dead_letters", load.name, message, "make room for _etl_quarantine there", "target"))
    return found


def asides(plan: Plan, step: str, binding: Binding) -> set[str]:
    """The steps and checks that may set rows aside on the way to a step."""
    reading = {extract.name for extract in plan.extracts if extract.options.get("on_error") == "quarantine"}
    seen: set[str] = set()
    waiting = [step]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(binding.reads.get(name, ()))
    found = {check.name for check in plan.checks if check.on in seen and check.severity == "quarantine"}
    return found | (reading & seen)


def _error(code: str, step: str, message: str, hint: str, field: str) -> Finding:
    return Finding("error", code, step, message, hint, field)
