"""What machines read: one JSON object a command."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_etl.agents.planner import PlanDraft

__all__ = ["draft_record", "print_json"]


def print_json(record: Mapping[str, Any]) -> None:
    """Write the record as one object to stdout. A file's name that is no text becomes an escape that JSON reads."""
    text = json.dumps(record, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")


def draft_record(draft: "PlanDraft") -> dict[str, Any]:
    """A planner's draft as JSON-able fields; `plan` is null when something is asked or refused."""
    plan = draft.plan
    return {
        "goal": draft.goal,
        "plan": plan.model_dump(mode="json", by_alias=True, exclude_defaults=True) if plan else None,
        "plan_hash": plan.hash if plan else None,
        "clauses": [asdict(clause) for clause in draft.clauses],
        "questions": [asdict(question) for question in draft.questions],
        "refusals": [asdict(refusal) for refusal in draft.refusals],
        "findings": [{**asdict(finding), "evidence": dict(finding.evidence)} for finding in draft.findings],
        "echo": list(draft.echo),
    }
