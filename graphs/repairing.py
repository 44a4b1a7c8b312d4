"""The orchestrator corrects: bounded, audited, and never without consent where rows or meanings are at stake."""

from typing import Any

from agent_etl.agents.orchestrator import STOP, choose, next_attempt, repair_question
from agent_etl.agents.planner import Repair
from agent_etl.engine.tasks import StepFailure
from agent_etl.graphs.phases import PROVES
from agent_etl.graphs.session import Session
from agent_etl.graphs.state import State, prompt

__all__ = ["apply_choice", "repair"]

Update = dict[str, Any]
_REDRAFT = "redraft"


def repair(session: Session, state: State) -> Update:
    """Answer a failure: try again, edit the plan, ask which edit, let the planner draft anew, or stop."""
    failure = session.archive.failure(state["failure"])
    assert failure is not None, "a failure is saved before its id enters the state"
    attempts = next_attempt(state["attempts"], failure, session.settings.max_repairs)
    if attempts is None:
        return _stop(session, failure, "the same failure again, or too many repairs")
    if failure.transient:
        session.audit("retry", step=failure.step, code=failure.code, phase=state["origin"])
        session.tell("repair", failure.step, label="try again", code=failure.code)
        return {"phase": state["origin"], "attempts": attempts, "cursor": 0}
    proposed = session.repairs(state["plan_hash"], failure) if state.get("plan_hash") else ()
    choice = choose(proposed, session.request.approve)
    if choice.apply is not None:
        return {**_apply(session, state, failure, choice.apply), "attempts": attempts}
    if choice.offers:
        return {**_ask(session, failure, choice.offers), "attempts": attempts}
    if state["origin"] == PROVES[0] and _is_drafted(session) and _REDRAFT not in attempts:
        session.audit("redraft", step=failure.step, code=failure.code)
        return {"phase": "draft", "attempts": {**attempts, _REDRAFT: 0}}
    return _stop(session, failure, "no repair is known")


def _is_drafted(session: Session) -> bool:
    """The planner drafts its own plan anew; one that a person wrote or edited is never replaced."""
    return session.archive.draft() is not None and not session.archive.edited()


def apply_choice(session: Session, state: State, chosen: str) -> Update:
    """What a person chose for a failure: one of the offered repairs, or to stop."""
    failure = session.archive.failure(state["failure"])
    assert failure is not None, "a failure is saved before its id enters the state"
    offers = session.archive.offers()
    session.archive.save_offers(())
    if chosen == STOP:
        return _stop(session, failure, "a person chose to stop")
    update = _apply(session, state, failure, offers[int(chosen) - 1])
    # Who chooses a repair agrees to its plan, unless every plan is to be shown and none has been yet.
    unseen = session.request.approve == "ask" and not state.get("approved")
    return update if unseen else {**update, "approved": update["plan_hash"]}


def _apply(session: Session, state: State, failure: StepFailure, chosen: Repair) -> Update:
    plan_hash = session.archive.save_plan(chosen.plan)
    session.working_with(plan_hash)
    session.archive.save_applied([*session.archive.applied(), chosen.label])
    session.audit(
        "repair", step=failure.step, code=failure.code, label=chosen.label, consent=chosen.consent, plan=plan_hash
    )
    session.tell("repair", failure.step, label=chosen.label, consent=chosen.consent, code=failure.code)
    return {"phase": PROVES[0], "plan_hash": plan_hash, "cursor": 0, "failure": "", "prompt": {}, "reply": {}}


def _ask(session: Session, failure: StepFailure, offers: tuple[Repair, ...]) -> Update:
    question = repair_question(failure, offers)
    session.archive.save_offers(offers)
    session.archive.save_questions((question,))
    session.tell("question_asked", failure.step, question=question.id, text=question.text, quote=question.quote)
    options = [{"value": option.value, "label": option.label[:300]} for option in question.options]
    entries = [{"id": question.id, "text": question.text[:500], "options": options, "free": False}]
    session.wait("answers")
    return {"phase": "ask", "prompt": prompt("repair", session.run_id, entries), "reply": {}}


def _stop(session: Session, failure: StepFailure, why: str) -> Update:
    session.audit("stop", step=failure.step, code=failure.code, why=why)
    return {"phase": "finish", "status": "failed", "prompt": {}, "reply": {}}
