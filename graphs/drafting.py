"""Drafting: a planner's proposal with every answer that is known."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent_etl.agents.orchestrator import accept_answers
from agent_etl.agents.planner import PlanDraft, Planner, PlanRequest
from agent_etl.agents.workbench import Workbench
from agent_etl.connectors.registry import open_connections
from agent_etl.engine.errors import Terminal, UsageError
from agent_etl.engine.goal import Finding, Question
from agent_etl.engine.plan import Plan
from agent_etl.engine.ports import Connections
from agent_etl.engine.probe import SourceProber
from agent_etl.engine.schema import Catalogue
from agent_etl.engine.security.paths import standing
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.engine.store import RunStore
from agent_etl.graphs.archive import Archive
from agent_etl.graphs.proving import prove
from agent_etl.tools.catalog import describe_plan_sources, survey

__all__ = ["Drafted", "draft_plan", "drafted", "remembering", "rules_planner", "unfitting"]


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
        draft = _with_notes(planner.plan(request), request.catalogue)
        fitting = _fitting(draft.questions, left)
        if not fitting:
            return Drafted(draft, request.answers, left)
        answers = {**request.answers, **{id_: value for _, id_, value in fitting}}
        left = {name: value for name, value in left.items() if name not in {taken for taken, _, _ in fitting}}
        request = replace(request, answers=answers)


def _with_notes(draft: PlanDraft, catalogue: Catalogue) -> PlanDraft:
    """The draft with a note for each connection that could not be searched: a name may mean something there, too."""
    notes = tuple(
        Finding("note", "unreachable", "", f"{name} did not answer, so it was not searched for what the goal names")
        for name in catalogue.unreachable
    )
    return replace(draft, findings=(*draft.findings, *notes)) if notes else draft


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


def remembering(catalogue: Catalogue, goal: str, store: RunStore | None, connections: Connections) -> Catalogue:
    """The catalogue with how earlier runs of the same words loaded: the same goal does the same again."""
    if store is None:
        return catalogue
    names = {connections[name].url: name for name in reversed(connections.names())}
    loads = [load for load in store.loads_of_goal(goal) if load.target in names]
    written = {(names[load.target], load.table): load.mode for load in loads}
    read = {place for run_id in {load.run_id for load in loads} for place in _read(store, run_id)}
    made = {(connection, name.lower()) for connection, name in written}
    # What they made and did not read is no source of the goal, whatever its name has come to mean since.
    outputs = tuple(
        table
        for table in catalogue.tables
        if (table.connection, table.dataset) not in read
        and {(table.connection, name) for name in (table.dataset.lower(), table.name.lower())} & made
    )
    tables = tuple(table for table in catalogue.tables if table not in outputs)
    return replace(catalogue, tables=tables, written=written, outputs=outputs)


def _read(store: RunStore, run_id: str) -> set[tuple[str, str]]:
    draft = Archive(store, run_id).draft()
    extracts = draft.plan.extracts if draft is not None and draft.plan is not None else ()
    return {(extract.source, extract.dataset) for extract in extracts}


def rules_planner() -> Planner:
    """The planner that needs no model."""
    from agent_etl.agents.rules.planner import RulesPlanner

    planner: Planner = RulesPlanner()
    return planner


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
    with (
        closing(open_connections(settings)) as registry,
        closing(SourceProber(registry, settings)) as prober,
        _remembered(settings) as store,
    ):
        base = Catalogue(())
        if isinstance(goal, Plan):
            draft = PlanDraft(goal.goal, goal)
        else:
            base = remembering(survey(goal, registry), goal, store, registry)
            made = drafted(planner or rules_planner(), PlanRequest(goal, base, prober), answers or {})
            if made.given and not made.draft.refusals:
                raise unfitting(made.draft.questions, made.given)
            draft = made.draft
        if draft.plan is None:
            return draft
        try:
            catalogue = describe_plan_sources(draft.plan, registry, base)
            findings = prove(draft.plan, Workbench(registry, catalogue, prober, settings, store))
        except Terminal as error:
            findings = (_unproved(error),)
        return replace(draft, findings=(*draft.findings, *findings))


@contextmanager
def _remembered(settings: Settings) -> Iterator[RunStore | None]:
    """The store of the home when there is one: planning makes none."""
    if settings.store_url is None and not standing(settings.home):
        yield None
        return
    with RunStore(settings.home, url=settings.store_url) as store:
        yield store


def _unproved(error: Terminal) -> Finding:
    """What keeps a plan from being proved: a source that cannot be looked at as the plan says."""
    evidence = tuple((name, str(value)) for name, value in error.fields.items() if name != "step")
    told = "".join(f", {name} {value}" for name, value in evidence)
    message = f"{error.message[:1].lower()}{error.message[1:]}{told}"
    return Finding("error", error.code, str(error.fields.get("step", "")), message, error.hint, "", evidence)
