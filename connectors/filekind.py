"""Which format a file holds: what its name says, checked against its first bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_etl.engine.errors import NotFound, ReadError

__all__ = ["SUFFIXES", "FileKind", "kind_of", "named_kind", "verify"]

SUFFIXES: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""File name endings and the format that they stand for."""

_PACKED = {".gz": "gzip", ".zst": "zstd"}
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
    b"SQLite format 3\x00": "SQLite",
    b"PK\x03\x04": "zip (an Excel workbook, or an archive)",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"%PDF": "PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}


@dataclass(frozen=True, slots=True)
class FileKind:
    """`format` is csv, tsv, json, jsonl or parquet; `compression` is none, gzip or zstd."""

    format: str
    compression: str = "none"


def named_kind(name: str) -> FileKind | None:
    """What the name's ending says, ignoring case; None for an ending that stands for no format."""
    lower = name.lower()
    for suffix, compression in _PACKED.items():
        if lower.endswith(suffix):
            inner = named_kind(lower.removesuffix(suffix))
            if inner is None or inner.compression != "none" or inner.format == "parquet":
                return None
            return FileKind(inner.format, compression)
    dot = lower.rfind(".")
    found = SUFFIXES.get(lower[dot:]) if dot >= 0 else None
    return FileKind(found) if found else None


def kind_of(path: Path, options: Mapping[str, Any]) -> FileKind:
    """The kind that a file's name says, its compression overruled by the option of that name.

    Raises: ReadError when the name says nothing.
    """
    found = named_kind(path.name)
    if found is None:
        raise ReadError(
            "The file's name says no known format",
            dataset=path.name,
            hint=f"valid endings are {', '.join(SUFFIXES)}, each text format also with .gz or .zst",
        )
    stated = options.get("compression")
    return FileKind(found.format, str(stated)) if stated else found


def verify(path: Path, kind: FileKind) -> None:
    """Hold the file's first and last bytes against its kind. A name that lies is an error, never a guess.

    JSON Lines may be empty. Raises: NotFound when there is no file; ReadError when it is empty, not readable, or holds
    something else.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
            size = file.seek(0, 2)
            file.seek(max(0, size - 4))
            tail = file.read(4)
    except FileNotFoundError:
        raise NotFound("There is no such file", dataset=path.name) from None
    except OSError as error:
        raise ReadError("The file cannot be opened", dataset=path.name, reason=error.strerror) from error
    if size == 0 and kind.format == "jsonl":
        return
    if size == 0:
        raise ReadError("The file is empty: it has not even a header", dataset=path.name, hint="remove or refill it")
    holds = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "text")
    expected = {"gzip": "gzip", "zstd": "zstd"}.get(kind.compression)
    expected = expected or ("Parquet" if kind.format == "parquet" else "text")
    if holds != expected:
        raise ReadError(
            "The file's name says one thing and its bytes another",
            dataset=path.name,
            expected=expected,
            found=holds,
            hint=_rename(holds),
        )
    if expected == "Parquet" and (size < 12 or tail != b"PAR1"):
        raise ReadError(
            "The Parquet file has no footer: it is cut off or damaged", dataset=path.name, hint="write it again"
        )


def _rename(holds: str) -> str:
    if holds in _PACKED.values():
        return f"give it the right ending ({'.gz' if holds == 'gzip' else '.zst'}) or state compression={holds!r}"
    if holds == "Parquet":
        return "give it the ending .parquet"
    if holds == "text":
        return "if it is not compressed, state compression='none' or give it the right ending"
    return "save it as CSV, JSON Lines or Parquet"
