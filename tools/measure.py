"""Verbs that look at targets and measure data."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent_etl.connectors.filekind import named_kind
from agent_etl.connectors.fit import fitting
from agent_etl.engine.ports import Capabilities, Connections, KeyFacts, Overlap, Prober, ValueFacts
from agent_etl.engine.schema import Table
from agent_etl.engine.watermark import Watermark
from agent_etl.tools.base import Effect, Recorder, verb

__all__ = [
    "RecordedProber",
    "capabilities",
    "cursors",
    "existing",
    "fits",
    "format_of",
    "letters_fault",
    "measure_count",
    "measure_keys",
    "measure_overlap",
    "measure_values",
    "target_duplicates",
    "writable",
]


@verb(Effect.READ)
def existing(connections: Connections, target: str, table: str) -> Table | None:
    """The target table as it is now, or None. Raises: SettingsError, UsageError, ConnectionLost."""
    return connections[target].target().existing(table)


@verb(Effect.READ)
def target_duplicates(connections: Connections, target: str, table: str, key: Sequence[str]) -> int:
    """How many values of the key occur more than once in the target table."""
    return connections[target].target().duplicates(table, key)


@verb(Effect.READ)
def cursors(connections: Connections, target: str, table: str) -> Mapping[str, Watermark]:
    """How far incremental extracts have come in the target table, by their identities."""
    return connections[target].target().cursors(table)


@verb(Effect.READ)
def letters_fault(connections: Connections, target: str, table: str) -> str:
    """Why rows that are set aside could not be kept beside the target table; empty when they could."""
    return connections[target].target().letters_fault(table)


@verb(Effect.DRY)
def capabilities(connections: Connections, target: str) -> Capabilities:
    """What the target system can do. Raises: SettingsError for an unknown name, UsageError when it is no target."""
    return connections[target].target().capabilities


@verb(Effect.DRY)
def fits(given: str, wanted: str) -> bool:
    """Whether values of one logical type can enter a column of another, each exactly or refused when it is loaded."""
    # A VARCHAR column of a system that keeps everything as text takes what has one standard text, such as a date.
    return any(
        fitting("x", given, kind, 0) is not None for kind in (wanted, *(["TEXT"] if wanted == "VARCHAR" else []))
    )


@verb(Effect.DRY)
def format_of(table: str) -> str | None:
    """The format that a file's name says, or None when it says none."""
    kind = named_kind(table)
    return kind.format if kind is not None else None


@verb(Effect.READ)
def writable(url: str, table: str) -> bool:
    """Whether a file can be made where a folder connection's URL and a table's name lead, missing folders included."""
    path = Path(unquote(urlsplit(url).path), table).parent
    there = next(place for place in (path, *path.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@verb(Effect.READ)
def measure_keys(prober: Prober, table: Table, columns: Sequence[str]) -> KeyFacts:
    """How far the columns identify a row of a source table."""
    return prober.keys(table, columns)


@verb(Effect.READ)
def measure_overlap(
    prober: Prober, left: Table, left_on: Sequence[str], right: Table, right_on: Sequence[str]
) -> Overlap:
    """How many rows of two source tables find a partner."""
    return prober.overlap(left, left_on, right, right_on)


@verb(Effect.READ)
def measure_values(prober: Prober, table: Table, column: str, top: int = 20) -> ValueFacts:
    """What a source column holds."""
    return prober.values(table, column, top)


@verb(Effect.READ)
def measure_count(prober: Prober, table: Table, column: str, value: str, *, fold: bool = False) -> int:
    """Rows of a source table where a column equals a value."""
    return prober.count(table, column, value, fold=fold)


class RecordedProber:
    """A prober whose measurements a recorder keeps; implements ports.Prober by the verbs above."""

    def __init__(self, prober: Prober, recorder: Recorder | None) -> None:
        self._prober = prober
        self._recorder = recorder

    def keys(self, table: Table, columns: Sequence[str]) -> KeyFacts:
        """How far the columns identify a row."""
        return measure_keys.by(self._recorder)(self._prober, table, columns)

    def overlap(self, left: Table, left_on: Sequence[str], right: Table, right_on: Sequence[str]) -> Overlap:
        """How many rows find a partner."""
        return measure_overlap.by(self._recorder)(self._prober, left, left_on, right, right_on)

    def values(self, table: Table, column: str, top: int = 20) -> ValueFacts:
        """What a column holds."""
        return measure_values.by(self._recorder)(self._prober, table, column, top)

    def count(self, table: Table, column: str, value: str, *, fold: bool = False) -> int:
        """Rows where the column equals the value."""
        return measure_count.by(self._recorder)(self._prober, table, column, value, fold=fold)
