"""The doctor's looks at what was loaded: the store against the targets' markers, interrupted runs, the stage."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from agent_etl.commands.finding import Finding, tried
from agent_etl.connectors.registry import Registry
from agent_etl.engine.errors import AgentEtlError, SettingsError
from agent_etl.engine.mirror import Difference, compare, heal, lossy, rebuild
from agent_etl.engine.ports import Connection
from agent_etl.engine.settings import Settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore, set_aside
from agent_etl.graphs.reading import status_of

__all__ = ["compared", "interrupted", "rebuilt", "staged", "written"]


def compared(store: RunStore, registry: Registry, *, accept: bool) -> Iterator[Finding]:
    """Each table that this home has loaded into, against its markers.

    Side effects: heals the mirror; with `accept` what was lost is remembered no longer.
    """
    by_url = {registry[name].url: registry[name] for name in registry.names()}
    for url, table in store.places():
        what = f"loads into {table}"
        connection = by_url.get(url)
        if connection is None:
            try:
                connection = registry[url]
            except SettingsError:
                yield Finding(what, True, f"not looked at: no connection leads to {url}")
                continue
        yield _compared(what, connection, table, store, accept=accept)


def _compared(what: str, connection: Connection, table: str, store: RunStore, *, accept: bool) -> Finding:
    try:
        found = compare(connection, table, store)
    except AgentEtlError as error:
        return Finding(what, False, f"{connection.url}: {error.message}", error.hint)
    healed = heal(found, store)
    said = f"{len(store.loads_into(connection.url, table))} in {connection.url}"
    said += f", {len(healed)} of them were missing here" if healed else ""
    if not found.lost:
        return Finding(what, True, said)
    if accept:
        store.forget_loads(found.target, found.table, [load.load_id for load in found.lost])
        return Finding(what, True, f"{_lost(found)} lost, accepted")
    return Finding(what, False, f"{_lost(found)} lost from {connection.url}", lossy(found, found.lost).hint)


def _lost(found: Difference) -> str:
    rows = sum(load.rows for load in found.lost)
    return f"{len(found.lost)} loads of {rows} rows ({', '.join(load.load_id[:12] for load in found.lost[:5])})"


def interrupted(store: RunStore) -> Finding:
    """Runs whose process died, and those that were given up. Their leases are free: nothing waits for them."""
    rows = [(row.run_id, status_of(store, row)) for row in store.list_runs()]
    broken = [run for run, status in rows if status == "interrupted"]
    dead = [run for run, status in rows if status == "dead"]
    if dead:
        return Finding("runs", False, f"dead: {', '.join(dead[:5])}", f"agent-etl resume {dead[0]} --force")
    if broken:
        return Finding(
            "runs", True, f"{len(rows)}, interrupted: {', '.join(broken[:5])}", f"agent-etl resume {broken[0]}"
        )
    return Finding("runs", True, str(len(rows)))


def staged(home: Path) -> Finding:
    """What lies in the stage, and what dead writers left there. Side effects: none; the next run sweeps."""
    stage = Stage(home / "stage")
    folders = [path for path in stage.root.iterdir() if path.is_dir()] if stage.root.is_dir() else []
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    orphans = stage.orphans()
    said = f"{len(folders) - len(orphans)} packages, {size / (1 << 20):.1f} MiB"
    said += f", {len(orphans)} left by dead writers (the next run removes them)" if orphans else ""
    return Finding("stage", True, said)


def written(store: RunStore) -> float:
    """When the newest run was last changed, in seconds since 1970."""
    return max((datetime.fromisoformat(row.updated_at).timestamp() for row in store.list_runs()), default=0.0)


def rebuilt(settings: Settings, registry: Registry) -> Iterator[Finding]:
    """The mirror made anew from the targets' markers, in a new store where the old one cannot be used.

    Side effects: sets a damaged state.db aside, never removes it; writes the mirror.
    """
    try:
        RunStore(settings.home, url=settings.store_url).close()
    except SettingsError:
        if settings.store_url is not None:
            raise
        aside = set_aside(settings.home)
        yield Finding("rebuild", True, f"the damaged run store was set aside as {aside.name}")
    with RunStore(settings.home, url=settings.store_url) as store:
        for name in registry.names():
            yield tried(f"rebuild from {name}", lambda name=name: f"{rebuild(registry[name], store)} loads")  # type: ignore[misc]
