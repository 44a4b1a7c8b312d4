"""The verb that surveys: what the goal's words may mean among files, folders, URLs and connections."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from agent_etl.engine.complaints import nearest
from agent_etl.engine.errors import AgentEtlError, ConnectionLost, NotFound, SettingsError, SourceError, UsageError
from agent_etl.engine.mentions import Mention, mentions
from agent_etl.engine.plan import Extract, Plan
from agent_etl.engine.ports import Connection, Connections
from agent_etl.engine.schema import Catalogue, Table
from agent_etl.tools.base import Effect, verb
from agent_etl.tools.relevance import Wanted

__all__ = ["describe_plan_sources", "describe_source", "survey"]

HERE = "here"
_MOST_TABLES = 50
"""A connection with more tables is described only where the goal may mean one of them."""

_DATABASES = (".db", ".db3", ".sqlite", ".sqlite3", ".duckdb", ".ddb")


@verb(Effect.READ)
def survey(goal: str, connections: Connections) -> Catalogue:
    """The catalogue for a goal: what it mentions, the tables of the configured connections, and files of its words.

    Names that lead nowhere are in `missing`: one may be a target that is made later. Datasets that the goal does not
    mention and that cannot be read are left out; connections that it does not name and that do not answer are in
    `unreachable`. Raises: ReadError for a mentioned file that cannot be read; ConnectionLost, SettingsError for a
    connection that the goal names. Side effects: opens connections.
    """
    return _Survey(goal, connections).run()


@verb(Effect.READ)
def describe_source(step: Extract, connections: Connections) -> Table | None:
    """The step's source as it is now, read by its own options; None when it is not there."""
    connection = _connected(connections, step.source)
    try:
        return connection.source().describe(step.dataset, step.options or None) if connection else None
    except NotFound:
        return None


@verb(Effect.READ)
def describe_plan_sources(plan: Plan, connections: Connections, base: Catalogue | None = None) -> Catalogue:
    """The catalogue with the plan's sources as they are now, under the plan's own names of them, added to `base`.

    A source or target that no connection is named as is left out: the agents say so. Raises: SettingsError for a
    connection that cannot be used, ReadError, ConnectionLost.
    """
    base = base or Catalogue(())
    tables = {(table.connection, table.dataset): table for table in base.tables}
    kinds, missing = dict(base.connections), list(base.missing)
    for step in plan.extracts:
        try:
            found = describe_source(step, connections)
        except AgentEtlError as error:
            error.fields = {"step": step.name, "dataset": step.dataset, **error.fields}
            raise
        kinds |= _kind(connections, step.source)
        if found is None:
            tables.pop((step.source, step.dataset), None)
            missing.append(step.dataset)
        else:
            tables[step.source, step.dataset] = replace(found, connection=step.source, dataset=step.dataset)
    for load in plan.loads:
        kinds |= _kind(connections, load.target)
    return replace(base, tables=tuple(tables.values()), connections=kinds, missing=tuple(dict.fromkeys(missing)))


def _connected(connections: Connections, name: str) -> Connection | None:
    """The connection of that name, URL or path; None when there is none."""
    try:
        return connections[name]
    except UsageError:
        return None


def _kind(connections: Connections, name: str) -> dict[str, str]:
    connection = _connected(connections, name)
    return {name: connection.kind} if connection else {}


class _Survey:
    def __init__(self, goal: str, connections: Connections) -> None:
        self.connections = connections
        self.mentioned = mentions(goal)
        self.wanted = Wanted(goal, self.mentioned)
        self.tables: dict[tuple[str, str], Table] = {}
        self.kinds: dict[str, str] = {}
        self.missing: list[str] = []
        self.unreachable: list[str] = []
        self.files: tuple[str, ...] = ()
        self.places: dict[str, str] = {}

    def run(self) -> Catalogue:
        for mention in self.mentioned:
            if mention.kind != "name":
                self._place(mention)
        for name in self.connections.names():
            try:
                self._connection(name)
            except (ConnectionLost, SettingsError):
                if self.wanted.names(name):
                    raise
                self.unreachable.append(name)  # the goal may do without it
        missing = tuple(dict.fromkeys(self.missing))
        return Catalogue(
            tuple(self.tables.values()),
            self.kinds,
            missing=missing,
            places=self.places,
            unreachable=tuple(self.unreachable),
            near={name: near for name in missing if (near := nearest(name, self.files))},
        )

    def _connection(self, name: str) -> None:
        """What a configured connection holds."""
        connection = self.connections[name]
        self.kinds[name] = connection.kind
        if name == HERE:
            self._folder_files(connection)
        else:
            self._whole(connection, named=self.wanted.names(name))

    def _place(self, mention: Mention) -> None:
        """A file, glob, folder or URL that the goal spells out."""
        text = mention.text
        if mention.kind == "url":
            found = self._url(text)
        elif text.lower().endswith(_DATABASES):
            found = self._database(text)
        elif mention.kind == "path" or text.endswith("/"):
            found = self._folder(text)
        else:
            found = self._file(text)
        if not found:
            self.missing.append(text)

    def _url(self, url: str) -> bool:
        scheme = url.partition("://")[0].lower()
        if scheme == "file" and not url.endswith("/"):
            return self._file(url.removeprefix("file://"))
        try:
            connection = self.connections[url]
        except UsageError:
            return False
        self.kinds[connection.name] = connection.kind
        return self._whole(connection, named=True)

    def _database(self, path: str) -> bool:
        """A database file: of the current directory, else what a connection is, else in a folder connection."""
        for place in (path, *self._databases(path)):
            connection = self.connections[place]
            if self._whole(connection, named=True):
                self.kinds[connection.name] = connection.kind
                self.places[path] = connection.name
                return True
        return False

    def _databases(self, path: str) -> Iterator[str]:
        names = [name for name in self.connections.names() if name != HERE]
        for name in names:
            if self.connections[name].url.endswith("/" + path):
                yield name
        for name in names:
            if self.connections[name].kind == "files" and not path.startswith("/"):
                yield unquote(urlsplit(self.connections[name].url).path) + path

    def _folder(self, path: str) -> bool:
        """The data files of a folder, as datasets of the current directory."""
        here = self.connections[HERE]
        try:
            names = self.connections[_below(here.url, path)].source().tables()
        except (NotFound, UsageError):
            return False
        prefix = path if path.endswith("/") else f"{path}/"
        for name in self.wanted.among(names) if len(names) > _MOST_TABLES else names:
            self._add(here, f"{prefix}{name}", required=False)
        return bool(names)

    def _file(self, text: str) -> bool:
        """A file or glob: of the current directory, else of the folder connections."""
        folders = [HERE, *(name for name in self.connections.names() if name != HERE)]
        for name in folders:
            connection = self.connections[name]
            if connection.kind == "files" and self._add(connection, text, required=True):
                return True
        return False

    def _folder_files(self, here: Connection) -> None:
        """Files of the current directory that the goal's words may mean."""
        try:
            self.files = here.source().tables()
        except (NotFound, UsageError):
            return
        for name in filter(self.wanted.likely, self.files):
            self._add(here, name, required=self.wanted.exactly(name))

    def _whole(self, connection: Connection, *, named: bool) -> bool:
        """A connection's tables: all of them, or those that may be meant when there are many."""
        try:
            names = connection.source().tables()
            chosen: Iterable[str] = self.wanted.among(names) if len(names) > _MOST_TABLES else names
            for name in chosen:
                self._add(connection, name, required=named and self.wanted.exactly(name))
        except NotFound:
            return False  # a database that the first load will make
        return bool(names)

    def _add(self, connection: Connection, dataset: str, *, required: bool) -> bool:
        if (connection.name, dataset) in self.tables:
            return True
        try:
            table = connection.source().describe(dataset)
        except NotFound:
            return False
        except (SourceError, UsageError) as error:
            if required:
                raise _placed(error, connection, dataset) from error
            return False
        self.tables[connection.name, dataset] = table
        return True


def _placed(error: AgentEtlError, connection: Connection, dataset: str) -> AgentEtlError:
    """The error with the place that it is about."""
    error.fields = {"connection": connection.name, "dataset": dataset, **error.fields}
    return error


def _below(url: str, path: str) -> str:
    """The URL of a folder that a goal names by a path, absolute or below the current directory."""
    return f"file://{path}" if path.startswith("/") else f"{url.rstrip('/')}/{path.removeprefix('./').strip('/')}/"
