"""Folders that hold state: private ones, and joins that cannot leave their root."""

import os
import stat
from pathlib import Path

from agent_etl.engine.errors import SettingsError, UsageError

__all__ = ["inside", "prepare_home", "private_file", "private_folder", "standing"]


_ELSEWHERE = "name another home: --home FOLDER, or AGENT_ETL_HOME"


def standing(home: Path) -> bool:
    """Whether there is a home, or something else in its place. Raises: SettingsError when nobody may look."""
    try:
        return home.exists()
    except OSError as error:
        raise SettingsError(
            "The home folder cannot be looked at", home=str(home), reason=error.strerror, hint=_ELSEWHERE
        ) from error


def prepare_home(home: Path) -> Path:
    """The home folder, made when it is missing, for its owner alone.

    Raises: SettingsError when it is a file, cannot be made or written, or when everybody may write to it.
    Side effects: creates the folder with mode 0700; narrows a home that others may read.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError("The home is not a folder", home=str(home), hint=_ELSEWHERE) from error
    except OSError as error:
        raise SettingsError(
            "The home folder cannot be made", home=str(home), reason=error.strerror, hint=_ELSEWHERE
        ) from error
    mode = home.stat().st_mode
    if mode & stat.S_IWOTH:
        raise SettingsError(
            "Everybody may write to the home folder, so its state cannot be trusted",
            home=str(home),
            hint=f"chmod 700 {home}",
        )
    if not os.access(home, os.W_OK | os.X_OK):
        raise SettingsError("The home folder cannot be written", home=str(home), hint=_ELSEWHERE)
    if mode & 0o077 and home.stat().st_uid == os.getuid():
        home.chmod(0o700)
    return home


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700 when it is missing. Side effects: creates it and its parents."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """The file, made empty with mode 0600 when it is missing.

    Raises: SettingsError when it cannot be made or written. Side effects: creates it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise SettingsError(
            "A file of the home cannot be written",
            path=str(path),
            reason=error.strerror,
            hint=f"give yourself the right: chmod u+rw {path}; or {_ELSEWHERE}",
        ) from error
    return path


def inside(root: Path, name: str) -> Path:
    """`root / name` with links followed, when that lies below `root`.

    Raises: UsageError when it does not: `..`, an absolute name or a link that leads outside.
    """
    base = root.resolve()
    path = base if "\0" in name else (base / name).resolve()
    if "\0" in name or not path.is_relative_to(base):
        raise UsageError(
            "The path leads outside its folder", path=name, root=str(root), hint="name a file below the folder"
        )
    return path
