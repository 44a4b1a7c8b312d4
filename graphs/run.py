"""Running, resuming and planning pipelines. Looking at runs: graphs/history.py."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

from agent_etl.agents.orchestrator import POLICIES
from agent_etl.agents.planner import PlanDraft, Planner
from agent_etl.engine.errors import SettingsError, UsageError
from agent_etl.engine.lease import sole
from agent_etl.engine.observe.events import OnEvent
from agent_etl.engine.plan import Plan
from agent_etl.engine.security.paths import prepare_home
from agent_etl.engine.settings import is_text, load_settings
from agent_etl.engine.store import new_run_id
from agent_etl.graphs.driver import Driver
from agent_etl.graphs.reply import Reply
from agent_etl.graphs.request import pipeline_of, start_run
from agent_etl.graphs.result import Run
from agent_etl.graphs.session import open_session

__all__ = ["plan_pipeline", "resume_pipeline", "run_pipeline"]

Decide = Callable[[Run], "bool | str | Plan"]
Home = Path | str | None


def run_pipeline(
    goal: str | Plan,
    *,
    connections: Mapping[str, str] | None = None,
    planner: Planner | None = None,
    approve: str | Decide = "risky",
    answers: Mapping[str, str] | None = None,
    home: Home = None,
    run_id: str | None = None,
    on_event: OnEvent | None = None,
) -> Run:
    """Run a goal in words, or a plan, to its end or to its first question.

    `approve`: "risky" asks before it replaces, merges into or deletes what this home has not written, "ask" always,
    "auto" never; or a callable that is given the waiting Run and returns True, False, "approve", "reject" or an edited
    Plan. `answers`: question id (or the words that it quotes) to value. A goal that needs an answer returns with status
    waiting; a goal that cannot be done returns refused, and nothing was touched.

    Raises: UsageError for a wrong argument, SettingsError for a wrong setting; Busy naming the run that works on the
    same pipeline now. KeyboardInterrupt leaves the run interrupted: resume it. Side effects: those of the pipeline; the
    run in the home.
    """
    policy = approve if isinstance(approve, str) else "ask"
    if policy not in POLICIES:
        raise UsageError("approve is not a policy", got=policy, valid=[*POLICIES, "a callable"])
    _see_that_it_is_text(goal)
    chosen = run_id or new_run_id()
    with _alone(load_settings(home=home).home, pipeline_of(goal, connections or {}), chosen):
        started = start_run(
            goal,
            home=home,
            run_id=chosen,
            connections=connections,
            approve=policy,
            planner=planner.name if planner else "rules",
            answers=answers,
        )
        session = open_session(started, home=home, connections=connections, planner=planner, on_event=on_event)
        with closing(session), session.store.lease(started):
            return _followed(Driver(session, connections or {}), Reply(), approve)


def resume_pipeline(
    run_id: str,
    *,
    answers: Mapping[str, str] | None = None,
    decision: str | bool | Plan | None = None,
    home: Home = None,
    connections: Mapping[str, str] | None = None,
    planner: Planner | None = None,
    on_event: OnEvent | None = None,
    force: bool = False,
) -> Run:
    """Continue a run that waits, was interrupted or failed; what is done is not done again. An ended run is returned.

    `answers` as for run_pipeline. `decision`: "approve", "reject", or an edited Plan, which is proved again; a failed
    run takes one too. Without what it waits for, the run stays waiting. Passwords that came with `connections=` must be
    given again.

    `force` goes on with a run that was given up as dead, and sees that an ended run's output is there still: a load that
    its target has lost is done again.

    Raises: UnknownRun; UsageError for an answer or a decision that does not fit (the run stays as it is); Busy naming
    the process that works on the run or its pipeline; DeadRun after too many crashes; SettingsError. Side effects:
    those of the pipeline.
    """
    reply = Reply(dict(answers or {}), decision)
    session = open_session(run_id, home=home, connections=connections, planner=planner, on_event=on_event)
    pipeline = session.request.pipeline(session.row.goal)
    with closing(session), session.store.lease(run_id), _alone(session.settings.home, pipeline, run_id):
        driver = Driver(session, connections or {})
        driver.recover(force=force)
        ended = None if force else driver.ended(reply)
        return ended or _followed(driver, reply, None)


def _alone(home: Path, pipeline: str, run_id: str) -> AbstractContextManager[None]:
    return sole(prepare_home(home) / "pipelines", pipeline, run_id)


def _followed(driver: Driver, reply: Reply, approve: str | Decide | None) -> Run:
    """Drive the run on; a callable policy decides each approval at once."""
    run = driver.drive(reply)
    while run.status == "waiting" and run.waits_for == "approval" and callable(approve):
        decided = approve(run)
        run = driver.drive(Reply(decision=decided if isinstance(decided, Plan | str) else bool(decided)))
    return run


def plan_pipeline(
    goal: str | Plan,
    *,
    connections: Mapping[str, str] | None = None,
    planner: Planner | None = None,
    answers: Mapping[str, str] | None = None,
    home: Home = None,
) -> PlanDraft:
    """The plan for a goal, proved, or its questions or refusals. Nothing is executed and no run is written down.

    The draft's findings hold what the checks say of the plan.

    Raises: UsageError for an answer that fits no question and for a goal that is empty or no text.
    """
    from agent_etl.graphs.drafting import draft_plan

    _see_that_it_is_text(goal)
    return draft_plan(goal, connections=connections, planner=planner, answers=answers, home=home)


def _see_that_it_is_text(goal: str | Plan) -> None:
    """Raises: UsageError for a goal that says nothing or is no text, SettingsError for a folder whose path is none."""
    folder = str(Path.cwd())
    if not is_text(folder):
        hint = "rename it, or run from another folder"
        raise SettingsError("The current folder's path holds bytes that are not UTF-8", folder=folder, hint=hint)
    if isinstance(goal, Plan):
        return
    if not goal.strip():
        raise UsageError("The goal is empty", hint="say what to load, what to do with it and where to write it")
    if not is_text(goal):
        hint = "write it as UTF-8; rename a file whose name is not"
        raise UsageError("The goal holds bytes that are not UTF-8", hint=hint)
