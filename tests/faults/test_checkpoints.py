"""kill -9 right after the commits of the graph's own checkpoints: the run goes on where it stood."""

import pytest
from faults.points import killed_at_each
from harness.pipelines import Pipeline
from harness.rounds import Rounds

pytestmark = pytest.mark.kill


@pytest.mark.parametrize(("point", "step"), [("checkpoint.saved", 5), ("checkpoint.written", 2)])
def test_a_kill_after_a_checkpoint_leaves_what_one_clean_run_makes(rounds: Rounds, point: str, step: int) -> None:
    """However many checkpoints were written when the process was killed, the resumed run ends as a clean one."""
    reached, found = killed_at_each(rounds, Pipeline("sqlite", "append"), point, step=step)
    assert found == []
    assert reached > 4
