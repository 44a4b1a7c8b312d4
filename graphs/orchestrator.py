"""The orchestrator's subgraph: it accepts a goal, drafts, judges, decides, finishes. Repairs: graphs/repairing.py."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agent_etl.agents.orchestrator import accept_answers, finding_failure, judge
from agent_etl.agents.planner import PlanDraft, PlanRequest
from agent_etl.engine.errors import UsageError
from agent_etl.engine.goal import Finding, Question, Refusal
from agent_etl.engine.plan import Plan
from agent_etl.graphs.call import check_goal, policy, texts
from agent_etl.graphs.context import RunContext, entered
from agent_etl.graphs.drafting import drafted, unfitting
from agent_etl.graphs.node import node
from agent_etl.graphs.phases import DONE, FIRST, PROVES, phases_of
from agent_etl.graphs.repairing import apply_choice, repair
from agent_etl.graphs.request import start_run
from agent_etl.graphs.session import Session
from agent_etl.graphs.state import GRAPH_VERSION, State, prompt

__all__ = ["build_orchestrator"]

Update = dict[str, Any]


def build_orchestrator() -> CompiledStateGraph[Any, Any, Any, Any]:
    """The subgraph: one node for each of its phases, entered by `phase`."""
    graph = StateGraph(State, context_schema=RunContext)
    graph.add_node("accept", _accept)
    acts = {
        "draft": _draft,
        "answer": _answer,
        "judge": _judge_findings,
        "decide": _decide,
        "repair": repair,
        "finish": _finish,
    }
    for phase, act in acts.items():
        graph.add_node(phase, node(phase, act), input_schema=State)
    phases = phases_of("orchestrator")
    graph.add_conditional_edges(START, _entry, list(phases))
    for phase in phases:
        graph.add_edge(phase, END)
    return graph.compile(name="orchestrator")


def _entry(state: State) -> str:
    phase = state.get("phase") or FIRST
    return FIRST if state.get("goal") or phase == DONE else phase


def _accept(state: State, runtime: Runtime[RunContext]) -> Update:
    """Begin: a goal that came with the input becomes a run of the store; the state keeps its id alone.

    Raises: UsageError for an input that is none; no run is begun then.
    """
    run_id = state.get("run_id", "")
    if state.get("goal") or not run_id:
        check_goal(state.get("goal", ""))
        thread = runtime.execution_info.thread_id if runtime.execution_info else None
        context = runtime.context or RunContext()
        run_id = start_run(
            state["goal"],
            home=context.home or None,
            run_id=None if run_id else thread,
            connections=context.connections,
            approve=policy(state.get("approve") or "risky"),
            answers=texts("answers", state.get("answers")),
        )
    with entered(runtime.context, run_id) as session:
        given = session.request.plan
        session.working_with(given)
        session.tell("run_started", goal=session.row.goal, approve=session.request.approve)
    return {
        "run_id": run_id,
        "goal": "",
        "answers": {},
        "graph_version": GRAPH_VERSION,
        "attempts": {},
        "cursor": 0,
        "failure": "",
        "approved": "",
        "plan_hash": given,
        "status": "",
        "phase": PROVES[0] if given else "survey",
    }


def _draft(session: Session, state: State) -> Update:
    """Ask the planner; what it cannot ground is asked or refused, and what it made is proved next."""
    wrong = [
        f for agent in PROVES for f in session.archive.findings(state["plan_hash"], agent) if f.severity == "error"
    ]
    request = PlanRequest(
        session.row.goal, session.catalogue(), session.prober, session.archive.answers(), tuple(wrong)
    )
    answered = drafted(session.planner, request, session.archive.answers(given=True))
    session.archive.save_answers(answered.answers)
    session.archive.save_answers(answered.given, given=True)
    made = answered.draft
    session.archive.save_draft(made)
    session.audit("planner", planner=session.planner.name, questions=len(made.questions), refusals=len(made.refusals))
    if made.refusals:
        return {"phase": "finish", "status": "refused"}
    if made.questions:
        return _ask(session, made.questions)
    if made.plan is None:
        nothing = Refusal(session.row.goal, (0, len(session.row.goal)), "The planner made no plan and said no reason")
        session.archive.save_draft(PlanDraft(made.goal, None, made.clauses, refusals=(nothing,)))
        return {"phase": "finish", "status": "refused"}
    return _drafted(session, state, made.plan)


def _drafted(session: Session, state: State, plan: Plan) -> Update:
    unused = session.archive.answers(given=True)
    if unused:
        session.archive.save_answers({}, given=True)
        raise unfitting((), unused)
    plan_hash = session.archive.save_plan(plan)
    session.working_with(plan_hash)
    steps = sum(1 for _ in plan.steps())
    session.tell("plan_drafted", planner=session.planner.name, plan=plan_hash, steps=steps)
    if plan_hash == state["plan_hash"]:
        return {"phase": "finish", "status": "failed"}
    return {"phase": PROVES[0], "plan_hash": plan_hash, "failure": ""}


def _ask(session: Session, questions: tuple[Question, ...], problem: str = "") -> Update:
    """Open these questions and go to the interrupt."""
    session.archive.save_questions(questions)
    for question in questions:
        session.tell("question_asked", question=question.id, text=question.text, quote=question.quote)
    entries = [
        {
            "id": question.id,
            "text": question.text[:500],
            "quote": question.quote[:200],
            "options": [{"value": o.value[:200], "label": o.label[:200]} for o in question.options[:12]],
            "free": question.free,
        }
        for question in questions
    ]
    shown = prompt("questions", session.run_id, entries, **({"problem": problem[:500]} if problem else {}))
    session.wait("answers")
    return {"phase": "ask", "prompt": shown, "reply": {}}


def _answer(session: Session, state: State) -> Update:
    """Take the answers up: a repair's question chooses the repair, any other leads to a new draft."""
    questions = session.archive.questions()
    try:
        accepted = accept_answers(questions, dict(state["reply"].get("answers") or {}))
    except UsageError as error:
        return _ask(session, questions, str(error))
    if not accepted:
        return _ask(session, questions, "No answer was given")
    session.working_with(state["plan_hash"])
    session.audit("answers", questions=sorted(accepted))
    session.archive.save_questions(())
    if state.get("failure") and session.archive.offers():
        return apply_choice(session, state, next(iter(accepted.values())))
    session.archive.save_answers({**session.archive.answers(), **accepted})
    return {"phase": "draft", "prompt": {}, "reply": {}}


def _judge_findings(session: Session, state: State) -> Update:
    """Weigh what the agents found: run, ask for approval, or stop."""
    plan_hash = state["plan_hash"]
    findings = _findings(session, plan_hash)
    verdict = judge(findings, session.request.approve)
    session.audit("judge", verdict=verdict.action, errors=len(verdict.errors), risks=len(verdict.risks))
    if verdict.action == "stop":
        failure = finding_failure(verdict.errors[0], session.plan(plan_hash))
        return {"phase": "repair", "origin": PROVES[0], "failure": session.archive.save_failure(failure)}
    fresh = {(risk.code, risk.step) for risk in verdict.risks} - session.archive.seen()
    if verdict.action == "go" or (state.get("approved") == plan_hash and not fresh):
        return {"phase": "read", "approved": plan_hash, "cursor": 0, "failure": ""}
    session.tell("approval_asked", plan=plan_hash, risks=[risk.code for risk in verdict.risks])
    session.wait("approval")
    return {"phase": "approve", "prompt": _approval(session, plan_hash, verdict.risks), "reply": {}}


def _findings(session: Session, plan_hash: str) -> tuple[Finding, ...]:
    """What the agents found about a plan, and what its planner said of it."""
    draft = session.archive.draft()
    drafted = draft.findings if draft and draft.plan and draft.plan.hash == plan_hash else ()
    return (*drafted, *(found for phase in PROVES for found in session.archive.findings(plan_hash, phase)))


def _approval(session: Session, plan_hash: str, risks: tuple[Finding, ...]) -> dict[str, Any]:
    plan = session.plan(plan_hash)
    loads = [{"target": x.target, "table": x.table, "mode": x.mode, "key": list(x.key)[:8]} for x in plan.loads[:8]]
    entries = [{"code": risk.code, "step": risk.step, "message": risk.message[:500]} for risk in risks]
    steps = sum(1 for _ in plan.steps())
    return prompt("approval", session.run_id, entries, plan_hash=plan_hash, steps=steps, loads=loads)


def _decide(session: Session, state: State) -> Update:
    """Take the decision up: run what was shown, prove an edited plan, or touch nothing."""
    reply = state["reply"]
    session.audit("decision", decision=reply.get("decision"), plan=state["plan_hash"])
    if reply.get("decision") == "reject":
        return {"phase": "finish", "status": "refused", "reply": {}, "prompt": {}}
    plan_hash = state["plan_hash"]
    session.archive.save_seen(found for found in _findings(session, plan_hash) if found.severity == "risk")
    if reply.get("plan"):
        edited = session.archive.save_plan(Plan.parse(reply["plan"]))
    else:
        edited = reply.get("plan_hash") or plan_hash
    session.working_with(edited)
    if edited == plan_hash:
        return {"phase": "read", "approved": plan_hash, "cursor": 0, "reply": {}, "prompt": {}}
    session.archive.save_edited(edited)
    return {"phase": PROVES[0], "plan_hash": edited, "approved": edited, "reply": {}, "prompt": {}}


def _finish(session: Session, state: State) -> Update:
    """Write the run's end down. Nothing follows."""
    status = state.get("status") or "succeeded"
    session.finish(status, state.get("plan_hash", ""), state.get("failure", "") if status == "failed" else "")
    return {"phase": DONE, "status": status, "prompt": {}, "reply": {}}
