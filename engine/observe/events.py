"""Events: what a run tells while it works."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, Self, get_args

__all__ = ["KINDS", "Event", "Kind", "OnEvent", "event"]

Kind = Literal[
    "run_started",
    "survey_done",
    "plan_drafted",
    "question_asked",
    "approval_asked",
    "finding",
    "task_started",
    "task_progress",
    "task_done",
    "task_failed",
    "repair",
    "run_done",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a run. `at` is UTC; `step` is empty when no step is meant.

    `fields` are small and JSON-able: counts, names, codes; never rows or secrets.
    """

    run_id: str
    at: datetime
    kind: Kind
    step: str = ""
    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able fields."""
        return {
            "run_id": self.run_id,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "step": self.step,
            "fields": dict(self.fields),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of to_dict."""
        return cls(
            run_id=values["run_id"],
            at=datetime.fromisoformat(values["at"]),
            kind=values["kind"],
            step=values.get("step", ""),
            fields=dict(values.get("fields", {})),
        )


OnEvent = Callable[[Event], None]
"""Who listens to events."""


def event(run_id: str, kind: Kind, step: str = "", /, **fields: Any) -> Event:
    """An event that happens now."""
    return Event(run_id, datetime.now(UTC), kind, step, fields)
