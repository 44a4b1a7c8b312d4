"""Scalar expressions as SQL templates over references; rendering and quoting."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from agent_etl.engine.duck import quote

__all__ = ["Expr", "Kind", "MeasureRef", "Ref", "build", "column", "identifier", "kind_of", "number", "text"]

Kind = Literal["integer", "number", "text", "date", "timestamp", "time", "boolean", "other"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORDS = """
all analyse analyze and anti any array as asc asof asymmetric at authorization between binary both by case cast
check collate collation column concurrently constraint create cross current_date current_time current_timestamp
default deferrable desc describe distinct do else end except exists extract false fetch filter for foreign freeze
from full generated glob grant group grouping having if ilike in initially inner intersect interval into is isnull
join lambda lateral leading left like limit map natural not notnull null nulls offset on only or order outer over
overlaps pivot pivot_longer pivot_wider placing position positional primary qualify recursive references returning
right row rows sample select semi set show similar some struct substring summarize symmetric table tablesample then
to trailing treat trim true try_cast union unique unpivot user using values variadic verbose when where window with
within date time timestamp year month day hour minute second count sum min max avg
"""
_RESERVED = frozenset(_WORDS.split())


def identifier(name: str) -> str:
    """The identifier, in double quotes where SQL needs them."""
    return name if _PLAIN.match(name) and name.lower() not in _RESERVED else quote(name)


@dataclass(frozen=True, slots=True)
class Ref:
    """A column of a source, by the source's alias."""

    source: str
    column: str


@dataclass(frozen=True, slots=True)
class MeasureRef:
    """The value of the intent's measure with that index."""

    index: int


@dataclass(frozen=True, slots=True)
class Expr:
    """An SQL expression: text fragments and references in order, its kind, and the unit of its values if known."""

    parts: tuple[str | Ref | MeasureRef, ...]
    kind: Kind
    unit: str | None = None

    def refs(self) -> tuple[Ref, ...]:
        """The source columns read, each once, in order of appearance."""
        return tuple(dict.fromkeys(part for part in self.parts if isinstance(part, Ref)))

    def measures(self) -> tuple[int, ...]:
        """The measures read, each once."""
        return tuple(dict.fromkeys(part.index for part in self.parts if isinstance(part, MeasureRef)))

    def sql(self, render: Callable[[Ref], str], measure: Callable[[int], str] | None = None) -> str:
        """The text, references rendered by the caller."""
        out: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, Ref):
                out.append(render(part))
            elif measure is not None:
                out.append(measure(part.index))
        return "".join(out)

    @property
    def sole(self) -> Ref | None:
        """The reference when the expression is nothing but one column."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], Ref) else None

    def as_kind(self, kind: Kind, unit: str | None = None) -> "Expr":
        """The same expression with another kind and unit."""
        return replace(self, kind=kind, unit=unit)


def build(template: str, *inner: Expr, kind: Kind, unit: str | None = None) -> Expr:
    """An expression from a template whose `{}` stand for the inner ones, left to right."""
    pieces = template.split("{}")
    if len(pieces) != len(inner) + 1:
        raise ValueError(f"{template!r} has {len(pieces) - 1} places for {len(inner)} expressions")
    parts: list[str | Ref | MeasureRef] = []
    for text_, expression in zip(pieces, [*inner, None], strict=True):
        if text_:
            parts.append(text_)
        if expression is not None:
            parts.extend(expression.parts)
    return Expr(tuple(parts), kind, unit)


def column(source: str, name: str, type_: str, unit: str | None = None) -> Expr:
    """A column as an expression."""
    return Expr((Ref(source, name),), kind_of(type_), unit)


def number(value: str) -> Expr:
    """A numeric literal, checked to be one."""
    if not re.fullmatch(r"-?\d+(?:\.\d+)?", value):
        raise ValueError(f"{value!r} is no number")
    return Expr((value,), "number" if "." in value else "integer")


def text(value: str) -> Expr:
    """A string literal."""
    return Expr(("'" + value.replace("'", "''") + "'",), "text")


def kind_of(type_: str) -> Kind:
    """The family of a logical (DuckDB) type."""
    head = type_.upper().split("(")[0].strip()
    if head.endswith("]") or head.startswith(("STRUCT", "MAP", "UNION", "LIST")):
        return "other"
    if head in {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "INT", "UBIGINT", "UINTEGER", "USMALLINT"}:
        return "integer"
    if head in {"UTINYINT", "UHUGEINT", "INT8", "INT4", "INT2", "BIGNUM"}:
        return "integer"
    if head in {"DOUBLE", "FLOAT", "REAL", "DECIMAL", "NUMERIC"}:
        return "number"
    if head in {"VARCHAR", "TEXT", "CHAR", "STRING", "UUID", "ENUM"}:
        return "text"
    if head == "DATE":
        return "date"
    if head.startswith(("TIMESTAMP", "DATETIME")):
        return "timestamp"
    if head.startswith("TIME"):
        return "time"
    return "boolean" if head in {"BOOLEAN", "BOOL"} else "other"
