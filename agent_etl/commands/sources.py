"""`agent-etl connections` and `agent-etl inspect`: what goals can name, and what is in it."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from agent_etl.arguments import pairs
from agent_etl.connectors.registry import Registry, open_connections
from agent_etl.display import consoles, table_view
from agent_etl.engine.complaints import nearest
from agent_etl.engine.errors import NotFound, SettingsError, UsageError
from agent_etl.engine.ports import Connection
from agent_etl.engine.schema import Table
from agent_etl.engine.settings import is_text, load_settings
from agent_etl.exits import Exit
from agent_etl.records import print_json

__all__ = ["connections", "inspect", "not_there_yet"]


@contextmanager
def _registry(named: Iterable[str], home: Path | None) -> Iterator[Registry]:
    registry = open_connections(load_settings(home=home, connections=pairs("--connection", named)))
    try:
        yield registry
    finally:
        registry.close()


def connections(named: Iterable[str], home: Path | None, *, json: bool) -> Exit:
    """List the connections by name."""
    with _registry(named, home) as registry:
        found = [registry[name] for name in registry.names()]
        if json:
            print_json({"connections": [_record(connection) for connection in found]})
        else:
            rows = [(c.name, c.kind, c.url, "asks before every load" if c.protected else "") for c in found]
            consoles()[0].print(table_view("connections", ("name", "kind", "url", "protected"), rows))
    return Exit.SUCCEEDED


def _record(connection: Connection) -> dict[str, object]:
    return {
        "name": connection.name,
        "kind": connection.kind,
        "url": connection.url,
        "protected": connection.protected,
    }


def inspect(source: str, table_name: str | None, named: Iterable[str], home: Path | None, *, json: bool) -> Exit:
    """Show a connection's tables, or one table of it.

    Raises: NotFound when neither a connection, a file, a database nor a table of that name is there; UsageError for a
    name that is no text.
    """
    if not (is_text(source) and is_text(table_name or "")):
        raise UsageError("The name holds bytes that are not UTF-8", name=source, hint="rename the file")
    with _registry(named, home) as registry:
        connection, dataset = _find(source, registry)
        dataset = table_name or dataset
        if dataset is None:
            _show_tables(connection, json=json)
            return Exit.SUCCEEDED
        try:
            table = connection.source().describe(dataset)
        except NotFound as error:
            raise _nearest(error, connection) from None
    if json:
        print_json(asdict(replace(table, options={})) | {"options": dict(table.options)})
    else:
        _print(table)
    return Exit.SUCCEEDED


def _show_tables(connection: Connection, *, json: bool) -> None:
    tables = connection.source().tables()
    if json:
        print_json({"connection": _record(connection), "tables": list(tables)})
        return
    title = f"{connection.name} ({connection.kind}){not_there_yet(connection)}"
    consoles()[0].print(table_view(title, ("table",), [(name,) for name in tables]))


def not_there_yet(connection: Connection) -> str:
    """What to add about a database whose file nothing has made yet; empty for anything else."""
    path = getattr(connection, "path", None)  # only what lives in a file has one
    missing = isinstance(path, Path) and not path.exists()
    return ", its file is not there yet: the first load makes it" if missing else ""


def _nearest(error: NotFound, connection: Connection) -> NotFound:
    """The error with the names that are near, and the command that lists all of them."""
    wanted = str(error.fields.get("dataset", ""))
    near = nearest(wanted, connection.source().tables())
    lists = f"agent-etl inspect {shlex.quote(connection.name)} lists what is there"
    hint = error.hint if error.hint != NotFound.advice else ""
    told = (f"nearest: {', '.join(near)}" if near else "", hint, lists)
    return NotFound(error.message, **error.fields, hint="; ".join(part for part in told if part))


def _find(source: str, registry: Registry) -> tuple[Connection, str | None]:
    """The connection that is meant, and the dataset when one is."""
    if source in registry.names():
        return registry[source], None
    head, dot, rest = source.partition(".")
    if dot and head in registry.names():
        return registry[head], rest
    path = Path(source).expanduser()
    if path.is_dir():
        return registry[path.resolve().as_uri()], None
    try:
        found = registry[source]
    except SettingsError:
        if "://" in source:
            raise
        # No connection and no database: a file, a glob or nothing, which the current folder can tell.
        if not (path.suffix or "/" in source or path.exists()):
            raise NotFound(
                "No connection, folder or file has this name",
                name=source,
                connections=list(registry.names()),
                hint="agent-etl connections lists the connections, agent-etl inspect . the files of this folder",
            ) from None
        return registry["here"], source
    if not_there_yet(found):
        raise NotFound("The database file is not there", path=source, hint="correct its path")
    return found, None


def _print(table: Table) -> None:
    out = consoles()[0]
    rows = f"{table.rows:,} rows" if table.rows is not None else "rows not counted"
    title = f"{table.connection}: {table.dataset} ({rows})"
    columns = [(c.name, c.type, "" if c.nullable else "not null", _keys(table, c.name)) for c in table.columns]
    out.print(table_view(title, ("column", "type", "", "key"), columns))
    for note in table.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)


def _keys(table: Table, column: str) -> str:
    parts = ["primary key"] if column in table.primary_key else []
    parts += ["unique" for columns in table.unique if column in columns]
    parts += [f"→ {key.table}.{', '.join(key.referred)}" for key in table.foreign_keys if column in key.columns]
    return ", ".join(dict.fromkeys(parts))
