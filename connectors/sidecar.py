"""Load markers of a file: a small JSON file beside it, which says what the file became by which load.

A load writes its entry, durably, before it renames the new file into place. The entry counts as committed when the
file that stands there is the one that the entry describes, when a later entry built on it, or when it was confirmed
after the rename. So a crash at any instant leaves either both or neither.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent_etl.connectors.filekind import FileKind
from agent_etl.connectors.folder import MARKER_FOLDER
from agent_etl.engine.durable import sync
from agent_etl.engine.errors import Busy, TargetError
from agent_etl.engine.lease import Holder, held
from agent_etl.engine.ports import Marker
from agent_etl.engine.schema import Column
from agent_etl.engine.watermark import Watermark

__all__ = ["Entry", "Identity", "Sidecar", "identity", "recorded"]

Identity = tuple[int, int, int]
"""A file's size in bytes, its time of change in ns, its inode: what tells one state of a file from another."""

_VERSION = 1
_KEPT = 1_000
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One load: its marker, the file before (None: there was none) and after it, all rows, the columns as loaded.

    `delimiter` is that of delimited text.
    """

    marker: Marker
    before: Identity | None
    after: Identity
    total: int
    columns: tuple[Column, ...]
    delimiter: str = ","
    confirmed: bool = False


def recorded(kind: FileKind, entry: Entry) -> dict[str, object]:
    """Read options by which a file that a load made reads back as it was given; Parquet says all that itself."""
    if kind.format == "parquet":
        return {}
    types = {column.name: column.type for column in entry.columns}
    if kind.format in {"json", "jsonl"}:
        return {"types": types, "keys": {name: name for name in types}, "special_values": True}
    return {
        "types": types,
        "special_values": True,
        "delimiter": entry.delimiter,
        "quote": '"',
        "escape": '"',
        "header": True,
    }


def identity(path: Path) -> Identity | None:
    """The identity of the file that stands there, or None."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The markers of one target file."""

    file: Path

    @property
    def path(self) -> Path:
        """Where the markers lie."""
        return self.file.parent / MARKER_FOLDER / f"{self.file.name}.json"

    @property
    def _draft(self) -> Path:
        return self.path.with_suffix(".json.new")

    def committed(self) -> tuple[Entry, ...]:
        """The loads whose effect reached the file, oldest first. Raises: TargetError for an unreadable sidecar."""
        entries = self._entries()
        now = identity(self.file)
        kept: list[Entry] = []
        for position, entry in enumerate(entries):
            built_upon = any(later.before == entry.after for later in entries[position + 1 :])
            if entry.confirmed or built_upon or entry.after == now:
                kept.append(entry)
        return tuple(kept)

    def current(self) -> Entry | None:
        """The load that made the file exactly as it stands there; None when a person or another program did."""
        now = identity(self.file)
        last = self.committed()[-1:]
        return last[0] if last and last[0].after == now else None

    def cursors(self) -> dict[str, Watermark]:
        """How far incremental extracts have come in the file; what was there before it was replaced counts no more."""
        for entry in reversed(self.committed()):
            if entry.marker.cursors:
                return dict(entry.marker.cursors)
            if entry.marker.mode == "replace":
                break
        return {}

    def write(self, entries: tuple[Entry, ...]) -> None:
        """Replace all entries. Side effects: durable and atomic. Raises: OSError."""
        content = {"version": _VERSION, "file": self.file.name, "loads": [asdict(entry) for entry in entries[-_KEPT:]]}
        draft = self._draft
        with draft.open("w", encoding="utf-8") as out:
            json.dump(content, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self.path)
        sync(self.path.parent)

    def confirm(self, entry: Entry) -> None:
        """Note that the rename has happened, so that a later change of the file by others cannot undo the marker."""
        self.write(tuple(replace(e, confirmed=e.confirmed or e == entry) for e in self.committed()))

    def tidy(self) -> None:
        """Remove what a process left that was killed while it wrote the markers, unless somebody loads the file now."""
        if self._draft.exists():
            with suppress(Busy), self._held(patience=0.0):
                self._draft.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file's loads against other processes; the kernel frees it when the holder dies.

        Raises: Busy after some seconds; OSError. Side effects: makes the marker folder and a lock file, which stays.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._held(_PATIENCE):
            yield

    @contextmanager
    def _held(self, patience: float) -> Iterator[None]:
        def refused(holder: Holder) -> Busy:
            return Busy(
                "Another process loads the file", target=self.file.name, holder=holder.pid, hint="try again later"
            )

        with held(self.path.with_suffix(".lock"), refused, patience=patience, mode=0o644):
            yield

    def _entries(self) -> tuple[Entry, ...]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["version"] != _VERSION:
                raise ValueError("version")
            return tuple(_entry(item) for item in content["loads"])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TargetError(
                "The file's load markers cannot be read",
                target=self.file.name,
                reason=type(error).__name__,
                hint=f"restore {MARKER_FOLDER}/{self.path.name}, or remove it if no load has to be remembered",
            ) from error


def _marker(item: dict[str, Any]) -> Marker:
    cursors = {name: Watermark(**mark) for name, mark in item.get("cursors", {}).items()}
    return Marker(**{**item, "cursors": cursors})


def _entry(item: dict[str, Any]) -> Entry:
    size, changed, inode = item["after"]
    before = item["before"]
    return Entry(
        marker=_marker(item["marker"]),
        before=(before[0], before[1], before[2]) if before else None,
        after=(size, changed, inode),
        total=item["total"],
        columns=tuple(Column(**column) for column in item["columns"]),
        delimiter=item["delimiter"],
        confirmed=item["confirmed"],
    )
