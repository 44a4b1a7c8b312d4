"""Running, resuming and planning pipelines. Looking at runs: graphs/history.py."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

from agent_etl.agents.planner import PlanDraft, Planner
from agent_etl.engine.lease import sole
from agent_etl.engine.observe.events import OnEvent
from agent_etl.engine.plan import Plan
from agent_etl.engine.security.paths import prepare_home
from agent_etl.engine.settings import load_settings
from agent_etl.engine.store import new_run_id
from agent_etl.graphs.call import check_goal, check_planner, policy, texts
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
    check_goal(goal)
    check_planner(planner)
    kept, urls, given = policy(approve), texts("connections", connections), texts("answers", answers)
    chosen = run_id or new_run_id()
    with _alone(load_settings(home=home).home, pipeline_of(goal, urls), chosen):
        started = start_run(
            goal,
            home=home,
            run_id=chosen,
            connections=urls,
            approve=kept,
            planner=planner.name if planner else "rules",
            answers=given,
        )
        session = open_session(started, home=home, connections=urls, planner=planner, on_event=on_event)
        with closing(session), session.store.lease(started):
            return _followed(Driver(session, urls), Reply(), approve)


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

    `force` goes on with a run that was given up as dead, and sees that an ended run's output is there still: a load
    that its target has lost is done again.

    Raises: UnknownRun; UsageError for an answer or a decision that does not fit (the run stays as it is); Busy naming
    the process that works on the run or its pipeline; DeadRun after too many crashes; SettingsError. Side effects:
    those of the pipeline.
    """
    check_planner(planner)
    reply, urls = Reply(texts("answers", answers), decision), texts("connections", connections)
    session = open_session(run_id, home=home, connections=urls, planner=planner, on_event=on_event)
    pipeline = session.request.pipeline(session.row.goal)
    with closing(session), session.store.lease(run_id), _alone(session.settings.home, pipeline, run_id):
        driver = Driver(session, urls)
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

    check_goal(goal)
    check_planner(planner)
    urls, given = texts("connections", connections), texts("answers", answers)
    return draft_plan(goal, connections=urls, planner=planner, answers=given, home=home)
