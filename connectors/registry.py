"""All connections of a run: the named ones, `warehouse`, `here`, and whatever URL or database file a plan names."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from agent_etl.engine.errors import SettingsError
from agent_etl.engine.ports import Connection
from agent_etl.engine.security.secrets import redact, resolve
from agent_etl.engine.settings import Settings, is_text

__all__ = ["Registry", "open_connections"]

WAREHOUSE = "warehouse"
"""The default target: warehouse.duckdb in the home folder."""
HERE = "here"
"""The current directory as a folder of datasets; paths may leave it."""

_SUFFIXES = {
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
    ".db3": "sqlite",
}
_SCHEMES = {
    "duckdb": "duckdb",
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "file": "files",
}
_PORTS = {"postgres": 5432, "mysql": 3306}
"""Servers, and where each listens unless its URL says so."""


def open_connections(settings: Settings, *, cwd: Path | None = None) -> "Registry":
    """The connections that the settings name, opened when they are first used. Relative paths start at `cwd`.

    Raises: SettingsError for a folder whose path is no text.
    """
    folder = (cwd or Path.cwd()).resolve()
    if not is_text(str(folder)):
        hint = "rename it, or run from another folder"
        raise SettingsError("The folder's path holds bytes that are not UTF-8", folder=str(folder), hint=hint)
    return Registry(settings, folder)


class Registry:
    """Connections by name, URL or path of a database file; implements ports.Connections. Close it at the end."""

    def __init__(self, settings: Settings, cwd: Path) -> None:
        self._settings = settings
        self._cwd = cwd
        self._opened: dict[str, Any] = {}

    def names(self) -> tuple[str, ...]:
        """The configured names with `warehouse` and `here`, sorted."""
        return tuple(sorted({*self._settings.connections, WAREHOUSE, HERE}))

    def __getitem__(self, name_or_url: str) -> Connection:
        """The connection of that name, URL or path.

        Raises: SettingsError naming what is valid. Side effects: imports the connector; nothing is connected yet.
        """
        if name_or_url not in self._opened:
            self._opened[name_or_url] = self._open(name_or_url)
        connection: Connection = self._opened[name_or_url]
        return connection

    def close(self) -> None:
        """Close every connection that was opened."""
        for connection in self._opened.values():
            connection.close()
        self._opened.clear()

    def _open(self, wanted: str) -> Any:
        configured = self._settings.connections.get(wanted)
        if configured is not None:
            return self._made(wanted, configured.url, configured.protected)
        if wanted == WAREHOUSE:
            return self._duckdb(WAREHOUSE, self._settings.home / "warehouse.duckdb", False)
        if wanted == HERE:
            return self._files(HERE, self._cwd, False, free=True)
        if "://" in wanted or Path(wanted).suffix.lower() in _SUFFIXES:
            _see_that_it_splits(wanted, wanted)
            return self._made(redact(wanted), wanted, self._is_protected(wanted))
        raise SettingsError(
            "No connection has this name",
            name=redact(wanted),
            valid=list(self.names()),
            hint="run `agent-etl connections`, or add it to [connections] in agent_etl.toml",
        )

    def _is_protected(self, wanted: str) -> bool:
        """A protected connection stays protected when a plan names it by a URL or a path of its own."""
        place = self._place(wanted, wanted)
        known = self._settings.connections.items()
        return any(one.protected and self._place(name, one.url) == place for name, one in known)

    def _place(self, name: str, url: str) -> tuple[str, str]:
        """The kind of system and where it is, whoever connects to it."""
        kind = self._kind(name, url)
        port = _PORTS.get(kind)
        if port is None:
            return kind, str(self._path(url).resolve())
        parts = urlsplit(url)
        return kind, f"{parts.hostname or 'localhost'}:{parts.port or port}{parts.path}"

    def _kind(self, name: str, url: str) -> str:
        """The connector of a URL, a database file's path or a folder's. Raises: SettingsError naming what is valid."""
        scheme, separator, _ = url.partition("://")
        if separator:
            kind = _SCHEMES.get(scheme.lower().partition("+")[0])
            if kind is None:
                raise SettingsError(
                    "No connector knows this kind of URL",
                    connection=redact(name),
                    scheme=scheme,
                    valid=sorted(_SCHEMES),
                    hint="use one of these schemes, or the path of a database file",
                )
            return kind
        place = self._path(url)
        kind = _SUFFIXES.get(place.suffix.lower(), "files" if place.is_dir() else None)
        if kind is None:
            raise SettingsError(
                "The connection is neither a URL, a database file nor a folder",
                connection=name,
                path=url,
                suffixes=sorted(_SUFFIXES),
                schemes=sorted(_SCHEMES),
                hint="correct the path, or write a URL",
            )
        return kind

    def _made(self, name: str, url: str, protected: bool) -> Any:
        _see_that_it_splits(name, url)
        kind = self._kind(name, url)
        if kind in _PORTS:
            return {"postgres": self._postgres, "mysql": self._mysql}[kind](name, url, protected)
        return {"duckdb": self._duckdb, "sqlite": self._sqlite, "files": self._files}[kind](
            name, self._path(url), protected
        )

    def _path(self, url: str) -> Path:
        """The place of a URL or a plain path.

        As in SQLAlchemy three slashes begin a relative path and four an absolute one; for `file:` three begin an
        absolute one, as everywhere.
        """
        if "://" not in url:
            return self._cwd / Path(resolve(url)).expanduser()
        parts = urlsplit(resolve(url))
        path = unquote(parts.path)
        if parts.netloc not in ("", "localhost"):
            path = f"{unquote(parts.netloc)}{path}"
            return self._cwd / Path(path)
        if parts.scheme == "file":
            return Path(path)
        if path.startswith("//"):
            return Path("/" + path.lstrip("/"))
        return self._cwd / Path(path.removeprefix("/")).expanduser()

    def _duckdb(self, name: str, path: Path, protected: bool) -> Any:
        from agent_etl.connectors.duckdb import DuckdbConnection

        settings = self._settings
        return DuckdbConnection(
            name, path, protected=protected, memory_limit=settings.memory_limit, threads=settings.threads
        )

    def _sqlite(self, name: str, path: Path, protected: bool) -> Any:
        from agent_etl.connectors.sqlite import SqliteConnection

        return SqliteConnection(name, path, protected=protected, memory_limit=self._settings.memory_limit)

    def _postgres(self, name: str, url: str, protected: bool) -> Any:
        from agent_etl.connectors.postgres import PostgresConnection

        return PostgresConnection(name, url, protected=protected, memory_limit=self._settings.memory_limit)

    def _mysql(self, name: str, url: str, protected: bool) -> Any:
        from agent_etl.connectors.mysql import MysqlConnection

        return MysqlConnection(name, url, protected=protected, memory_limit=self._settings.memory_limit)

    def _files(self, name: str, path: Path, protected: bool, free: bool = False) -> Any:
        from agent_etl.connectors.files import FilesConnection

        return FilesConnection(name, path, free=free, protected=protected)


def _see_that_it_splits(name: str, url: str) -> None:
    """Raises: SettingsError for a URL that is no text, or whose host or port cannot be told from the rest."""
    try:
        _ = url.encode(), urlsplit(url).port
    except ValueError:  # also of what is not UTF-8
        raise SettingsError(
            "The connection's URL cannot be read",
            connection=redact(name),
            url=redact(url),
            hint="write KIND://USER:${NAME}@HOST:PORT/DATABASE; in user and password [ ] @ : / are %5B %5D %40 %3A %2F",
        ) from None
