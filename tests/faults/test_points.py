"""kill -9 at every fault point, over every kind of target and every mode: resumed, it is what one clean run makes."""

import pytest
from faults.points import POINTS, killed_at
from harness.oracle import faults_in, second_run_faults
from harness.pipelines import KINDS, MODES, Pipeline
from harness.rounds import Rounds

pytestmark = [pytest.mark.kill, pytest.mark.postgres]

# Each mode over each kind of target; the dearest two take turns between a sealed package and a stream.
CLEAN = [
    pytest.param(kind, mode, staged, id=f"{kind}-{mode}-{'staged' if staged else 'fused'}")
    for kind in KINDS
    for mode in MODES
    for staged in (True, False)
    if mode not in ("delete", "scd2") or staged == (kind in ("duckdb", "parquet"))
]


@pytest.mark.parametrize(("kind", "mode", "staged"), CLEAN)
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
    """Killed at this point and resumed, each kind of target equals the clean run's; the point was really reached."""
    # The modes take turns over the points; `make faults` plays every point, kind and mode.
    turn = sorted(POINTS).index(point)
    played = [killed_at(rounds, Pipeline(kind, MODES[(turn + i) % len(MODES)]), point) for i, kind in enumerate(KINDS)]
    assert [line for _, found in played for line in found] == []
    assert any(reached for reached, _ in played), f"no pipeline reaches the fault point {point}"
