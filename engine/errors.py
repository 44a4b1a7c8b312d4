"""Every error of the house.

AgentEtlError
├── Terminal                    the same call would fail again
│   ├── UsageError              the caller's input is wrong
│   │   ├── SettingsError
│   │   └── UnknownRun
│   ├── PlanError               a plan that cannot be read, or that does not hold
│   ├── SourceError             a source is missing or is not what it was
│   │   ├── NotFound
│   │   ├── ReadError           bytes that are not what the read options say
│   │   └── SchemaChanged
│   ├── TargetError             a target that cannot take the data
│   │   └── TargetSchemaMismatch
│   ├── ComputationFailed       a step's SQL that some row does not let through
│   ├── CheckFailed             a check or the reconciliation says no
│   ├── GuardError              SQL outside the allowed language
│   ├── Corrupt                 staged bytes are not those that were sealed
│   ├── DiskFull
│   ├── OutOfMemory             neither memory_limit nor the spill space was enough
│   ├── StaleRun                another run has taken over
│   ├── DataLoss                a target lacks what was committed there
│   └── DeadRun                 a run that ended by a crash each time it was resumed
└── Transient                   the same call may succeed later
    ├── ConnectionLost
    ├── Busy                    somebody else holds the lock
    └── OutcomeUnknown          a commit whose reply was lost: read the marker before anything else

An error carries a stable `code` (its class name in snake case), a constant `message`, structured `fields` (the
only part that is logged besides the code) and a `hint`: the next thing to do, by default its class's `advice`.
"""

import re
from typing import Any, ClassVar

__all__ = [
    "AgentEtlError",
    "Busy",
    "CheckFailed",
    "ComputationFailed",
    "ConnectionLost",
    "Corrupt",
    "DataLoss",
    "DeadRun",
    "DiskFull",
    "GuardError",
    "NotFound",
    "OutOfMemory",
    "OutcomeUnknown",
    "PlanError",
    "ReadError",
    "SchemaChanged",
    "SettingsError",
    "SourceError",
    "StaleRun",
    "TargetError",
    "TargetSchemaMismatch",
    "Terminal",
    "Transient",
    "UnknownRun",
    "UsageError",
]


class AgentEtlError(Exception):
    """The root: `str()` gives message, fields and hint in one line; never a secret, never a row."""

    code: ClassVar[str] = "agent_etl_error"
    advice: ClassVar[str] = "agent-etl doctor looks for what is wrong"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, message: str, *, hint: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.advice
        self.fields: dict[str, Any] = fields

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return " ".join(
            part
            for part in (self.message, f"({fields})" if fields else "", f"→ {self.hint}" if self.hint else "")
            if part
        )


class Terminal(AgentEtlError):
    """The same call would fail again."""


class Transient(AgentEtlError):
    """The same call may succeed later."""

    advice = "resume the run, or try again"


class UsageError(Terminal):
    """The caller's input is wrong."""

    advice = "agent-etl --help shows what is valid"


class SettingsError(UsageError):
    """A setting, a connection or a secret reference is wrong or missing."""

    advice = "correct it in agent_etl.toml, --connection or AGENT_ETL_*; agent-etl doctor tries every connection"


class UnknownRun(UsageError):
    """No run of that id lives in this home."""

    advice = "agent-etl runs lists the runs of this home"


class PlanError(Terminal):
    """A plan that cannot be read, or that does not hold. Fields: step, field."""

    advice = "correct the plan and run it again"


class SourceError(Terminal):
    """A source is missing or is not what it was. Fields: connection, dataset."""

    advice = "agent-etl inspect SOURCE shows what is there"


class NotFound(SourceError):
    """A file, table or connection that is not there."""


class ReadError(SourceError):
    """Bytes that are not what the read options say. Fields: dataset, column, line, type, found type."""

    advice = "mend the data or state its read options in the plan, then try again"


class SchemaChanged(SourceError):
    """A column that the plan needs is gone or has another type. Fields: dataset, column, candidates."""

    advice = "agent-etl inspect SOURCE shows its columns; correct the plan and run it again"


class TargetError(Terminal):
    """A target that cannot take the data. Fields: target, table."""

    advice = "correct the target or the plan, then try again"


class TargetSchemaMismatch(TargetError):
    """The target's columns differ from the data's. Fields: missing, extra, differing."""


class ComputationFailed(Terminal):
    """A step's SQL that some row does not let through. Fields: step, field, column, type, problem."""

    advice = "correct the step's SQL and run the plan again"


class CheckFailed(Terminal):
    """A check or the reconciliation says no. Fields: check, expected, found."""

    advice = "look at the rows that the check is about, then try again"


class GuardError(Terminal):
    """SQL outside the allowed language. Fields: step, construct."""

    advice = "write one SELECT over the names of earlier steps"


class Corrupt(Terminal):
    """Staged bytes are not those that were sealed. Fields: path, expected, found."""

    advice = "start a new run"


class DiskFull(Terminal):
    """No room left. Fields: path."""

    advice = "free space and resume the run"


class OutOfMemory(Terminal):
    """Neither memory_limit nor the spill space was enough. Fields: step."""

    advice = "raise memory_limit or free disk space for its spill files, then resume the run"


class StaleRun(Terminal):
    """Another run has taken over this one's work. Fields: target, epoch, newest."""

    advice = "agent-etl runs lists the run that took over"


class DataLoss(Terminal):
    """A target lacks what was committed there. Fields: target, table, loads, runs, rows."""

    advice = "agent-etl doctor shows what was lost"


class DeadRun(Terminal):
    """A run that ended by a crash each time it was resumed. Fields: run, recoveries."""

    advice = "mend what ends it, then resume it with --force"


class ConnectionLost(Transient):
    """A connection that was refused, reset or timed out. Fields: connection."""

    advice = (
        "see that the server runs and that its URL is right (agent-etl doctor tries every connection), then try again"
    )


class Busy(Transient):
    """Somebody else holds the lock. Fields: holder."""

    advice = "wait for the other, then try again"


class OutcomeUnknown(Transient):
    """A commit whose reply was lost: a new connection must read the marker before anything else."""

    advice = "resume the run: it reads the marker first"
