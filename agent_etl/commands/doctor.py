"""`agent-etl doctor`: is everything there that a run needs, and is what was loaded still there?"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from agent_etl.arguments import pairs
from agent_etl.commands.accounts import compared, interrupted, rebuilt, staged, written
from agent_etl.commands.finding import Finding, tried
from agent_etl.commands.machine import clock, disk, home_folder, private_files, versions
from agent_etl.commands.sources import not_there_yet
from agent_etl.connectors.registry import Registry, open_connections
from agent_etl.display import consoles, table_view
from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.engine.store import RunStore
from agent_etl.exits import Exit
from agent_etl.records import print_json

__all__ = ["doctor", "examine"]


def doctor(
    connections: Iterable[str], home: Path | None, *, json: bool, rebuild: bool = False, accept_loss: bool = False
) -> Exit:
    """Show what was found. Side effects: opens every connection for reading; heals the store's mirror of the loads.

    `rebuild` makes that mirror anew from the targets, `accept_loss` forgets what targets have lost.
    """
    settings = load_settings(home=home, connections=pairs("--connection", connections))
    found = list(examine(settings, rebuild=rebuild, accept_loss=accept_loss))
    healthy = all(finding.ok for finding in found)
    if json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in found]})
    else:
        rows = [("✓" if f.ok else "✗", f.what, f.found, f.hint) for f in found]
        consoles()[0].print(table_view("doctor", ("", "what", "found", "what to do"), rows))
    return Exit.SUCCEEDED if healthy else Exit.FAILED


def examine(settings: Settings, *, rebuild: bool = False, accept_loss: bool = False) -> Iterator[Finding]:
    """Look at versions, the home, the disk, the run store, every connection, and at what was loaded through them."""
    yield from versions()
    folder = home_folder(settings.home)
    yield folder
    yield disk("disk", settings.home)
    registry = open_connections(settings)
    try:
        if rebuild:
            yield from rebuilt(settings, registry)
        yield from _stored(settings, registry, accept_loss=accept_loss)
        for name in registry.names():
            yield tried(f"connection {name}", partial(_tables, registry, name))
            yield from _target_disk(registry, name)
    finally:
        registry.close()


def _stored(settings: Settings, registry: Registry, *, accept_loss: bool) -> Iterator[Finding]:
    if settings.store_url is None and not (settings.home / "state.db").exists():
        left = (settings.home / "checkpoints.db").exists()
        said = "state.db is missing" if left else "made by the first run"
        yield Finding("run store", not left, said, "agent-etl doctor --rebuild" if left else "")
        yield clock(())
        return
    try:
        with RunStore(settings.home, url=settings.store_url) as store:
            yield interrupted(store)
            yield clock([written(store)])
            yield from compared(store, registry, accept=accept_loss)
    except AgentEtlError as error:
        yield Finding("run store", False, error.message, error.hint or "agent-etl doctor --rebuild")
        return
    yield Finding("run store", True, settings.home.name if settings.store_url is None else "elsewhere")
    yield private_files(settings.home)
    yield staged(settings.home)


def _tables(registry: Registry, name: str) -> str:
    connection = registry[name]
    return f"{len(connection.source().tables())} tables" + not_there_yet(connection)


def _target_disk(registry: Registry, name: str) -> Iterator[Finding]:
    """Disk space where a connection's files lie, when that is another place than the home's."""
    try:
        scheme, _, path = registry[name].url.partition("://")
    except AgentEtlError:
        return
    if scheme in ("duckdb", "sqlite", "file"):
        found = disk(f"disk of {name}", Path("/" + path.lstrip("/")))
        if not found.ok:
            yield found
