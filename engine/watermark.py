"""Watermarks: how far an incremental extract has come, as exact text that a target keeps beside its rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

__all__ = ["Advance", "Family", "Watermark", "Within", "decoded", "encoded", "family"]

Family = Literal["number", "time", "instant", "text"]

_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_UNSIGNED = frozenset(f"U{name}" for name in _INTEGERS)
_TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"})


def family(type_name: str) -> Family | None:
    """What can be compared and reckoned with a column of that type as a cursor; None: it cannot be one."""
    head = type_name.partition("(")[0].strip().upper()
    if head in _INTEGERS | _UNSIGNED or head == "DECIMAL":
        return "number"
    if head in _TIMES:
        return "time"
    if head in {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"}:
        return "instant"
    return "text" if head == "VARCHAR" else None


@dataclass(frozen=True, slots=True)
class Watermark:
    """One value of a cursor column: DuckDB's own text of it, and its logical type (empty: that of the column)."""

    type: str
    text: str

    @property
    def sql(self) -> str:
        """The value as DuckDB SQL."""
        text = self.text.replace("'", "''")
        return f"CAST('{text}' AS {self.type})"

    def to_json(self) -> list[str]:
        """The JSON-able pair of type and text."""
        return [self.type, self.text]

    @classmethod
    def of(cls, pair: list[str]) -> Self:
        """The inverse of to_json."""
        return cls(pair[0], pair[1])


@dataclass(frozen=True, slots=True)
class Within:
    """Rows to read: `floor` <= column < `ceiling`, where there are such; rows without a value only where `nulls`."""

    column: str
    floor: Watermark | None
    ceiling: Watermark | None
    nulls: bool


@dataclass(frozen=True, slots=True)
class Advance:
    """How far one extract has come with a load: `identity` names it in the target, `mark` is the newest value read.

    `column` is set where the load appends: under that name the cursor reaches the target, and rows up to the mark
    that the target holds already are compared with its own. `whole`: all rows are compared. `mark` None: no rows.
    """

    identity: str
    mark: Watermark | None
    column: str | None = None
    whole: bool = False


def encoded(marks: Mapping[str, Watermark]) -> str:
    """Watermarks by identity as a small JSON text."""
    return json.dumps({name: mark.to_json() for name, mark in sorted(marks.items())}, ensure_ascii=False)


def decoded(text: str) -> dict[str, Watermark]:
    """The inverse of encoded."""
    return {name: Watermark.of(pair) for name, pair in json.loads(text).items()}
