"""`make faults`: kill -9 at every fault point and at random moments, resume (killing the resumer too), compare.

First each fault point over each kind of target and mode, then ROUNDS rounds at random moments. SEED and ROUNDS come
from the environment; the seed is printed, so a failure can be played again. Ends with 1 when one round's target is not
what one clean run makes.
"""

import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.points import POINTS, killed_at, killed_at_each
from harness.kill import Nursery, Outcome, resume_until_done
from harness.mariadb import MariadbServer
from harness.oracle import settled_faults
from harness.pipelines import KINDS, MODES, Pipeline
from harness.postgres import PostgresServer
from harness.rounds import Rounds, World

__all__ = ["Loop", "main"]

_ROWS = 3000
_RESUMES_KILLED = 2


class Loop:
    """Rounds of one seed. `play` runs one of them."""

    def __init__(self, rounds: Rounds, seed: int) -> None:
        self._rounds = rounds
        self._chance = random.Random(seed)
        self._span: dict[tuple[str, bool], float] = {}

    def play(self, number: int) -> tuple[Pipeline, int, list[str]]:
        """One round: the pipeline, how many processes were killed alive, and what is wrong afterwards."""
        kinds = [(kind, mode, staged) for kind in KINDS for mode in MODES for staged in (True, False)]
        kind, mode, staged = kinds[number % len(kinds)]
        pipeline = Pipeline(kind, mode, staged, rows=_ROWS)
        span = self._clean_span(pipeline)
        kills = 0
        with self._rounds.world(pipeline) as world:
            for attempt in range(1 + self._chance.randrange(_RESUMES_KILLED + 1)):
                outcome = self._interrupted(world, self._chance.uniform(0, span), resume=attempt > 0)
                kills += outcome.signal == 9
            outcome = resume_until_done(self._rounds.nursery, world.job())
            found = settled_faults(pipeline, self._rounds.nursery, world.folder, world.pg_url)
        if outcome.status != "succeeded":
            found.append(f"I8 resumed as {outcome.status} {outcome.error}")
        return pipeline, kills, found

    def _interrupted(self, world: World, after: float, *, resume: bool) -> Outcome:
        process = self._rounds.nursery.start(world.job(resume=resume))
        time.sleep(after)
        process.kill()
        return process.wait()

    def _clean_span(self, pipeline: Pipeline) -> float:
        """How long one clean run takes, measured once for a kind of target: kills fall anywhere in it."""
        kind = (pipeline.kind, pipeline.staged)
        if kind not in self._span:
            with self._rounds.world(pipeline) as world:
                began = time.monotonic()
                self._rounds.nursery.finish(world.job())
                self._span[kind] = time.monotonic() - began
        return self._span[kind]


def _play_points(rounds: Rounds) -> int:
    """Every fault point, kind and mode; how many targets are wrong, or points never reached."""
    wrong = 0
    for point in sorted(POINTS):
        played = [killed_at(rounds, Pipeline(kind, mode), point) for kind in KINDS for mode in MODES]
        lines = [line for _, found in played for line in found]
        if not any(reached for reached, _ in played):
            lines.append(f"{point}: never reached")
        wrong += len(lines)
        print(f"{point}: killed {sum(reached for reached, _ in played)} of {len(played)} runs", *lines, sep="\n  ")
    for point in ("checkpoint.saved", "checkpoint.written"):
        killed, lines = killed_at_each(rounds, Pipeline("sqlite", "append"), point)
        wrong += len(lines)
        print(f"{point}: killed at each of {killed} hits", *lines, sep="\n  ")
    return wrong


def main() -> int:
    """Play the rounds and print each; 1 when any target is wrong."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**9))
    count = int(os.environ.get("ROUNDS") or 200)
    print(f"SEED={seed} ROUNDS={count}", flush=True)
    server = PostgresServer.start()
    mariadb = MariadbServer.start()
    equal, killed, wrong, began = 0, 0, 0, time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="agent-etl-faults-") as folder, Nursery() as nursery:
            rounds = Rounds(nursery, server, mariadb, Path(folder))
            wrong = _play_points(rounds)
            loop, began = Loop(rounds, seed), time.monotonic()
            for number in range(count):
                pipeline, kills, found = loop.play(number)
                equal, killed = equal + (not found), killed + kills
                if (number + 1) % 20 == 0:
                    print(f"{equal}/{number + 1} after {time.monotonic() - began:.0f} s", flush=True)
                for line in found:
                    print(f"round {number} {pipeline}: {line}", flush=True)
    finally:
        server.stop()
        mariadb.stop()
    spent = time.monotonic() - began
    print(f"{equal}/{count} equal to the clean run, {killed} processes killed, {spent:.0f} s, SEED={seed}")
    return int(equal != count or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
