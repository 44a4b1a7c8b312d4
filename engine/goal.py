"""A goal's accounting: what each span of its words became."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Clause", "Finding", "Option", "Question", "Refusal"]


@dataclass(frozen=True, slots=True)
class Clause:
    """Words `goal[start:end]` and the names of the steps that serve them. No steps: asked about or refused."""

    start: int
    end: int
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One grounded answer: `value` is what an answer says, `label` what a person reads."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Question:
    """What must be known before a plan can be right.

    `id` is stable: the same goal over the same catalogue asks under the same id. `span` is `(start, end)` into the
    goal and `quote` its words; `options` are the grounded answers; `free` says that another text is an answer too.
    """

    id: str
    text: str
    quote: str
    span: tuple[int, int]
    options: tuple[Option, ...] = ()
    free: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Words that cannot become a pipeline, and why."""

    quote: str
    span: tuple[int, int]
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of a check about a plan. `error` stops it; `risk` asks for approval; `note` is shown.

    `code` is stable (`unknown_column`, `fan_out`, `merge_key_not_unique`, …); `step` and `field` say where;
    `evidence` holds counts and names, never rows; `hint` is the next thing to do.
    """

    severity: Literal["error", "risk", "note"]
    code: str
    step: str
    message: str
    hint: str = ""
    field: str = ""
    evidence: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        where = f"{self.step}: " if self.step else ""
        return f"{where}{self.message}" + (f" → {self.hint}" if self.hint else "")
