"""Where a run stands, as its events tell it: one line a step, and sentences."""

import time
from dataclasses import dataclass, field
from typing import Literal

from agent_etl.engine.observe.events import Event

__all__ = ["Board", "Line", "sentence"]


@dataclass
class Line:
    """One step: what it is, how far it got, how long it took. `seconds` is None while it runs."""

    kind: str
    state: Literal["running", "done", "reused", "failed"] = "running"
    rows: int | None = None
    seconds: float | None = None
    note: str = ""
    began: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds until now, or until it ended."""
        return time.monotonic() - self.began if self.seconds is None else self.seconds


class Board:
    """The steps of a run in the order in which they began."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}

    def take(self, event: Event) -> Line | None:
        """Note an event; gives the step's line when the event is about a task, else None."""
        if not event.kind.startswith("task_"):
            return None
        fields = event.fields
        if event.kind == "task_started" or event.step not in self.lines:
            self.lines[event.step] = Line(str(fields.get("task", "")))
        line = self.lines[event.step]
        rows = fields.get("rows_out", fields.get("rows"))
        line.rows = rows if isinstance(rows, int) else line.rows
        if "retry" in fields:
            line.note = f"trying again: {fields.get('code', '')}"
        if event.kind == "task_done":
            line.state = "reused" if fields.get("reused") else "done"
            line.note = "already there" if fields.get("reused") else ""
            if fields.get("fused") and line.kind == "extract":
                line.rows, line.note = None, "streams into its load"
        elif event.kind == "task_failed":
            line.state, line.note = "failed", str(fields.get("message", ""))
        if event.kind in ("task_done", "task_failed"):
            seconds = fields.get("seconds")
            line.seconds = float(seconds) if isinstance(seconds, int | float) else line.spent
        return line


def sentence(event: Event) -> str:
    """What an event that is about no task says to a person; empty when it says nothing new."""
    fields = event.fields
    match event.kind:
        case "run_started":
            return f"run {event.run_id}"
        case "survey_done":
            return f"surveyed {fields.get('tables', 0)} tables"
        case "plan_drafted":
            return "planned"
        case "finding":
            return f"{fields.get('severity', 'note')}: {event.step or 'plan'}: {fields.get('message', '')}"
        case "repair":
            return f"correcting {event.step}: {fields.get('label', '')}"
        case _:
            return ""
