"""kill -9 at every fault point, over every kind of target and every mode: resumed, it is what one clean run makes."""

import pytest
from harness.kill import resume_until_done
from harness.oracle import faults_in, second_run_faults, settled_faults
from harness.pipelines import KINDS, MODES, Pipeline
from harness.rounds import Rounds

from agent_etl.engine.faults import POINTS

pytestmark = [pytest.mark.kill, pytest.mark.postgres]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("staged", [True, False], ids=["staged", "fused"])
def test_a_clean_run_is_what_the_oracle_says(rounds: Rounds, kind: str, mode: str, staged: bool) -> None:
    """Without any fault the invariants hold, and a second run over the same files changes nothing."""
    pipeline = Pipeline(kind, mode, staged)
    with rounds.world(pipeline) as world:
        outcome = rounds.nursery.finish(world.job())
        assert outcome.status == "succeeded", outcome.error
        assert faults_in(pipeline, world.folder, world.pg_url) == []
        assert second_run_faults(pipeline, rounds.nursery, world.folder, world.pg_url) == []


@pytest.mark.parametrize("point", sorted(POINTS))
def test_a_kill_at_a_fault_point_leaves_what_one_clean_run_makes(rounds: Rounds, point: str) -> None:
    """Killed at this point and resumed, the target equals the clean run's; the point was really reached."""
    reached, wrong = 0, []
    for kind in KINDS:
        for mode in MODES:
            pipeline = Pipeline(kind, mode)
            with rounds.world(pipeline) as world:
                killed = rounds.nursery.finish(world.job(fault=f"{point}:1:kill"))
                reached += killed.signal == 9
                outcome = resume_until_done(rounds.nursery, world.job())
                found = settled_faults(pipeline, rounds.nursery, world.folder, world.pg_url)
                if outcome.status != "succeeded":
                    found.append(f"I8 resumed as {outcome.status} {outcome.error}")
                wrong += [f"{kind} {mode}: {line}" for line in found]
    assert wrong == []
    assert reached, f"no pipeline reaches the fault point {point}"
