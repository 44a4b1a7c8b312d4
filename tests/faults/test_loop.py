"""The short form of `make faults`."""

import random

import pytest
from faults.loop import Loop
from harness.rounds import Rounds

pytestmark = [pytest.mark.kill, pytest.mark.postgres]


def test_kills_at_random_moments_leave_what_one_clean_run_makes(rounds: Rounds) -> None:
    """Twelve rounds over the targets and modes, killed at random moments and resumed, equal the clean run's."""
    seed = random.SystemRandom().randrange(10**9)
    loop = Loop(rounds, seed)
    start = seed % 24
    wrong = [
        f"SEED={seed} round {number} {pipeline}: {found}"
        for number in range(start, start + 12)
        for pipeline, _, found in [loop.play(number)]
        if found
    ]
    assert wrong == []
