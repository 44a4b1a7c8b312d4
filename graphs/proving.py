"""Which agent proves which part of a plan."""

from collections.abc import Callable
from typing import Final

from agent_etl.agents import extract, load, monitor, transform
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Plan

__all__ = ["PROOFS", "prove"]

PROOFS: Final[dict[str, Callable[[Plan, Workbench], tuple[Finding, ...]]]] = {
    "prove_extract": extract.prove,
    "prove_transform": transform.prove,
    "prove_load": load.prove,
    "prove_monitor": monitor.prove,
}
"""The proof of each proving phase, in their order."""


def prove(plan: Plan, bench: Workbench) -> tuple[Finding, ...]:
    """What all agents find about a plan. Side effects: reads the sources and targets."""
    return tuple(found for proof in PROOFS.values() for found in proof(plan, bench))
