"""What a person says to a run, and whether it fits where the run stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_etl.agents.orchestrator import STOP, accept_answers
from agent_etl.engine.errors import UsageError
from agent_etl.engine.plan import Plan
from agent_etl.graphs.archive import Archive

__all__ = ["Reply", "accept", "refuse_after_the_end", "refuse_without_a_question"]

_VALID = ("approve", "reject", "an edited plan")


@dataclass(frozen=True, slots=True)
class Reply:
    """Answers by question, or a decision about the plan: "approve", "reject", True, False or an edited Plan."""

    answers: Mapping[str, str] = field(default_factory=dict)
    decision: str | bool | Plan | None = None

    def __post_init__(self) -> None:
        """Raises: UsageError for a decision that is none."""
        known = self.decision is None or isinstance(self.decision, bool | Plan) or self.decision in _VALID[:2]
        if not known:
            raise UsageError(
                "The decision is not known", got=self.decision, valid=_VALID, hint='pass decision="approve"'
            )

    def __bool__(self) -> bool:
        return bool(self.answers) or self.decision is not None

    @property
    def plan(self) -> Plan | None:
        """The edited plan, when the decision is one."""
        return self.decision if isinstance(self.decision, Plan) else None

    @property
    def agrees(self) -> bool:
        """Whether the decision lets the plan run."""
        return self.decision in ("approve", True)


def accept(kind: str, reply: Reply, run_id: str, archive: Archive) -> dict[str, Any]:
    """What the graph's open interrupt of that kind is resumed with.

    Raises: UsageError when the reply does not fit. Side effects: keeps an edited plan.
    """
    if kind == "approval":
        return _decided(reply, run_id, archive)
    questions = archive.questions()
    if reply.decision is None:
        return {"answers": accept_answers(questions, reply.answers)}
    if kind != "repair" or reply.answers or reply.plan:
        raise UsageError(
            "The run waits for an answer, not for a decision",
            run=run_id,
            valid=[question.id for question in questions],
            hint="pass answers={id: value}, or --answer ID=VALUE",
        )
    return {"answers": {questions[0].id: "1" if reply.agrees else STOP}}


def _decided(reply: Reply, run_id: str, archive: Archive) -> dict[str, Any]:
    if reply.decision is None or reply.answers:
        raise UsageError(
            "The run waits for a decision, not for answers",
            run=run_id,
            valid=_VALID,
            hint='pass decision="approve", or --approve',
        )
    if reply.plan:
        return {"decision": "approve", "plan_hash": archive.save_plan(reply.plan)}
    return {"decision": "approve" if reply.agrees else "reject"}


def refuse_after_the_end(reply: Reply, run_id: str, status: str, plan_hash: str, archive: Archive) -> None:
    """An ended run stays what it is: saying again what made it so is fine, saying otherwise is not.

    Raises: UsageError.
    """
    known = set(archive.answers().values())
    same_answers = all(value in known for value in reply.answers.values())
    decided = reply.decision
    same_decision = decided is None or (
        reply.plan.hash == plan_hash if reply.plan else reply.agrees == (status == "succeeded")
    )
    if not (same_answers and same_decision):
        raise UsageError(
            "The run has ended: there is nothing to answer or to decide any more",
            run=run_id,
            status=status,
            hint=f"look at it: agent-etl show {run_id}; another plan or answer is a new run: agent-etl run …",
        )


def refuse_without_a_question(reply: Reply, run_id: str, status: str) -> None:
    """A run that failed or was interrupted waits for nobody. A failed one may be given an edited plan; an interrupted
    one may be told again what it was told before.

    Raises: UsageError.
    """
    if status == "failed":
        fits = not reply.answers and (reply.decision is None or reply.plan is not None)
        hint = f"try it again: agent-etl resume {run_id}, or with an edited plan: --plan EDITED.yaml"
    else:
        fits = reply.plan is None and (reply.decision is None or reply.agrees)
        hint = f"continue it first: agent-etl resume {run_id}"
    if not fits:
        raise UsageError("The run waits for no answer and no decision", run=run_id, status=status, hint=hint)
