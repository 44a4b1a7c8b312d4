"""The state stays small."""

from agent_etl.engine.tasks import Task
from agent_etl.graphs.state import PROMPT_BYTES, WAVE, prompt
from agent_etl.graphs.workers import next_wave


def test_a_prompt_fits_whatever_is_asked() -> None:
    """An interrupt shows whole entries up to its size and says how many more there are."""
    entries = [{"id": f"q{number}", "text": "x" * 500} for number in range(100)]
    shown = prompt("questions", "run", entries)
    assert len(repr(shown).encode()) < PROMPT_BYTES + 200
    assert len(shown["entries"]) + shown["more"] == 100
    assert shown["entries"] == entries[: len(shown["entries"])] != []


def test_a_wave_is_bounded_and_waits_for_what_it_needs() -> None:
    """A fan-out starts at most WAVE tasks, and none before what it reads."""
    wide = [Task("transform", f"t{number}") for number in range(3 * WAVE)]
    assert len(next_wave(wide, 0)) == WAVE
    chain = [Task("transform", "a"), Task("transform", "b"), Task("transform", "c", ("a", "x")), Task("transform", "d")]
    assert [task.name for task in next_wave(chain, 0)] == ["a", "b"]
    assert [task.name for task in next_wave(chain, 2)] == ["c", "d"]
    assert next_wave(chain, 4) == ()


def test_waves_reach_every_task_once() -> None:
    """Whatever the needs, the waves cover all tasks in order, each once."""
    tasks = [Task("transform", f"t{n}", (f"t{n - 3}",) if n % 5 == 0 and n >= 3 else ()) for n in range(200)]
    seen: list[str] = []
    while wave := next_wave(tasks, len(seen)):
        assert all(name in seen for task in wave for name in task.needs)
        seen += [task.name for task in wave]
    assert seen == [task.name for task in tasks]
