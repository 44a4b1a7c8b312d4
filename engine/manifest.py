"""The manifest of a staged package: which files, how many rows, which hashes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent_etl.engine.durable import sync
from agent_etl.engine.errors import UsageError
from agent_etl.engine.schema import Column

__all__ = ["FORMAT", "Manifest", "Part", "SetAside", "file_part"]

FORMAT = 1
"""The version of the manifest's format that this code writes; it reads this one and older ones."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a package: its name in the package's folder, rows, size and hex SHA-256."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """How many rows were set aside for one reason: by that check, or by the read when it is None."""

    check: str | None
    column: str | None
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A sealed package. `rows_in` = `rows` + `filtered` + `quarantined`.

    `quarantined` rows lie in two files: `rejects`, which could not be read, and `failed`, which failed a check.
    `reread` says, as JSON text, how a reject becomes a row again. `reasons` are counted, the most frequent first.
    """

    fingerprint: str
    columns: tuple[Column, ...]
    parts: tuple[Part, ...]
    rows: int
    rows_in: int
    filtered: int = 0
    quarantined: int = 0
    rejects: Part | None = None
    failed: Part | None = None
    reread: str | None = None
    reasons: tuple[SetAside, ...] = ()

    @property
    def files(self) -> tuple[Part, ...]:
        """Every file of the package."""
        return (*self.parts, *filter(None, (self.rejects, self.failed)))

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the parts' hashes: equal for equal bytes."""
        return hashlib.sha256("".join(part.sha256 for part in self.parts).encode()).hexdigest()

    def to_json(self) -> str:
        """The manifest file's text."""
        return json.dumps({"version": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def parse(cls, text: str) -> "Manifest | None":
        """The inverse of to_json; None for text that is cut or is no manifest.

        Raises: UsageError when a newer agent-etl wrote it.
        """
        try:
            values = json.loads(text)
        except ValueError:
            return None
        if not isinstance(values, dict) or not isinstance(values.get("version"), int):
            return None
        if values["version"] > FORMAT:
            raise UsageError(
                "A newer agent-etl sealed this package",
                found=values["version"],
                valid=FORMAT,
                hint="upgrade agent-etl, or use another home",
            )
        try:
            return cls._from(values)
        except (KeyError, TypeError):
            return None

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> "Manifest":
        return cls(
            fingerprint=values["fingerprint"],
            columns=tuple(Column(**column) for column in values["columns"]),
            parts=tuple(Part(**part) for part in values["parts"]),
            rows=values["rows"],
            rows_in=values["rows_in"],
            filtered=values["filtered"],
            quarantined=values["quarantined"],
            rejects=Part(**values["rejects"]) if values["rejects"] else None,
            failed=Part(**values["failed"]) if values.get("failed") else None,
            reread=values.get("reread"),
            reasons=tuple(SetAside(**reason) for reason in values.get("reasons", ())),
        )


def file_part(path: Path, rows: int) -> Part:
    """The part that a file is: its bytes brought to the disk and hashed. Raises: OSError."""
    sync(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Part(path.name, rows, path.stat().st_size, digest)
