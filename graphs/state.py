"""The pipeline's state: ids, hashes, counters and small JSON; the same few kilobytes for three tasks or three thousand.

Plans, drafts, answers, findings and task results live in the run store; rows live in staged files and targets.
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from typing_extensions import TypedDict

__all__ = [
    "GRAPH_VERSION",
    "PROMPT_BYTES",
    "WAVE",
    "Branch",
    "Goal",
    "State",
    "Wave",
    "prompt",
]

GRAPH_VERSION = 1
"""Changes whenever a node is renamed or removed: a thread paused by another version must not be continued silently."""

WAVE = 32
"""How many tasks one fan-out starts at most: it bounds what a checkpoint holds, whatever the plan's size."""

PROMPT_BYTES = 6_000
"""The most that an interrupt shows; the rest is in the run store, under the run's id."""


class Goal(TypedDict, total=False):
    """What starts a run: a goal in words, or the id of a run that the store already knows."""

    goal: str
    approve: str
    answers: dict[str, str]
    run_id: str


class State(Goal, total=False):
    """What the parent graph and its agents share. `phase` names the next thing to do; see `graphs.phases`."""

    graph_version: int
    phase: str
    plan_hash: str
    approved: str
    cursor: int
    attempts: dict[str, int]
    failure: str
    origin: str
    prompt: dict[str, Any]
    reply: dict[str, Any]
    status: str


class Wave(State, total=False):
    """An agent's own state while its tasks run: the ids of failures, collected from parallel branches."""

    failed: Annotated[list[str], operator.add]


class Branch(TypedDict):
    """What one parallel branch is told: the run, the plan and the one step that it runs."""

    run_id: str
    plan_hash: str
    step: str


def prompt(kind: str, run_id: str, entries: Sequence[Mapping[str, Any]], **fields: Any) -> dict[str, Any]:
    """What an interrupt shows: as many whole entries as fit into PROMPT_BYTES, and how many more the store holds."""
    shown: list[Mapping[str, Any]] = []
    room = PROMPT_BYTES - len(repr(fields).encode())
    for entry in entries:
        room -= len(repr(entry).encode())
        if room < 0:
            break
        shown.append(entry)
    more = len(entries) - len(shown)
    return {"kind": kind, "run_id": run_id, **fields, "entries": [dict(entry) for entry in shown], "more": more}
