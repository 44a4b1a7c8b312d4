"""A run as it stands: what was asked, planned, found, done and loaded."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent_etl.agents.planner import PlanDraft
from agent_etl.engine.errors import UsageError
from agent_etl.engine.goal import Finding, Question, Refusal
from agent_etl.engine.observe.events import Event
from agent_etl.engine.plan import Load, Plan
from agent_etl.engine.tasks import StepFailure, TaskResult

if TYPE_CHECKING:
    import pyarrow as pa

    from agent_etl.graphs.lineage import Lineage

__all__ = ["LoadDone", "Run", "RunSummary", "Status"]

Status = Literal["succeeded", "waiting", "refused", "failed", "interrupted", "running", "dead"]


@dataclass(frozen=True, slots=True)
class LoadDone:
    """One finished load: where its rows went and the marker that proves it. `already`: nothing had to be written."""

    step: str
    target: str
    table: str
    mode: str
    rows: int
    marker: str
    already: bool = False
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line about a run."""

    run_id: str
    status: Status
    goal: str
    started: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """One run as its home knows it. `report()` and `explain()` are texts for people, `to_dict()` for machines.

    `waits_for` says what a waiting run needs: answers to `questions`, or an approval of `plan`. `repairs` are the
    labels of the corrections that were applied. `tasks` are the results of the plan that `plan_hash` addresses.
    `secret` are the given connections whose password was not kept: they must be given again to continue.
    """

    run_id: str
    status: Status
    goal: str
    approve: str = "risky"
    started: datetime | None = None
    ended: datetime | None = None
    plan: Plan | None = None
    plan_hash: str = ""
    draft: PlanDraft | None = None
    waits_for: Literal["", "answers", "approval"] = ""
    questions: tuple[Question, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    findings: tuple[Finding, ...] = ()
    failure: StepFailure | None = None
    repairs: tuple[str, ...] = ()
    tasks: tuple[TaskResult, ...] = ()
    home: Path | None = None
    secret: tuple[str, ...] = ()
    read_events: Callable[[], tuple[Event, ...]] = field(default=tuple, repr=False, compare=False)
    read_dataset: "Callable[[str], pa.Table] | None" = field(default=None, repr=False, compare=False)
    read_quarantined: "Callable[[], pa.Table] | None" = field(default=None, repr=False, compare=False)

    @property
    def loads(self) -> tuple[LoadDone, ...]:
        """The finished loads, in the plan's order."""
        if self.plan is None:
            return ()
        results = {result.step: result for result in self.tasks if result.kind == "load"}
        return tuple(_load(load, results[load.name]) for load in self.plan.loads if load.name in results)

    def dataset(self, name: str | None = None) -> "pa.Table":
        """The rows of a step as an Arrow table; of a load: the rows that it wrote. None: the plan's last load.

        Raises: UsageError when the run has no such step or did not get to it.
        """
        steps = {step.name: step for step in self.plan.steps()} if self.plan else {}
        if self.plan is None or self.read_dataset is None or (name is not None and name not in steps):
            raise UsageError(
                "The run has no such dataset", got=name, valid=sorted(steps), hint="name a step of the plan"
            )
        step = (self.plan.loads or self.plan.transforms or self.plan.extracts)[-1] if name is None else steps[name]
        return self.read_dataset(step.from_ if isinstance(step, Load) else getattr(step, "on", step.name))

    def quarantined(self) -> "pa.Table":
        """The rows that this run set aside: step, check, reason, line, raw text and more; also when it failed of them.

        Read from the run's packages, which the home keeps while they are used; what was loaded keeps its dead letters
        in `_etl_quarantine` beside the target. Raises: UsageError when the run has no plan.
        """
        if self.plan is None or self.read_quarantined is None:
            raise UsageError("The run has set nothing aside: it has no plan", run=self.run_id)
        return self.read_quarantined()

    def events(self) -> tuple[Event, ...]:
        """Everything that the run told, oldest first."""
        return self.read_events()

    def lineage(self) -> "tuple[Lineage, ...]":
        """For each target: where its rows come from and the steps between."""
        from agent_etl.graphs.lineage import lineage

        return lineage(self.plan) if self.plan else ()

    def explain(self) -> str:
        """The goal, and what each of its spans became."""
        from agent_etl.graphs.report import explain

        return explain(self)

    def report(self) -> str:
        """What happened, in plain text."""
        from agent_etl.graphs.report import report

        return report(self)

    def __repr__(self) -> str:
        from agent_etl.graphs.report import outcome

        return f"<Run {self.run_id}: {outcome(self)}>"

    def _repr_html_(self) -> str:
        from agent_etl.graphs.html import html

        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able fields, for machines."""
        draft = self.draft
        return {
            "run_id": self.run_id,
            "status": self.status,
            "home": str(self.home) if self.home else None,
            "goal": self.goal,
            "approve": self.approve,
            "started": self.started.isoformat() if self.started else None,
            "ended": self.ended.isoformat() if self.ended else None,
            "plan_hash": self.plan_hash or None,
            "plan": self.plan.model_dump(mode="json", by_alias=True, exclude_defaults=True) if self.plan else None,
            "clauses": [asdict(clause) for clause in draft.clauses] if draft else [],
            "waits_for": self.waits_for or None,
            "questions": [asdict(question) for question in self.questions],
            "refusals": [asdict(refusal) for refusal in self.refusals],
            "findings": [_pairs(asdict(finding)) for finding in self.findings],
            "failure": self.failure.to_dict() if self.failure else None,
            "repairs": list(self.repairs),
            "tasks": [{**asdict(result), "detail": dict(result.detail)} for result in self.tasks],
            "loads": [asdict(load) for load in self.loads],
            "lineage": [asdict(entry) for entry in self.lineage()],
        }


def _pairs(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "evidence": dict(values["evidence"])}


def _load(load: Load, result: TaskResult) -> LoadDone:
    detail: Mapping[str, Any] = result.detail
    already = bool(detail.get("already", result.reused))
    aside = int(detail.get("quarantined", 0))
    marker = "" if detail.get("unchanged") else result.fingerprint
    return LoadDone(load.name, load.target, load.table, load.mode, result.rows_out, marker, already, aside)
