"""A run in a notebook while it happens: `run_pipeline(goal, on_event=LiveView())`.

Its outcome shows itself: a `Run` as a cell's last value is drawn as HTML.
"""

import threading
import time
from html import escape
from typing import Any

from IPython.display import HTML, display

from agent_etl.board import Board, Line, sentence
from agent_etl.engine.observe.events import Event
from agent_etl.graphs.report import duration

__all__ = ["LiveView"]

_MARKS = {"running": "…", "done": "✓", "reused": "=", "failed": "✗"}
_BETWEEN_UPDATES = 0.2


class LiveView:
    """A consumer of events that keeps one output of the current cell up to date; thread-safe.

    Needs IPython (`pip install 'agent-etl[notebooks]'`). Text of events is escaped.
    """

    def __init__(self) -> None:
        self._board = Board()
        self._said: list[str] = []
        self._lock = threading.Lock()
        self._handle: Any = None
        self._shown = 0.0

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            line = self._board.take(event)
            if line is None:
                self._said += [said] if (said := sentence(event)) else []
            now = time.monotonic()
            if event.kind == "task_progress" and now - self._shown < _BETWEEN_UPDATES:
                return
            self._shown = now
            self._show()

    def _show(self) -> None:
        content = HTML(self.html())  # type: ignore[no-untyped-call]
        if self._handle is None:
            self._handle = display(content, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content)

    def html(self) -> str:
        """What is shown now."""
        said = "<br>".join(escape(line) for line in self._said)
        rows = "".join(_row(step, line) for step, line in self._board.lines.items())
        return f'<div class="agent-etl-live"><small>{said}</small><table>{rows}</table></div>'


def _row(step: str, line: Line) -> str:
    rows = f"{line.rows:,} rows" if line.rows is not None else ""
    spent = duration(line.spent) if line.seconds is not None else ""
    cells = (_MARKS[line.state], line.kind, step, rows, spent, line.note)
    return "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in cells) + "</tr>"
