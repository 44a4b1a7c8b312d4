"""The order of things: each phase is one node of one agent, and names what follows it."""

from typing import Final

__all__ = ["AGENT", "AGENTS", "DONE", "FIRST", "FOLLOWS", "INTERRUPTS", "PROVES", "phases_of"]

FIRST: Final = "accept"
DONE: Final = "done"
AGENTS: Final = ("orchestrator", "extract", "transform", "load", "monitor")
INTERRUPTS: Final = ("ask", "approve")

AGENT: Final = {
    "accept": "orchestrator",
    "survey": "extract",
    "draft": "orchestrator",
    "ask": "ask",
    "answer": "orchestrator",
    "prove_extract": "extract",
    "prove_transform": "transform",
    "prove_load": "load",
    "prove_monitor": "monitor",
    "judge": "orchestrator",
    "approve": "approve",
    "decide": "orchestrator",
    "read": "extract",
    "compute": "transform",
    "check": "monitor",
    "write": "load",
    "reconcile": "monitor",
    "repair": "orchestrator",
    "finish": "orchestrator",
}
"""Which agent's node does a phase. The names are persisted in paused runs: raise GRAPH_VERSION when one changes."""

FOLLOWS: Final = {
    "survey": "draft",
    "prove_extract": "prove_transform",
    "prove_transform": "prove_load",
    "prove_load": "prove_monitor",
    "prove_monitor": "judge",
    "read": "compute",
    "compute": "check",
    "check": "write",
    "write": "reconcile",
    "reconcile": "finish",
}
"""What follows when all went well; the orchestrator's own phases decide for themselves. A failure goes to `repair`."""

PROVES: Final = ("prove_extract", "prove_transform", "prove_load", "prove_monitor")


def phases_of(agent: str) -> tuple[str, ...]:
    """The phases that an agent's nodes do, in order."""
    return tuple(phase for phase, owner in AGENT.items() if owner == agent)
