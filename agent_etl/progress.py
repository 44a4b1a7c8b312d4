"""A run's events while they happen: a live table on a terminal, plain lines anywhere else."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agent_etl.board import Board, Line, sentence
from agent_etl.engine.observe.events import Event
from agent_etl.graphs.report import duration

__all__ = ["Progress"]

_MARKS = {"done": ("✓", "green"), "reused": ("=", "cyan"), "failed": ("✗", "red")}


class Progress:
    """A consumer of events (`on_event=progress`), thread-safe. Use it as a context manager around the run.

    `run_id` is the run's id once its first event came. `on_plan` is called with it when a plan has been drafted.
    """

    def __init__(self, console: Console, *, on_plan: Callable[[str], None] | None = None) -> None:
        self.run_id: str | None = None
        self._console = console
        self._on_plan = on_plan
        self._board = Board()
        self._spinner = Spinner("dots", style="yellow")
        self._lock = threading.RLock()
        live = console.is_terminal and not console.quiet
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8) if live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self.run_id = event.run_id
        with self._lock:
            line = self._board.take(event)
        if line is None:
            self._say(event)
        elif line.seconds is not None and self._live is None:
            self._console.print(_plain(event.step, line), markup=False, soft_wrap=True)

    def _say(self, event: Event) -> None:
        said = sentence(event)
        if said:
            self._console.print(said, style="dim", markup=False, soft_wrap=True)
        if event.kind == "plan_drafted" and self._on_plan is not None:
            self._on_plan(event.run_id)

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for step, line in self._board.lines.items():
                mark, style = _MARKS.get(line.state, ("", ""))
                table.add_row(
                    Text(mark, style) if mark else self._spinner,
                    Text(line.kind, "dim"),
                    Text(step, "bold"),
                    Text(f"{line.rows:,} rows" if line.rows is not None else "", justify="right"),
                    Text(duration(line.spent), "dim", justify="right"),
                    Text(line.note, style or "dim"),
                )
        return table


def _plain(step: str, line: Line) -> str:
    rows = f", {line.rows:,} rows" if line.rows is not None else ""
    note = f": {line.note}" if line.note else ""
    what = " ".join(part for part in (line.state, line.kind, step) if part)
    return f"{what}{rows}, {duration(line.spent)}{note}"
