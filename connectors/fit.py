"""Lossless fit: how a value of one logical type enters a column of another, exactly or not at all."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent_etl.engine.duck import literal, quote

__all__ = ["Slot", "decimal", "fitting", "head", "misfit", "misfitting"]

_MISFIT = re.compile(r"agent-etl-misfit:(\d+);")
_DECIMAL = re.compile(r"^DECIMAL\((\d+), ?(\d+)\)$")
# For each integer type: digits that every number of so many digits fits in, digits of its largest value.
_INTEGERS = {
    "TINYINT": (2, 3),
    "UTINYINT": (2, 3),
    "SMALLINT": (4, 5),
    "USMALLINT": (4, 5),
    "INTEGER": (9, 10),
    "UINTEGER": (9, 10),
    "BIGINT": (18, 19),
    "UBIGINT": (19, 20),
    "HUGEINT": (38, 39),
    "UHUGEINT": (38, 39),
}
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_NESTED = frozenset({"LIST", "STRUCT", "MAP", "UNION", "VARIANT"})


@dataclass(frozen=True, slots=True)
class Slot:
    """One column of a target table: its name there, the logical type that it holds, its native type.

    `required`: a row without a value for it is refused. A `type` of `NUMERIC` holds any exact number, `ANY` any value,
    `TEXT` (SQLite's) also what has one standard text, such as a date.
    `textual`: the system has no equality of two of its values, or not this one, so what `Capabilities.comparable` makes
    of them is compared.
    """

    name: str
    type: str
    native: str
    required: bool = False
    textual: bool = False


def head(type_name: str) -> str:
    """The family of a logical type: `DECIMAL` for `DECIMAL(10,2)`, `LIST` for `INTEGER[]`."""
    if type_name.endswith("]"):
        return "LIST"
    return type_name.partition("(")[0].strip().upper()


def decimal(type_name: str) -> tuple[int, int] | None:
    """Precision and scale of a DECIMAL, else None."""
    found = _DECIMAL.match(type_name)
    return (int(found.group(1)), int(found.group(2))) if found else None


def misfit(position: int) -> str:
    """An SQL expression that ends the query because column `position` holds a value that does not fit."""
    return f"error({literal(f'agent-etl-misfit:{position};')})"


def misfitting(text: str) -> int | None:
    """The column position that a failed query's text complains of, or None."""
    found = _MISFIT.search(text)
    return int(found.group(1)) if found else None


def fitting(column: str, given: str, wanted: str, position: int) -> str | None:
    """The DuckDB expression that turns column `column` of type `given` into type `wanted` without any loss.

    A value that would change ends the query with `misfit(position)`. None: the types do not fit at all.
    """
    x = quote(column)
    if given == wanted or wanted == "ANY":
        return x
    if given == '"NULL"':
        return f"CAST(NULL AS {wanted})"
    rule = _numbers(given, wanted) if _is_number(given) else _RULES.get((head(given), head(wanted)))
    if rule is None and head(given) in _NESTED and head(wanted) == "JSON":
        rule = _as_json
    return None if rule is None else rule(x, wanted, misfit(position))


Rule = Callable[[str, str, str], str]


def _is_number(type_name: str) -> bool:
    return head(type_name) in _INTEGERS or head(type_name) in _FLOATS or decimal(type_name) is not None


def _numbers(given: str, wanted: str) -> Rule | None:
    if wanted == "NUMERIC":
        return _finite if given in _FLOATS else _plain
    if not _is_number(wanted):
        return None
    if _widens(given, wanted):
        return _cast
    return _checked_back(given)


def _widens(given: str, wanted: str) -> bool:
    """Every value of `given` is a value of `wanted`, by type alone."""
    if given in _FLOATS:
        return wanted == "DOUBLE"
    exact = decimal(given)
    whole, scale = (exact[0] - exact[1], exact[1]) if exact else (_INTEGERS[given][1], 0)
    if wanted in _FLOATS:
        return whole + scale <= (15 if wanted == "DOUBLE" else 6)
    if wanted in _INTEGERS:
        return scale == 0 and whole <= _INTEGERS[wanted][0] and not wanted.startswith("U")
    room = decimal(wanted) or (0, 0)
    return scale <= room[1] and whole <= room[0] - room[1]


def _plain(x: str, wanted: str, stop: str) -> str:
    return x


def _cast(x: str, wanted: str, stop: str) -> str:
    return f"CAST({x} AS {wanted})"


def _finite(x: str, wanted: str, stop: str) -> str:
    return f"CASE WHEN {x} IS NULL OR isfinite({x}) THEN {x} ELSE {stop} END"


def _checked_back(given: str) -> Rule:
    """Cast, and cast back: equal means that nothing was lost."""

    def rule(x: str, wanted: str, stop: str) -> str:
        # A DOUBLE's shortest text is what a person calls its value; casting through it avoids scaling noise.
        origin = f"CAST({x} AS VARCHAR)" if given in _FLOATS and decimal(wanted) else x
        there = f"TRY_CAST({origin} AS {wanted})"
        return f"CASE WHEN {x} IS NULL OR TRY_CAST({there} AS {given}) = {x} THEN {there} ELSE {stop} END"

    return rule


def _as_text(x: str, wanted: str, stop: str) -> str:
    return f"CAST({x} AS VARCHAR)"


def _as_json(x: str, wanted: str, stop: str) -> str:
    return f"to_json({x})"


def _valid_json(x: str, wanted: str, stop: str) -> str:
    return f"CASE WHEN {x} IS NULL OR json_valid({x}) THEN {x} ELSE {stop} END"


def _canonical(x: str, wanted: str, stop: str) -> str:
    there = f"TRY_CAST({x} AS UUID)"
    return f"CASE WHEN {x} IS NULL OR CAST({there} AS VARCHAR) = lower({x}) THEN {there} ELSE {stop} END"


def _listed(x: str, wanted: str, stop: str) -> str:
    there = f"TRY_CAST(CAST({x} AS VARCHAR) AS {wanted})"
    return f"CASE WHEN {x} IS NULL OR {there} IS NOT NULL THEN {there} ELSE {stop} END"


_RULES: dict[tuple[str, str], Rule] = {
    ("DATE", "TIMESTAMP"): _cast,
    ("TIMESTAMP", "DATE"): _checked_back("TIMESTAMP"),
    ("TIMESTAMP_S", "TIMESTAMP"): _cast,
    ("TIMESTAMP_MS", "TIMESTAMP"): _cast,
    ("TIMESTAMP_NS", "TIMESTAMP"): _checked_back("TIMESTAMP_NS"),
    ("UUID", "VARCHAR"): _as_text,
    ("ENUM", "VARCHAR"): _as_text,
    ("JSON", "VARCHAR"): _as_text,
    ("INTERVAL", "VARCHAR"): _as_text,
    ("BIT", "VARCHAR"): _as_text,
    ("BIGNUM", "VARCHAR"): _as_text,
    **{(kind, "TEXT"): _as_text for kind in ("VARCHAR", "ENUM", "UUID", "JSON", "INTERVAL", "BIT", "DATE", "TIME")},
    **{(kind, "TEXT"): _as_text for kind in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE")},
    ("VARCHAR", "JSON"): _valid_json,
    ("VARCHAR", "UUID"): _canonical,
    ("VARCHAR", "ENUM"): _listed,
    ("ENUM", "ENUM"): _listed,
}
