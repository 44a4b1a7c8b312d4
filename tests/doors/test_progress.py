"""Live progress on a terminal and in plain lines."""

import io

from rich.console import Console

from agent_etl.engine.observe.events import Event, event
from agent_etl.progress import Progress

EVENTS: tuple[Event, ...] = (
    event("r-1", "run_started"),
    event("r-1", "survey_done", tables=2),
    event("r-1", "plan_drafted"),
    event("r-1", "task_started", "orders", task="extract"),
    event("r-1", "task_progress", "orders", rows=500),
    event("r-1", "task_done", "orders", task="extract", rows_out=1200, seconds=0.5),
    event("r-1", "task_started", "load_orders", task="load"),
    event("r-1", "task_failed", "load_orders", task="load", message="[red]The disk is full[/red]"),
)


def told(console: Console) -> str:
    planned: list[str] = []
    with Progress(console, on_plan=planned.append) as progress:
        for each in EVENTS:
            progress(each)
    assert progress.run_id == "r-1"
    assert planned == ["r-1"]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    """One line for each finished step with its rows, no control characters, no markup read from messages."""
    text = told(Console(file=io.StringIO(), width=20))
    assert "surveyed 2 tables\n" in text
    assert "done extract orders, 1,200 rows, 0.50 s\n" in text
    assert "[red]The disk is full[/red]" in text
    assert "\x1b" not in text


def test_a_terminal_shows_every_step_with_its_state() -> None:
    """The live table ends with the rows of what is done and the message of what failed."""
    text = told(Console(file=io.StringIO(), force_terminal=True, width=100))
    assert "✓" in text
    assert "1,200 rows" in text
    assert "The disk is full" in text


def test_a_phase_that_fails_is_told_in_words() -> None:
    """What fails before there are steps has no kind; its line has no gap for it."""
    console = Console(file=io.StringIO(), width=100)
    with Progress(console) as progress:
        progress(event("r-1", "task_failed", "survey", message="The server refused"))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().startswith("failed survey, ")
