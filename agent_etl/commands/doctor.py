"""`agent-etl doctor`: is everything there that a run needs?"""

import os
import platform
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from agent_etl.arguments import pairs
from agent_etl.commands.sources import not_there_yet
from agent_etl.connectors.registry import Registry, open_connections
from agent_etl.display import consoles, table_view
from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.exits import Exit
from agent_etl.records import print_json

__all__ = ["Finding", "doctor", "examine"]

PACKAGES = ("agent-etl", "duckdb", "langgraph", "pyarrow", "sqlalchemy", "sqlglot")
ENOUGH_DISK = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; `hint` is what to do when it is not `ok`."""

    what: str
    ok: bool
    found: str
    hint: str = ""


def doctor(connections: Iterable[str], home: Path | None, *, json: bool) -> Exit:
    """Show what was found. Side effects: opens every connection for reading."""
    settings = load_settings(home=home, connections=pairs("--connection", connections))
    found = list(examine(settings))
    healthy = all(finding.ok for finding in found)
    if json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in found]})
    else:
        rows = [("✓" if f.ok else "✗", f.what, f.found, f.hint) for f in found]
        consoles()[0].print(table_view("doctor", ("", "what", "found", "what to do"), rows))
    return Exit.SUCCEEDED if healthy else Exit.FAILED


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at versions, the home folder, the disk, the run store and every connection."""
    yield Finding("python", True, platform.python_version())
    for package in PACKAGES:
        yield Finding(package, True, version(package))
    yield _home(settings.home)
    yield _disk(settings.home)
    yield _tried("run store", lambda: _store(settings))
    registry = open_connections(settings)
    try:
        for name in registry.names():
            yield _tried(f"connection {name}", partial(_tables, registry, name))
    finally:
        registry.close()


def _tables(registry: Registry, name: str) -> str:
    connection = registry[name]
    return f"{len(connection.source().tables())} tables" + not_there_yet(connection)


def _home(home: Path) -> Finding:
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


def _nearest(home: Path) -> Path:
    """The home, or the nearest of its folders that this user can see."""
    return next(path for path in (home, *home.parents) if os.path.lexists(path))


def _disk(home: Path) -> Finding:
    standing = next(path for path in (home, *home.parents) if os.path.isdir(path))  # noqa: PTH112  # asks no right
    free = shutil.disk_usage(standing).free
    enough = free >= ENOUGH_DISK
    return Finding("disk", enough, f"{free / (1 << 30):.1f} GiB free", "" if enough else "free at least 1 GiB")


def _store(settings: Settings) -> str:
    from agent_etl import list_runs

    return f"{len(list_runs(home=settings.home))} runs"


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except AgentEtlError as error:
        reason = error.fields.get("reason") or error.fields.get("variable")
        return Finding(what, False, f"{error.message}: {reason}" if reason else error.message, error.hint)
    except OSError as error:
        return Finding(what, False, f"{error.filename}: {error.strerror}", "see that you may use it: ls -ld PATH")
