"""Tasks: the units that run, their addresses and their results."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from agent_etl.engine.errors import AgentEtlError, Transient

__all__ = ["StepFailure", "Task", "TaskResult", "fingerprint"]


def fingerprint(*parts: object) -> str:
    """The address of what these JSON-able parts make: 32 hex digits of SHA-256 over their canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Task:
    """One step of a plan to run: `kind` and `name` say which, `needs` the steps whose output it reads."""

    kind: Literal["extract", "transform", "load", "check"]
    name: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A failure as a value: small, JSON-able, without rows or secrets.

    `code` and `message` are the error's, `fields` its structured fields, `transient` says that the same call may
    succeed later. `fingerprint` is equal for the same failure of the same step.
    """

    step: str
    kind: str
    code: str
    message: str
    hint: str = ""
    transient: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, step: str, kind: str, error: AgentEtlError) -> Self:
        """The error as a value, with its listed fields alone; what JSON has no word for becomes text."""
        fields = {name: _small(value) for name, value in error.fields.items()}
        return cls(step, kind, error.code, error.message, error.hint, isinstance(error, Transient), fields)

    @property
    def fingerprint(self) -> str:
        """Equal for the same failure of the same step."""
        return fingerprint(self.step, self.code, dict(self.fields))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able fields."""
        return {**asdict(self), "fields": dict(self.fields)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of to_dict."""
        return cls(**values)


def _small(value: object) -> object:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): _small(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_small(entry) for entry in value]
    return str(value)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one task did. Rows: `rows_in` = `rows_out` + `filtered` + `quarantined` for extracts and loads.

    `reused`: the output was there already and nothing was done. `seconds` is wall time. `detail` is small JSON
    (target, mode, marker, files; for fused loads `fused: true`).
    """

    step: str
    kind: str
    fingerprint: str
    rows_in: int = 0
    rows_out: int = 0
    filtered: int = 0
    quarantined: int = 0
    reused: bool = False
    seconds: float = 0.0
    detail: Mapping[str, Any] = field(default_factory=dict)
