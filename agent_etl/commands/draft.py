"""`agent-etl plan`: a goal's plan as YAML, and nothing run."""

import sys
from collections.abc import Iterable
from pathlib import Path

from agent_etl import plan_pipeline
from agent_etl.agents.planner import PlanDraft
from agent_etl.arguments import goal_or_plan, pairs
from agent_etl.display import consoles, finding_line, question_view, refusal_view
from agent_etl.drawing import clauses_view
from agent_etl.exits import Exit
from agent_etl.records import draft_record, print_json

__all__ = ["plan"]


def plan(
    goal: str, connections: Iterable[str], answers: Iterable[str], home: Path | None, *, json: bool, quiet: bool
) -> Exit:
    """Plan the goal. The YAML goes to stdout, everything said about it to stderr.

    Side effects: reads the sources; writes nothing but the home folder's own records.
    """
    draft = plan_pipeline(
        goal_or_plan(goal),
        connections=pairs("--connection", connections),
        answers=pairs("--answer", answers),
        home=home,
    )
    if json:
        print_json(draft_record(draft))
    else:
        _show(draft, quiet=quiet)
    return _exit(draft)


def _show(draft: PlanDraft, *, quiet: bool) -> None:
    _, talk = consoles(silent=quiet)
    _, loud = consoles()
    for line in draft.echo:
        talk.print(line, markup=False, style="dim", soft_wrap=True)
    if draft.clauses:
        talk.print(clauses_view(draft))
    for question in draft.questions:
        loud.print(question_view(question))
    for refusal in draft.refusals:
        loud.print(refusal_view(refusal))
    for finding in draft.findings:
        (loud if finding.severity == "error" else talk).print(finding_line(finding), soft_wrap=True)
    if draft.questions:
        loud.print(f"answer with --answer {draft.questions[0].id}=VALUE", markup=False, soft_wrap=True)
    if draft.plan is not None:
        sys.stdout.write(draft.plan.to_yaml())


def _exit(draft: PlanDraft) -> Exit:
    if draft.refusals:
        return Exit.REFUSED
    if draft.questions:
        return Exit.WAITING
    failed = draft.plan is None or any(finding.severity == "error" for finding in draft.findings)
    return Exit.FAILED if failed else Exit.SUCCEEDED
