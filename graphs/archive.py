"""What a run has written down: plans by hash, its draft, answers, findings, failures and offered repairs.

The state holds their ids alone. Everything here is JSON in the run store, checked when it is read back.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from agent_etl.agents.planner import PlanDraft, Repair
from agent_etl.engine.errors import Corrupt, UnknownRun
from agent_etl.engine.goal import Finding, Question
from agent_etl.engine.plan import Plan
from agent_etl.engine.store import RunStore
from agent_etl.engine.tasks import StepFailure

__all__ = ["Archive"]

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


class Archive:
    """One run's documents. Every write replaces the document of that kind and key: writing twice is writing once."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    def _write(self, kind: str, key: str, type_: Any, value: Any) -> None:
        self._store.put(self._run_id, kind, key, _adapter(type_).dump_json(value).decode())

    def _read(self, kind: str, key: str, type_: Any) -> Any:
        text = self._store.get(self._run_id, kind, key)
        if text is None:
            return None
        try:
            return _adapter(type_).validate_json(text)
        except ValidationError:
            raise Corrupt("A document of the run cannot be read", document=f"{kind}/{key}", run=self._run_id) from None

    def save_plan(self, plan: Plan) -> str:
        """Keep a plan under its hash, which is returned."""
        self._store.put(self._run_id, "plan", plan.hash, plan.to_json())
        return plan.hash

    def plan(self, plan_hash: str) -> Plan:
        """The plan of that hash. Raises: Corrupt when its content is not what the hash says, UnknownRun without one."""
        text = self._store.get(self._run_id, "plan", plan_hash)
        if text is None:
            raise UnknownRun("The run holds no such plan", run=self._run_id, plan=plan_hash)
        plan = Plan.model_validate_json(text)
        if plan.hash != plan_hash:
            raise Corrupt("The stored plan is not the one that was approved", expected=plan_hash, found=plan.hash)
        return plan

    def save_edited(self, plan_hash: str) -> None:
        """Keep that a person has handed in a plan: the planner's own never takes its place again."""
        self._write("edited", "", str, plan_hash)

    def edited(self) -> str:
        """The hash of the plan that a person handed in last; empty without one."""
        return self._read("edited", "", str) or ""

    def save_draft(self, draft: PlanDraft) -> None:
        """Keep what the planner said last."""
        self._write("draft", "", PlanDraft, draft)

    def draft(self) -> PlanDraft | None:
        """What the planner said last; None for a plan that was given."""
        found: PlanDraft | None = self._read("draft", "", PlanDraft)
        return found

    def save_questions(self, questions: Sequence[Question]) -> None:
        """Keep the questions that are open now; none closes them."""
        self._write("questions", "", tuple[Question, ...], tuple(questions))

    def questions(self) -> tuple[Question, ...]:
        """The questions that are open now."""
        found: tuple[Question, ...] | None = self._read("questions", "", tuple[Question, ...])
        return found or ()

    def save_answers(self, answers: Mapping[str, str], *, given: bool = False) -> None:
        """Keep accepted answers by question id; `given`: those that came with the goal and wait for their question."""
        self._write("answers", "given" if given else "", dict[str, str], dict(answers))

    def answers(self, *, given: bool = False) -> dict[str, str]:
        """Accepted answers, or those that came with the goal and fitted no question yet."""
        return self._read("answers", "given" if given else "", dict[str, str]) or {}

    def save_findings(self, plan_hash: str, agent: str, findings: Iterable[Finding]) -> None:
        """Keep what one agent found about one plan."""
        self._write("findings", f"{plan_hash}/{agent}", tuple[Finding, ...], tuple(findings))

    def findings(self, plan_hash: str, agent: str) -> tuple[Finding, ...]:
        """What one agent found about one plan."""
        found: tuple[Finding, ...] | None = self._read("findings", f"{plan_hash}/{agent}", tuple[Finding, ...])
        return found or ()

    def save_seen(self, risks: Iterable[Finding]) -> None:
        """Keep which risks a person has agreed to."""
        keys = {*self.seen(), *((risk.code, risk.step) for risk in risks)}
        self._write("seen", "", list[tuple[str, str]], sorted(keys))

    def seen(self) -> frozenset[tuple[str, str]]:
        """The risks that a person has agreed to, as (code, step)."""
        return frozenset(self._read("seen", "", list[tuple[str, str]]) or ())

    def save_failure(self, failure: StepFailure) -> str:
        """Keep a failure; its fingerprint, returned, is its id."""
        self._write("failure", failure.fingerprint, dict[str, Any], failure.to_dict())
        return failure.fingerprint

    def failure(self, failure_id: str) -> StepFailure | None:
        """The failure of that id."""
        found = self._read("failure", failure_id, dict[str, Any])
        return StepFailure.from_dict(found) if found else None

    def save_offers(self, repairs: Sequence[Repair]) -> None:
        """Keep the repairs that a person is asked about."""
        self._write("offers", "", tuple[Repair, ...], tuple(repairs))

    def offers(self) -> tuple[Repair, ...]:
        """The repairs that a person is asked about, in the order of the question's options."""
        found: tuple[Repair, ...] | None = self._read("offers", "", tuple[Repair, ...])
        return found or ()

    def save_applied(self, labels: Sequence[str]) -> None:
        """Keep the labels of the repairs that were applied, in order."""
        self._write("applied", "", list[str], list(labels))

    def applied(self) -> list[str]:
        """The labels of the repairs that were applied, in order."""
        return self._read("applied", "", list[str]) or []
