"""The one seam between minds: whoever plans, from words or with a model, keeps this protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agent_etl.engine.goal import Clause, Finding, Question, Refusal
from agent_etl.engine.plan import Plan
from agent_etl.engine.ports import Prober
from agent_etl.engine.schema import Catalogue, Table
from agent_etl.engine.tasks import StepFailure

__all__ = ["Edit", "PlanDraft", "PlanRequest", "Planner", "Repair", "RepairRequest"]


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a planner may know: the goal, the surveyed tables, measured facts on demand, answers so far.

    `targets` are tables that already exist where the goal may write. `findings` are what the checks said of the
    last draft.
    """

    goal: str
    catalogue: Catalogue
    prober: Prober
    answers: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanDraft:
    """A planner's proposal: a plan, or what stands in its way.

    Every word of the goal lies in a clause, in a question's span or in a refusal's. `plan` is None when there is a
    question or a refusal. `echo` says in plain sentences what was understood, one a clause.
    """

    goal: str
    plan: Plan | None
    clauses: tuple[Clause, ...] = ()
    questions: tuple[Question, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    findings: tuple[Finding, ...] = ()
    echo: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """One typed change of a plan: the step `step` becomes `after` (a step of the same kind, as JSON-able fields)."""

    step: str
    after: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """A failed step, its typed failure, the plan, and the sources as they are now."""

    plan: Plan
    failure: StepFailure
    catalogue: Catalogue
    prober: Prober
    source: Table | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """A proposed correction: a whole new plan and what it changes.

    `consent` names what it costs (`loses rows`, `widens a type`, `changes the target`); an empty one may be applied
    without asking.
    """

    plan: Plan
    label: str
    edits: tuple[Edit, ...] = ()
    consent: str = ""


class Planner(Protocol):
    """Plans and repairs; executes nothing."""

    name: str

    def plan(self, request: PlanRequest) -> PlanDraft:
        """A draft for the goal. Deterministic for the rules planner. Side effects: reads through `prober`."""
        ...

    def repair(self, request: RepairRequest) -> tuple[Repair, ...]:
        """Possible corrections, best first; empty: none known."""
        ...
