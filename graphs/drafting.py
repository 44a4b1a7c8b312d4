"""Drafting: a planner's proposal with every answer that is known, and the sources that a plan reads as they are now."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from agent_etl.agents.workbench import Workbench
from agent_etl.engine.probe import SourceProber
from agent_etl.tools.catalog import survey

from agent_etl.agents.orchestrator import accept_answers
from agent_etl.agents.planner import PlanDraft, Planner, PlanRequest
from agent_etl.connectors.registry import open_connections
from agent_etl.engine.errors import NotFound, UsageError
from agent_etl.engine.goal import Question
from agent_etl.engine.plan import Extract, Plan
from agent_etl.engine.ports import Connections
from agent_etl.engine.schema import Catalogue, Table
from agent_etl.engine.settings import load_settings
from agent_etl.graphs.proving import prove

__all__ = ["Drafted", "described", "draft_plan", "drafted", "rules_planner", "sources_of", "unfitting"]


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, the answers that made it by question id, and the given ones that fitted no question yet."""

    draft: PlanDraft
    answers: Mapping[str, str]
    given: Mapping[str, str]


def drafted(planner: Planner, request: PlanRequest, given: Mapping[str, str]) -> Drafted:
    """The planner's draft; a given answer is taken up when its question appears.

    Side effects: reads the sources through the request's prober.
    """
    left = dict(given)
    while True:
        draft = planner.plan(request)
        fitting = _fitting(draft.questions, left)
        if not fitting:
            return Drafted(draft, request.answers, left)
        answers = {**request.answers, **{id_: value for _, id_, value in fitting}}
        left = {name: value for name, value in left.items() if name not in {taken for taken, _, _ in fitting}}
        request = replace(request, answers=answers)


def _fitting(questions: tuple[Question, ...], given: Mapping[str, str]) -> list[tuple[str, str, str]]:
    found = []
    for name, value in given.items():
        try:
            accepted = accept_answers(questions, {name: value})
        except UsageError:
            continue  # it may fit a later question; the caller reports what fitted none
        found += [(name, id_, chosen) for id_, chosen in accepted.items()]
    return found


def unfitting(questions: tuple[Question, ...], given: Mapping[str, str]) -> UsageError:
    """Why given answers fit none of the open questions."""
    try:
        accept_answers(questions, given)
    except UsageError as error:
        return error
    return UsageError("The answer fits no open question", got=sorted(given), valid=[q.id for q in questions])


def sources_of(plan: Plan, base: Catalogue, connections: Connections) -> Catalogue:
    """The catalogue with the plan's sources as they are now, read by the plan's own options."""
    tables = {(table.connection, table.dataset): table for table in base.tables}
    kinds = dict(base.connections)
    missing = [*base.missing]
    for step in plan.extracts:
        table = described(step, connections)
        kinds[step.source] = connections[step.source].kind
        if table is None:
            tables.pop((step.source, step.dataset), None)
            missing.append(step.dataset)
        else:
            tables[step.source, step.dataset] = replace(table, connection=step.source, dataset=step.dataset)
    for load in plan.loads:
        kinds[load.target] = connections[load.target].kind
    return Catalogue(tuple(tables.values()), kinds, base.default_target, tuple(missing))


def described(step: Extract, connections: Connections) -> Table | None:
    """The step's source as it is now; None when it is not there."""
    try:
        return connections[step.source].source().describe(step.dataset, step.options or None)
    except NotFound:
        return None


def rules_planner() -> Planner:
    """The planner that needs no model."""
    from agent_etl.agents.rules.planner import RulesPlanner

    return RulesPlanner()


def draft_plan(
    goal: str | Plan,
    *,
    connections: Mapping[str, str] | None = None,
    planner: Planner | None = None,
    answers: Mapping[str, str] | None = None,
    home: Path | str | None = None,
) -> PlanDraft:
    """The draft for a goal, or for a plan that is given, with what the checks find. Writes nothing down.

    Raises: UsageError for an answer that fits no question. Side effects: reads the sources and targets.
    """
    settings = load_settings(home=home, connections=connections)
    with closing(open_connections(settings)) as registry:
        prober = SourceProber(registry, settings)
        base = Catalogue(())
        if isinstance(goal, Plan):
            draft = PlanDraft(goal.goal, goal)
        else:
            base = survey(goal, registry)
            made = drafted(planner or rules_planner(), PlanRequest(goal, base, prober), answers or {})
            if made.given and not made.draft.refusals:
                raise unfitting(made.draft.questions, made.given)
            draft = made.draft
        if draft.plan is None:
            return draft
        bench = Workbench(registry, sources_of(draft.plan, base, registry), prober, settings)
        return replace(draft, findings=(*draft.findings, *prove(draft.plan, bench)))
