"""Kills at a fault point, resumed and judged."""

import itertools

from harness.kill import resume_until_done
from harness.oracle import settled_faults
from harness.pipelines import Pipeline
from harness.rounds import Rounds

from agent_etl.engine import faults

__all__ = ["POINTS", "killed_at", "killed_at_each"]

POINTS = faults.POINTS - {"backfill.chunk"}
"""The fault points that every pipeline reaches; test_incremental.py plays the one between a backfill's chunks."""


def killed_at(rounds: Rounds, pipeline: Pipeline, point: str, hit: int = 1) -> tuple[bool, list[str]]:
    """Kill a run at the point's n-th hit and resume it: whether it was reached, and what is wrong afterwards."""
    with rounds.world(pipeline) as world:
        killed = rounds.nursery.finish(world.job(fault=f"{point}:{hit}:kill"))
        outcome = resume_until_done(rounds.nursery, world.job())
        found = settled_faults(pipeline, rounds.nursery, world.folder, world.pg_url)
    if outcome.status != "succeeded":
        found.append(f"I8 resumed as {outcome.status} {outcome.error}")
    return killed.signal == 9, [f"{point}:{hit} {pipeline.kind} {pipeline.mode}: {line}" for line in found]


def killed_at_each(rounds: Rounds, pipeline: Pipeline, point: str, *, step: int = 1) -> tuple[int, list[str]]:
    """Kill runs at every `step`-th hit of the point until a run ends before: how many were killed, what is wrong."""
    found: list[str] = []
    for killed, hit in enumerate(itertools.count(1, step)):
        reached, wrong = killed_at(rounds, pipeline, point, hit)
        if not reached:
            return killed, found
        found += wrong
    raise AssertionError("a run hits a point without end")
