"""One kill at one fault point, resumed and judged."""

from harness.kill import resume_until_done
from harness.oracle import settled_faults
from harness.pipelines import Pipeline
from harness.rounds import Rounds

__all__ = ["killed_at"]


def killed_at(rounds: Rounds, pipeline: Pipeline, point: str) -> tuple[bool, list[str]]:
    """Kill a run of the pipeline at the point and resume it: whether it was reached, and what is wrong afterwards."""
    with rounds.world(pipeline) as world:
        killed = rounds.nursery.finish(world.job(fault=f"{point}:1:kill"))
        outcome = resume_until_done(rounds.nursery, world.job())
        found = settled_faults(pipeline, rounds.nursery, world.folder, world.pg_url)
    if outcome.status != "succeeded":
        found.append(f"I8 resumed as {outcome.status} {outcome.error}")
    return killed.signal == 9, [f"{point} {pipeline.kind} {pipeline.mode}: {line}" for line in found]
