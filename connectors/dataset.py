"""A dataset of files: what is read as one table, and what describing it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agent_etl.connectors.filekind import FileKind
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column

__all__ = ["Dataset", "Described", "Format"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Files that are read as one table: `name` as the user wrote it, paths and kinds in step."""

    name: str
    paths: tuple[Path, ...]
    kinds: tuple[FileKind, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """Columns with logical types, the row count where it was cheap, options that repeat the read, notes."""

    columns: tuple[Column, ...]
    rows: int | None
    options: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class Format(Protocol):
    """One file format as a source."""

    def describe(self, data: Dataset, options: Mapping[str, Any] | None) -> Described:
        """What the dataset holds. Raises: ReadError."""
        ...

    def scan(self, data: Dataset, columns: Sequence[str] | None, options: Mapping[str, Any] | None) -> Relation:
        """The rows, nothing read yet. Raises: ReadError, NotFound for a column."""
        ...
