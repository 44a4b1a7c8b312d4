"""A folder as a database: which files a dataset's name stands for, without ever leaving the folder."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from agent_etl.connectors.filekind import named_kind
from agent_etl.engine.errors import NotFound, ReadError
from agent_etl.engine.tasks import fingerprint

__all__ = ["MARKER_FOLDER", "Folder"]

MARKER_FOLDER = "_etl_loads"
"""Beside target files: the folder that holds their load markers; never a dataset."""

_WILD = frozenset("*?[")
_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True)
class Folder:
    """Paths below `root`, after symbolic links are followed. `free`: a user may also name paths outside of it."""

    name: str
    root: Path
    free: bool = False

    def tables(self) -> tuple[str, ...]:
        """Names of the data files that lie directly in the folder, sorted."""
        try:
            entries = sorted(self.root.iterdir())
        except OSError as error:
            raise NotFound("The folder cannot be listed", connection=self.name, reason=error.strerror) from error
        return tuple(entry.name for entry in entries if self._is_data(entry))

    def files(self, dataset: str) -> tuple[Path, ...]:
        """The files that a dataset's name stands for: one path, a glob's matches sorted, or the only file of that stem.

        Raises: NotFound (nothing matches, several do, or the path leaves the folder), ReadError for a folder.
        """
        path = self.place(dataset)
        try:
            return self._found(dataset, path)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise NotFound(
                "The path cannot be followed", connection=self.name, dataset=dataset, reason=reason
            ) from error

    def _found(self, dataset: str, path: Path) -> tuple[Path, ...]:
        if path.is_dir():
            raise ReadError(
                "The dataset is a folder",
                connection=self.name,
                dataset=dataset,
                hint=f"name its files: {dataset}/*.csv",
            )
        if path.exists():
            return (path,)
        if _WILD & set(dataset):
            return self._matches(dataset)
        if named_kind(path.name) is None:
            return self._by_stem(dataset, path)
        raise NotFound("There is no such file", connection=self.name, dataset=dataset, hint=self._near(dataset))

    def place(self, relative: str) -> Path:
        """Where a name leads, checked to stay inside. Raises: NotFound."""
        if "\x00" in relative or not relative.strip():
            raise NotFound("A path is empty or holds a NUL", connection=self.name, dataset=repr(relative))
        wanted = os.path.expanduser(relative) if self.free else relative  # noqa: PTH111 (unknown users stay as they are)
        path = Path(os.path.normpath(self.root / wanted))
        self._inside(path, relative)
        return path

    def version(self, files: tuple[Path, ...]) -> str:
        """Changes when a file is added, removed, rewritten or replaced."""
        try:
            facts = [(str(file), *_identity(file)) for file in files]
        except OSError as error:
            name = Path(str(error.filename)).name
            raise NotFound("A file went away", connection=self.name, dataset=name, reason=error.strerror) from error
        return fingerprint(facts)

    def _inside(self, path: Path, shown: str) -> None:
        if self.free:
            return
        root = os.path.realpath(self.root)
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            raise NotFound(
                "The path leads out of the connection's folder",
                connection=self.name,
                dataset=shown,
                hint="name a file inside the folder, or use the connection `here` for other paths",
            )

    def _matches(self, pattern: str) -> tuple[Path, ...]:
        wanted = os.path.expanduser(pattern) if self.free else pattern  # noqa: PTH111
        found = sorted(glob.glob(wanted, root_dir=self.root, recursive=True))  # noqa: PTH207 (root_dir keeps it relative)
        paths = tuple(self.place(match) for match in found)
        files = tuple(path for path in paths if path.is_file() and MARKER_FOLDER not in path.parts)
        if not files:
            raise NotFound("No file matches the pattern", connection=self.name, dataset=pattern)
        if len(files) > _MOST_FILES:
            raise ReadError(
                "The pattern matches too many files", connection=self.name, dataset=pattern, files=len(files)
            )
        return files

    def _by_stem(self, dataset: str, path: Path) -> tuple[Path, ...]:
        stem = path.name.lower()
        try:
            entries = sorted(path.parent.iterdir())
        except OSError:
            entries = []
        found = [entry for entry in entries if self._is_data(entry) and entry.name.lower().split(".")[0] == stem]
        if len(found) == 1:
            return (found[0],)
        names = [entry.name for entry in found]
        if names:
            raise NotFound("Several files have that name", connection=self.name, dataset=dataset, candidates=names)
        raise NotFound("There is no such file", connection=self.name, dataset=dataset, hint=self._near(dataset))

    def _is_data(self, entry: Path) -> bool:
        if entry.name.startswith((".", "_")) or named_kind(entry.name) is None or not entry.is_file():
            return False
        try:
            self._inside(entry, entry.name)
        except NotFound:
            return False
        return True

    def _near(self, dataset: str) -> str:
        try:
            names = self.tables()
        except NotFound:
            return "the folder itself is not there"
        if not names:
            return "the folder holds no data file"
        stem = Path(dataset).name.lower().split(".")[0]
        alike = [name for name in names if name.lower().split(".")[0] == stem] or list(names)
        return f"files there are {', '.join(alike[:12])}"


def _identity(path: Path) -> tuple[int, int, int]:
    """Size, time of change and inode: what tells one state of a file from another."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino
