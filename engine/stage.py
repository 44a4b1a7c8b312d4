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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from agent_etl.engine.deadletters import REJECTS, Origin, rejects
from agent_etl.engine.duck import Cursor, literal, quote, run
from agent_etl.engine.durable import sync
from agent_etl.engine.errors import AgentEtlError, Corrupt, DiskFull
from agent_etl.engine.faults import point
from agent_etl.engine.manifest import Manifest, Part, SetAside, file_part
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column
from agent_etl.engine.security.paths import private_folder
from agent_etl.engine.storage import restored, stored

__all__ = ["PackageWriter", "Split", "Stage"]

_MANIFEST = "manifest.json"
_WRITING = ".writing-"
_MOST_REASONS = 1_000

Split = Callable[[Relation], tuple[str, str]]
"""Gives, for rows, a SELECT of those that stay and one of those that go: line, check_name, column_name, reason, raw."""


class PackageWriter:
    """Writes one package: `write` the rows, `set_aside` the rejected ones, then `seal`. Made by `Stage.writer`.

    With `split` the rows that it says go are set aside as they are written.
    """

    def __init__(
        self, stage: "Stage", fingerprint: str, columns: Sequence[Column], folder: Path, split: Split | None
    ) -> None:
        self._stage = stage
        self._fingerprint = fingerprint
        self._columns = tuple(columns)
        self._folder = folder
        self._parts: list[Part] = []
        self._split = split
        self._rejects: Part | None = None
        self._failed: Part | None = None
        self._reread: str | None = None
        self._reasons: list[SetAside] = []

    def write(self, cursor: Cursor, select: str) -> int:
        """Write the rows of a SELECT whose columns are the package's, once; gives their number, those that go included.

        Raises: ReadError for rows that cannot be read, DiskFull. Side effects: one synced and hashed file, or two.
        """
        rows: int | None = None
        if self._split is not None:
            draft = self._folder / "draft.parquet"
            rows = self._copied(cursor, select, self._columns, draft)
            select, gone = self._split(_parquet([draft], self._columns))
            self._failed = self._aside(cursor, gone, "failed.parquet")
        part = self._copy(cursor, select, self._columns, f"part-{len(self._parts):04d}.parquet")
        if self._split is not None:
            draft.unlink()
        self._parts.append(part)
        point("stage.part_written")
        return part.rows if rows is None else rows

    def written(self) -> Relation:
        """The rows that were written so far and stay."""
        return _parquet([self._folder / part.name for part in self._parts], self._columns)

    def set_aside(self, cursor: Cursor, select: str, reread: str | None = None) -> int:
        """Write the rows that could not be read (line, column_name, reason, raw); gives their number.

        `reread`: see Manifest. Side effects: one synced and hashed file.
        """
        self._reread = reread
        self._rejects = self._aside(
            cursor,
            f"SELECT line, NULL AS check_name, column_name, reason, raw FROM ({select})",
            "rejects.parquet",
        )
        return self._rejects.rows

    def _aside(self, cursor: Cursor, select: str, name: str) -> Part:
        part = self._copy(cursor, rejects(select), REJECTS, name)
        kept = _parquet([self._folder / name], REJECTS).sql
        counted = f"SELECT check_name, column_name, reason, count(*) FROM {kept} GROUP BY ALL"
        counted += f" ORDER BY 4 DESC, 1, 2, 3 LIMIT {_MOST_REASONS}"
        self._reasons += [SetAside(*row) for row in run(cursor, counted).fetchall()]
        return part

    def seal(self, *, rows_in: int, filtered: int = 0) -> Manifest:
        """Make the package exist: the manifest, then the folder under its name, all synced.

        When another writer sealed the same fingerprint meanwhile, its package stands and this one is dropped.
        Raises: DiskFull. Side effects: the sealed folder.
        """
        aside = sum(part.rows for part in (self._rejects, self._failed) if part)
        manifest = Manifest(
            fingerprint=self._fingerprint,
            columns=self._columns,
            parts=tuple(self._parts),
            rejects=self._rejects,
            rows=sum(part.rows for part in self._parts),
            rows_in=rows_in,
            filtered=filtered,
            quarantined=aside,
            failed=self._failed,
            reread=self._reread,
            reasons=tuple(sorted(self._reasons, key=lambda reason: -reason.rows)),
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
        rows = self._copied(cursor, select, columns, path)
        with _disk(path):
            path.chmod(0o600)
            return file_part(path, rows)

    def _copied(self, cursor: Cursor, select: str, columns: Sequence[Column], path: Path) -> int:
        items = ", ".join(f"{stored(column)} AS {quote(column.name)}" for column in columns)
        copy = f"COPY (SELECT {items} FROM ({select})) TO {literal(str(path))} (FORMAT parquet)"
        return int(run(cursor, copy, path=str(self._folder)).fetchall()[0][0])


class Stage:
    """The sealed packages below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def writer(
        self, fingerprint: str, columns: Sequence[Column], split: Split | None = None
    ) -> Iterator[PackageWriter]:
        """A writer of the package with that fingerprint; what was not sealed at the end of the block is removed.

        Raises: DiskFull. Side effects: a hidden folder, locked while the block lasts.
        """
        with self.scratch(fingerprint) as folder:
            yield PackageWriter(self, fingerprint, columns, folder, split)

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
        for part in manifest.files:
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

    def aside(self, manifest: Manifest, step: str, dataset: str | None) -> Origin:
        """The rows of the package that were set aside, as dead letters are made of them."""
        folder = self.root / manifest.fingerprint
        parts = [part for part in (manifest.rejects, manifest.failed) if part]
        files = {part.name: str(_parquet([folder / part.name], REJECTS).sql) for part in parts}
        return Origin(manifest, files, step, dataset)

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

    def orphans(self) -> tuple[Path, ...]:
        """The hidden folders of writers that died."""
        found = self.root.glob(f"{_WRITING}*") if self.root.is_dir() else ()
        return tuple(sorted(folder for folder in found if _abandoned(folder)))

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
