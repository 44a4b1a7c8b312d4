"""Staged datasets: Parquet parts and a manifest under the fingerprint of what made them.

A package is written into a hidden folder that its writer holds locked; every file is synced and hashed, then one
rename gives the folder its fingerprint as name: sealed. What is not sealed does not exist for a reader, and what a dead
writer left behind is swept away.
"""

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from agent_etl.engine.duck import Cursor, literal, quote, run
from agent_etl.engine.durable import sync
from agent_etl.engine.errors import AgentEtlError, Corrupt, DiskFull
from agent_etl.engine.faults import point
from agent_etl.engine.manifest import Manifest, Part, file_part
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column
from agent_etl.engine.security.paths import private_folder
from agent_etl.engine.storage import restored, stored

__all__ = ["PackageWriter", "Stage"]

_MANIFEST = "manifest.json"
_WRITING = ".writing-"
REJECTS = (
    Column("line", "BIGINT"),
    Column("column_name", "VARCHAR"),
    Column("reason", "VARCHAR"),
    Column("raw", "VARCHAR"),
)


class PackageWriter:
    """Writes one package: `write` the rows, `set_aside` the rejected ones, then `seal`. Made by `Stage.writer`."""

    def __init__(self, stage: "Stage", fingerprint: str, columns: Sequence[Column], folder: Path) -> None:
        self._stage = stage
        self._fingerprint = fingerprint
        self._columns = tuple(columns)
        self._folder = folder
        self._parts: list[Part] = []
        self._rejects: Part | None = None

    def write(self, cursor: Cursor, select: str) -> int:
        """Write the rows of a SELECT whose columns are the package's, as one part; gives their number.

        Raises: ReadError for rows that cannot be read, DiskFull. Side effects: one synced and hashed file.
        """
        part = self._copy(cursor, select, self._columns, f"part-{len(self._parts):04d}.parquet")
        self._parts.append(part)
        point("stage.part_written")
        return part.rows

    def set_aside(self, cursor: Cursor, select: str) -> int:
        """Write the rejected rows (line, column_name, reason, raw) into the dead-letter file; gives their number."""
        self._rejects = self._copy(cursor, select, REJECTS, "rejects.parquet")
        return self._rejects.rows

    def seal(self, *, rows_in: int, filtered: int = 0) -> Manifest:
        """Make the package exist: the manifest, then the folder under its name, all synced.

        When another writer sealed the same fingerprint meanwhile, its package stands and this one is dropped.
        Raises: DiskFull. Side effects: the sealed folder.
        """
        manifest = Manifest(
            fingerprint=self._fingerprint,
            columns=self._columns,
            parts=tuple(self._parts),
            rejects=self._rejects,
            rows=sum(part.rows for part in self._parts),
            rows_in=rows_in,
            filtered=filtered,
            quarantined=self._rejects.rows if self._rejects else 0,
        )
        with _disk(self._folder):
            path = self._folder / _MANIFEST
            path.write_text(manifest.to_json(), encoding="utf-8")
            path.chmod(0o600)
            sync(path)
            sync(self._folder)
            point("stage.before_seal")
            sealed = self._stage.publish(self._folder, manifest)
        point("stage.sealed")
        return sealed

    def _copy(self, cursor: Cursor, select: str, columns: Sequence[Column], name: str) -> Part:
        path = self._folder / name
        items = ", ".join(f"{stored(column)} AS {quote(column.name)}" for column in columns)
        copy = f"COPY (SELECT {items} FROM ({select})) TO {literal(str(path))} (FORMAT parquet)"
        rows = int(run(cursor, copy, path=str(self._folder)).fetchall()[0][0])
        with _disk(path):
            path.chmod(0o600)
            return file_part(path, rows)


class Stage:
    """The sealed packages below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def writer(self, fingerprint: str, columns: Sequence[Column]) -> Iterator[PackageWriter]:
        """A writer of the package with that fingerprint; what was not sealed at the end of the block is removed.

        Raises: DiskFull. Side effects: a hidden folder, locked while the block lasts.
        """
        with self.scratch(fingerprint) as folder:
            yield PackageWriter(self, fingerprint, columns, folder)

    @contextmanager
    def scratch(self, purpose: str) -> Iterator[Path]:
        """A hidden folder that is removed at the end of the block; when its owner dies, the next sweep removes it.

        Raises: DiskFull. Side effects: the folder, locked while the block lasts.
        """
        with _disk(self.root):
            folder, lock = self._claim(purpose)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def sealed(self, fingerprint: str) -> Manifest | None:
        """The package's manifest, or None when there is no whole one.

        Raises: UsageError when a newer agent-etl wrote it.
        """
        try:
            text = (self.root / fingerprint / _MANIFEST).read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        manifest = Manifest.parse(text)
        return manifest if manifest and manifest.fingerprint == fingerprint else None

    def verify(self, manifest: Manifest) -> None:
        """Read every part and compare its hash with the one that was sealed.

        Raises: Corrupt naming the part, what was expected and what was found.
        """
        for part in (*manifest.parts, *filter(None, (manifest.rejects,))):
            path = self.root / manifest.fingerprint / part.name
            try:
                found = file_part(path, part.rows)
            except FileNotFoundError:
                raise _corrupt(path, part.sha256, "no file") from None
            if found.bytes != part.bytes:
                raise _corrupt(path, f"{part.bytes} bytes", f"{found.bytes} bytes")
            if found.sha256 != part.sha256:
                raise _corrupt(path, part.sha256, found.sha256)

    def relation(self, manifest: Manifest) -> Relation:
        """The package's rows, in the order in which they were written. Side effects: marks the package as used now."""
        folder = self.root / manifest.fingerprint
        with suppress(FileNotFoundError):
            os.utime(folder / _MANIFEST)
        return _parquet([folder / part.name for part in manifest.parts], manifest.columns)

    def rejects(self, manifest: Manifest) -> Relation | None:
        """The rows that were set aside: line, column_name, reason, raw; None when the package has no such file."""
        if manifest.rejects is None:
            return None
        return _parquet([self.root / manifest.fingerprint / manifest.rejects.name], REJECTS)

    def discard(self, fingerprint: str) -> None:
        """Remove a package, so that it is made again. Side effects: deletes its folder."""
        shutil.rmtree(self.root / fingerprint, ignore_errors=True)

    def sweep(self, unused: timedelta = timedelta(days=7)) -> int:
        """Remove what dead writers left and packages that nobody read for `unused`; gives how many folders went."""
        if not self.root.is_dir():
            return 0
        gone = 0
        oldest = time.time() - unused.total_seconds()
        for folder in self.root.iterdir():
            dead = _abandoned(folder) if folder.name.startswith(_WRITING) else _last_used(folder) < oldest
            if dead:
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
        return gone

    def publish(self, folder: Path, manifest: Manifest) -> Manifest:
        """Rename a finished folder to its fingerprint, unless a whole package stands there. For PackageWriter alone."""
        final = self.root / manifest.fingerprint
        while True:
            try:
                folder.rename(final)
                sync(self.root)
                return manifest
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            present = self.sealed(manifest.fingerprint)
            if present is not None:
                return present
            self.discard(manifest.fingerprint)

    def _claim(self, purpose: str) -> tuple[Path, int]:
        """A new hidden folder and the descriptor that holds it locked."""
        private_folder(self.root)
        while True:
            folder = self.root / f"{_WRITING}{purpose}-{secrets.token_hex(4)}"
            folder.mkdir(mode=0o700)
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():  # a sweep may have come between the folder and its lock
                return folder, lock
            os.close(lock)


def _abandoned(folder: Path) -> bool:
    """Whether the writer is gone: the kernel frees its lock even after SIGKILL."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(lock)


def _last_used(folder: Path) -> float:
    for path in (folder / _MANIFEST, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return time.time()


def _parquet(paths: Sequence[Path], columns: Sequence[Column]) -> Relation:
    # A folder such as year=2024 above the home must not become a column, and [ or * in a path is no glob.
    names = ", ".join(literal(_escaped(str(path))) for path in paths)
    return Relation(
        columns=tuple(columns),
        sql=f"read_parquet([{names}], hive_partitioning = false)",
        casts={column.name: cast for column in columns if (cast := restored(column)) is not None},
    )


def _escaped(path: str) -> str:
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in path)


def _corrupt(path: Path, expected: str, found: str) -> Corrupt:
    return Corrupt(
        "A staged file is not what was sealed",
        path=str(path),
        expected=expected,
        found=found,
        hint="resume the run: the package is made again",
    )


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Errors of a full disk or quota as DiskFull."""
    try:
        yield
    except AgentEtlError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                "No space left for staged data", path=str(path), hint="free space and resume the run"
            ) from error
        raise
