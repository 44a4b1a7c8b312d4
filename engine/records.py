"""What the run store gives: rows as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agent_etl.engine.tasks import StepFailure, TaskResult

__all__ = ["AuditRecord", "LoadRecord", "RunRecord", "TaskRecord"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. Times are ISO 8601 in UTC. `request` is what it was started with, `fields` what was learnt since."""

    run_id: str
    goal: str
    status: str
    created_at: str
    updated_at: str
    request: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """The newest outcome of one step: its `result` when it is done, its `failure` when it failed."""

    step: str
    kind: str
    status: Literal["done", "failed"]
    at: str
    result: TaskResult | None = None
    failure: StepFailure | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One row of the append-only audit: who did what, in the order of `number`."""

    number: int
    run_id: str
    at: str
    actor: str
    action: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """The mirror of one committed load. `target` is the connection's redacted URL; `reconciled`: its counts agreed."""

    run_id: str
    step: str
    target: str
    table: str
    mode: str
    load_id: str
    rows: int
    epoch: int
    at: str
    reconciled: bool
