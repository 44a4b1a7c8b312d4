"""The keyless planner: a goal in words to a typed draft. The same goal and catalogue give the same bytes."""

from agent_etl.agents.planner import PlanDraft, PlanRequest, Repair, RepairRequest
from agent_etl.agents.rules.asking import Asking, Unclear
from agent_etl.agents.rules.compose import compose
from agent_etl.agents.rules.echo import sentences
from agent_etl.agents.rules.parser import read_goal
from agent_etl.agents.rules.repair import repair
from agent_etl.engine.goal import Clause
from agent_etl.engine.plan import Plan

__all__ = ["RulesPlanner"]


class RulesPlanner:
    """Plans by rules: no model, no key, no network. What it cannot ground it asks or refuses, quoting the words."""

    name = "rules"

    def plan(self, request: PlanRequest) -> PlanDraft:
        """The draft of a goal. Side effects: reads values and keys through `request.prober`."""
        asking = Asking(request.goal, request.answers)
        if not request.goal.strip():
            asking.refuse((0, len(request.goal)), "the goal is empty")
            return self._draft(request.goal, asking, (), None, ())
        reading, spans = read_goal(request, asking)
        plan: Plan | None = None
        if not asking.questions and not asking.refusals:
            try:
                plan = compose(reading, spans)
            except Unclear:
                plan = None
        if asking.questions or asking.refusals:
            plan = None
        return self._draft(request.goal, asking, spans, plan, sentences(reading, spans, plan))

    def _draft(
        self,
        goal: str,
        asking: Asking,
        spans: tuple[tuple[int, int], ...],
        plan: Plan | None,
        echo: tuple[str, ...],
    ) -> PlanDraft:
        served: dict[int, list[str]] = {index: [] for index in range(len(spans))}
        for step in plan.steps() if plan is not None else ():
            for index in step.why:
                served[index].append(step.name)
        clauses = tuple(Clause(*span, tuple(served[index])) for index, span in enumerate(spans))
        return PlanDraft(
            goal=goal,
            plan=plan,
            clauses=clauses,
            questions=tuple(sorted(asking.questions.values(), key=lambda one: (one.span, one.id))),
            refusals=tuple(sorted(asking.refusals.values(), key=lambda one: one.span)),
            findings=tuple(asking.findings.values()),
            echo=echo,
        )

    def repair(self, request: RepairRequest) -> tuple[Repair, ...]:
        """Possible corrections of a failed step, best first."""
        return repair(request)
