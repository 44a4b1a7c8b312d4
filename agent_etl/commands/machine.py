"""The doctor's looks at the machine: versions, the home folder and who may read it, disk space, the clock."""

import os
import platform
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from tempfile import TemporaryFile

from agent_etl.commands.finding import Finding

__all__ = ["ENOUGH_DISK", "clock", "disk", "home_folder", "private_files", "supported", "versions"]

ENOUGH_DISK = 1 << 30
_SKEW = 5.0  # seconds
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)")
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*([0-9.]+)")


def versions() -> Iterator[Finding]:
    """The versions of Python, of agent-etl and of what it needs, against what it was made for."""
    yield Finding("python", True, platform.python_version())
    yield Finding("agent-etl", True, version("agent-etl"))
    for requirement in sorted(requires("agent-etl") or ()):
        match = _REQUIREMENT.match(requirement)
        if match is None or "extra ==" in requirement:
            continue
        name, wanted = match.group(1), match.group(2).strip()
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(name, False, "not installed", f"pip install '{name}{wanted}'")
            continue
        fits = supported(found, wanted)
        yield Finding(name, fits, found, "" if fits else f"pip install '{name}{wanted}'")


def supported(found: str, wanted: str) -> bool:
    """Whether a version lies within bounds such as `<3,>=2`; what is no release (2.0rc1) counts as the release."""
    return all(_holds(_numbers(found), sign, _numbers(bound)) for sign, bound in _BOUND.findall(wanted))


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers, without the zeros at the end: 2 and 2.0.0 are the same."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", text)
    numbers = [int(part) for part in match.group().split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _holds(found: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    return {
        ">=": found >= bound,
        "<=": found <= bound,
        "==": found == bound,
        "<": found < bound,
        ">": found > bound,
    }[sign]


def home_folder(home: Path) -> Finding:
    """Whether the home can be used, and by its owner alone."""
    there = _nearest(home)
    elsewhere = "name another home: --home FOLDER, or AGENT_ETL_HOME"
    if not there.is_dir():
        return Finding("home", False, f"{there} is not a folder", elsewhere)
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding("home", False, f"{there} cannot be written", elsewhere)
    if there != home:
        return Finding("home", True, f"{home} (made by the first run)")
    mode = stat.S_IMODE(home.stat().st_mode)
    private = mode & 0o077 == 0
    return Finding("home", private, f"{home} mode {mode:04o}", "" if private else f"chmod 700 {home}")


def private_files(home: Path) -> Finding:
    """Whether what lies in the home is its owner's alone; others' databases among it are not looked into."""
    open_ = [path for path in _entries(home) if stat.S_IMODE(path.lstat().st_mode) & 0o022 or _leaks(path)]
    if not open_:
        return Finding("files of the home", True, "private")
    names = ", ".join(path.name for path in open_[:5])
    return Finding("files of the home", False, f"others may use {names}", f"chmod -R go= {home}")


def _entries(home: Path) -> list[Path]:
    return sorted(path for path in home.iterdir() if not path.is_symlink()) if home.is_dir() else []


def _leaks(path: Path) -> bool:
    """Whether others may read what holds goals, plans, rows and checkpoints; the home keeps them out of the rest."""
    private = path.suffix == ".db" or path.is_dir()
    return private and bool(stat.S_IMODE(path.lstat().st_mode) & 0o077) and not path.name.startswith("warehouse")


def _nearest(home: Path) -> Path:
    """The home, or the nearest of its folders that this user can see."""
    return next(path for path in (home, *home.parents) if os.path.lexists(path))


def disk(what: str, folder: Path) -> Finding:
    """Free space on the disk of a folder, or of the nearest one that is there."""
    standing = next(path for path in (folder, *folder.parents) if os.path.isdir(path))  # noqa: PTH112  # asks no right
    free = shutil.disk_usage(standing).free
    enough = free >= ENOUGH_DISK
    return Finding(what, enough, f"{free / (1 << 30):.1f} GiB free", "" if enough else "free at least 1 GiB")


def clock(written: Iterable[float]) -> Finding:
    """Whether the clock agrees with the disk's and lies after everything that was `written` (seconds since 1970).

    No lease and no order of loads asks the clock; run ids and the times that people read do.
    """
    with TemporaryFile() as file:
        beside = os.fstat(file.fileno()).st_mtime
    now = time.time()
    latest = max(written, default=0.0)
    if abs(now - beside) > _SKEW:
        return Finding("clock", False, f"{now - beside:+.0f} s from the disk's clock", "set the clock")
    if latest - now > _SKEW:
        return Finding("clock", False, f"{latest - now:.0f} s behind the newest run", "set the clock")
    return Finding("clock", True, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))
