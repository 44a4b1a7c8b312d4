"""The orchestrator's decisions, as functions of values: what to ask, what to run, what to repair, when to stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent_etl.agents.planner import Repair
from agent_etl.engine.errors import UsageError
from agent_etl.engine.goal import Finding, Option, Question
from agent_etl.engine.plan import Check, Extract, Plan, Transform
from agent_etl.engine.tasks import StepFailure

__all__ = [
    "GUESSES",
    "LOSES",
    "POLICIES",
    "STOP",
    "TARGET",
    "WIDENS",
    "Choice",
    "Verdict",
    "accept_answers",
    "choose",
    "finding_failure",
    "judge",
    "next_attempt",
    "repair_question",
]

Approve = Literal["risky", "ask", "auto"]
POLICIES: tuple[Approve, ...] = ("risky", "ask", "auto")

LOSES = "loses rows"
WIDENS = "widens a type"
TARGET = "changes the target"
GUESSES = "guesses a meaning"
_AUTOMATIC = frozenset({"", WIDENS, TARGET})
"""What `approve="auto"` consents to beforehand. Lost rows and guessed meanings are always asked about."""

STOP = "stop"
"""The answer to a repair's question that leaves the failure as it is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks' findings mean: `go`, `ask` for approval, or `stop` because of `errors`."""

    action: Literal["go", "ask", "stop"]
    errors: tuple[Finding, ...] = ()
    risks: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of proposed repairs: `apply` one now, or ask which of `offers`; neither: none is known."""

    apply: Repair | None = None
    offers: tuple[Repair, ...] = ()


def judge(findings: Sequence[Finding], approve: str) -> Verdict:
    """An error stops; under `ask` everything else asks, under `risky` only a risk does, under `auto` nothing."""
    errors = tuple(finding for finding in findings if finding.severity == "error")
    risks = tuple(finding for finding in findings if finding.severity == "risk")
    if errors:
        return Verdict("stop", errors, risks)
    if approve == "ask" or (approve == "risky" and risks):
        return Verdict("ask", risks=risks)
    return Verdict("go", risks=risks)


def next_attempt(attempts: Mapping[str, int], failure: StepFailure, limit: int) -> dict[str, int] | None:
    """The counters with this failure counted, or None when it is time to stop.

    The same failure twice stops, and so does the `limit` of repairs in all: a pipeline never loops.
    """
    if failure.fingerprint in attempts or sum(attempts.values()) >= limit:
        return None
    return {**attempts, failure.fingerprint: 1}


def choose(repairs: Sequence[Repair], approve: str) -> Choice:
    """The first repair that needs nobody's consent under this policy is applied; otherwise all are offered."""
    free = _AUTOMATIC if approve == "auto" else frozenset({""})
    for repair in repairs:
        if repair.consent in free:
            return Choice(apply=repair)
    return Choice(offers=tuple(repairs))


def repair_question(failure: StepFailure, repairs: Sequence[Repair]) -> Question:
    """Which of the repairs to apply, or to stop. The id is stable for the same failure of the same step."""
    options = tuple(
        Option(str(number), f"{repair.label} ({repair.consent})") for number, repair in enumerate(repairs, start=1)
    )
    return Question(
        id=f"repair_{failure.fingerprint[:12]}",
        text=f"Step {failure.step} failed: {failure.message.rstrip('.')}{_told(failure)}. What should be done?",
        quote=failure.step,
        span=(0, 0),
        options=(*options, Option(STOP, "stop here and leave the run failed")),
    )


def _told(failure: StepFailure) -> str:
    named = [
        f"{name} {failure.fields[name]}"
        for name in ("column", "line", "type", "found", "rows")
        if name in failure.fields
    ]
    return f" ({', '.join(named)})" if named else ""


def accept_answers(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """The answers under their questions' ids, as the options' values.

    A question is named by its id or by the words that it quotes; an option by its value or its label, ignoring case.

    Raises: UsageError listing the valid ids or values; nothing is accepted then.
    """
    accepted: dict[str, str] = {}
    for name, given in answers.items():
        question = _question(questions, name)
        accepted[question.id] = _value(question, str(given))
    return accepted


def _question(questions: Sequence[Question], name: str) -> Question:
    found = [question for question in questions if question.id == name] or [
        question for question in questions if question.quote.strip().lower() == name.strip().lower() != ""
    ]
    if len(found) == 1:
        return found[0]
    if not questions:
        raise UsageError("No question is open", got=name, hint="leave the answer out")
    raise UsageError(
        "Several questions quote these words" if found else "The answer fits no open question",
        got=name,
        valid=[question.id for question in found or questions],
        hint="name the question by its id",
    )


def _value(question: Question, given: str) -> str:
    wanted = given.strip().lower()
    for option in question.options:
        if given == option.value:
            return option.value
    matching = [o.value for o in question.options if wanted in (o.value.strip().lower(), o.label.strip().lower())]
    if len(set(matching)) == 1:
        return matching[0]
    if question.free and wanted:
        return given
    raise UsageError(
        "The answer is not one of the question's options",
        question=question.id,
        got=given,
        valid=[option.value for option in question.options],
        hint="choose one of the valid values",
    )


def finding_failure(finding: Finding, plan: Plan) -> StepFailure:
    """A finding that stops the run, as a failure that a repair may answer."""
    fields: dict[str, object] = {name: value for name, value in finding.evidence if value}
    if finding.field:
        fields.setdefault("field", finding.field)
    return StepFailure(
        finding.step, _kind(plan, finding.step), finding.code, finding.message, finding.hint, fields=fields
    )


def _kind(plan: Plan, name: str) -> str:
    for step in plan.steps():
        if step.name == name:
            return (
                "extract"
                if isinstance(step, Extract)
                else "transform"
                if isinstance(step, Transform)
                else "check"
                if isinstance(step, Check)
                else "load"
            )
    return "plan"
