"""Read options of a text file: which are valid, and what they say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_etl.engine.errors import ReadError

__all__ = ["ReadOptions", "type_name"]

_VALID = (
    "compression",
    "delimiter",
    "encoding",
    "escape",
    "header",
    "max_line",
    "max_rejects",
    "null_values",
    "on_error",
    "quote",
    "quoted_nulls",
    "skip",
    "special_values",
    "types",
)
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?(\[\])*")
_ALIASES = {
    "INT": "INTEGER",
    "INT4": "INTEGER",
    "INT8": "BIGINT",
    "LONG": "BIGINT",
    "FLOAT8": "DOUBLE",
    "NUMERIC": "DECIMAL",
    "BOOL": "BOOLEAN",
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a person or a survey stated; None where nothing was.

    `types` maps columns to logical types. `null_values` are cell texts that mean NULL besides the empty cell.
    `quoted_nulls`: a quoted empty cell is NULL too. `quarantine`: rows that do not fit are set aside. `skip` lines
    stand before the header. `max_line` is the longest record in bytes, 2 MB when not stated. `special_values`: inf,
    nan and infinity are values of their types.
    """

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    encoding: str | None = None
    skip: int | None = None
    max_line: int | None = None
    quoted_nulls: bool | None = None
    null_values: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    quarantine: bool = False
    compression: str | None = None
    special_values: bool = False

    @classmethod
    def parse(cls, options: Mapping[str, Any] | None, dataset: str) -> "ReadOptions":
        """Typed options. Raises: ReadError naming the option that is unknown or wrong, and what is valid."""
        given = dict(options or {})
        unknown = sorted(set(given) - set(_VALID))
        if unknown:
            raise _wrong(dataset, unknown[0], f"valid options are {', '.join(_VALID)}")
        types = given.get("types") or {}
        if not isinstance(types, Mapping):
            raise _wrong(dataset, "types", "give {column: type}")
        nulls = given.get("null_values") or ()
        return cls(
            delimiter=_text(dataset, given, "delimiter", 1, 4),
            quote=_text(dataset, given, "quote", 0, 1),
            escape=_text(dataset, given, "escape", 0, 1),
            header=_flag(dataset, given, "header"),
            encoding=_choice(dataset, given, "encoding", ("utf-8", "utf-16", "latin-1")),
            skip=_count(dataset, given, "skip"),
            special_values=bool(_flag(dataset, given, "special_values")),
            max_line=_count(dataset, given, "max_line"),
            quoted_nulls=_flag(dataset, given, "quoted_nulls"),
            null_values=(nulls,) if isinstance(nulls, str) else tuple(str(value) for value in nulls),
            types={str(name): type_name(str(kind), dataset) for name, kind in types.items()},
            quarantine=_choice(dataset, given, "on_error", ("fail", "quarantine")) == "quarantine",
            compression=_choice(dataset, given, "compression", ("none", "gzip", "zstd")),
        )


def type_name(text: str, dataset: str) -> str:
    """The logical type's own name for what was written. Raises: ReadError when it cannot be a type."""
    if not _TYPE.fullmatch(text.strip()):
        raise _wrong(dataset, "types", f"{text[:40]!r} is not the name of a type; try BIGINT, DOUBLE, DATE or VARCHAR")
    upper = " ".join(text.upper().split())
    head, bracket, rest = upper.partition("(")
    return _ALIASES.get(head.strip(), head.strip()) + (bracket + rest.replace(" ", "") if bracket else "")


def _wrong(dataset: str, option: str, hint: str) -> ReadError:
    return ReadError("A read option is wrong", dataset=dataset, option=option, hint=hint)


def _text(dataset: str, given: Mapping[str, Any], name: str, low: int, high: int) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    value = {"\\t": "\t", "tab": "\t"}.get(value, value) if isinstance(value, str) else value
    if not isinstance(value, str) or not low <= len(value) <= high:
        raise _wrong(dataset, name, f"give {low} to {high} characters")
    return value


def _flag(dataset: str, given: Mapping[str, Any], name: str) -> bool | None:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(dataset, name, "give true or false")
    return value


def _count(dataset: str, given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise _wrong(dataset, name, "give a whole number")
    return value


def _choice(dataset: str, given: Mapping[str, Any], name: str, valid: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    spelled = {"utf8": "utf-8", "utf16": "utf-16", "latin1": "latin-1", "iso-8859-1": "latin-1"}
    text = spelled.get(str(value).lower(), str(value).lower())
    if text not in valid:
        raise _wrong(dataset, name, f"valid are {', '.join(valid)}")
    return text
