"""An SQL database as a target: the same questions and the same load protocol over any system's session."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from agent_etl.connectors import increment, letters, loading
from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.names import TableName
from agent_etl.connectors.session import Session
from agent_etl.engine.deadletters import LETTERS
from agent_etl.engine.errors import NotFound
from agent_etl.engine.ports import Capabilities, LoadOrder, LoadResult, Marker, Relation, Source
from agent_etl.engine.schema import Table
from agent_etl.engine.watermark import Watermark

__all__ = ["SqlTarget"]

OpenSession = Callable[[bool], AbstractContextManager[Session]]


class SqlTarget:
    """A target whose tables, loads and markers live in one database.

    `open_session(write)` gives a session of the system; `source` describes tables that are there.
    """

    def __init__(self, capabilities: Capabilities, source: Source, open_session: OpenSession) -> None:
        self.capabilities = capabilities
        self._source = source
        self._session = open_session

    def existing(self, table: str) -> Table | None:
        """The target table as it is, with its row count, or None. Raises: ConnectionLost, Busy."""
        try:
            return self._source.describe(table)
        except NotFound:
            return None

    def duplicates(self, table: str, key: Sequence[str]) -> int:
        """How many key values occur more than once in the target table. 0 when there is no such table."""
        try:
            with self._session(False) as session:
                name = session.find(table)
                return loading.duplicates(session, name, key) if name else 0
        except NotFound:
            return 0

    def marker(self, table: str, load_id: str) -> Marker | None:
        """The committed marker of that load when its effect still stands, else None."""
        try:
            with self._session(False) as session:
                name = session.find(table)
                return loading.standing(session, name, load_id) if name else None
        except NotFound:
            return None

    def letters(self, table: str | None = None) -> tuple[str, ...]:
        """The datasets that hold dead letters: beside that table, or (None) in every schema."""
        try:
            with self._session(False) as session:
                if table is None:
                    return letters.datasets(session, (LETTERS, *self._source.tables()))
                return letters.datasets(session, (table,))
        except NotFound:
            return ()

    def letters_fault(self, table: str) -> str:
        """Why dead letters could not be kept beside the table; empty when they could."""
        try:
            with self._session(False) as session:
                return letters.fault(session, session.meant(table))
        except NotFound:
            return ""

    def newest(self, table: str) -> Marker | None:
        """The newest committed marker of a table, also of one that was dropped since, or None."""
        try:
            with self._session(False) as session:
                return loading.newest(session, session.meant(table))
        except NotFound:
            return None

    def markers(self, table: str | None = None) -> tuple[Marker, ...]:
        """All committed markers of that table, or (None) of all tables as plans name them, oldest first."""
        try:
            with self._session(False) as session:
                if table is not None:
                    return loading.listed(session, session.meant(table))
                return self._every(session)
        except NotFound:
            return ()

    def _every(self, session: Session) -> tuple[Marker, ...]:
        named = [session.find(dataset) for dataset in self._source.tables()]
        schemas = {name.schema: name for name in named if name is not None}
        home = session.meant(MARKERS)
        schemas.setdefault(home.schema, home)
        return tuple(
            replace(marker, table=TableName(name.schema, marker.table).dataset(home.schema))
            for name in schemas.values()
            for marker in loading.listed(session, name, alone=False)
        )

    def cursors(self, table: str) -> Mapping[str, Watermark]:
        """How far incremental extracts have come in that table, by their identities."""
        try:
            with self._session(False) as session:
                name = session.find(table)
                return increment.known(session, name) if name else {}
        except NotFound:
            return {}

    def load(self, order: LoadOrder, rows: Relation) -> LoadResult:
        """Write the rows and their marker in one transaction.

        Side effects: all or nothing of data, new columns and marker. Raises: what ports.Target.load says.
        """
        with self._session(True) as session:
            return loading.load(session, order, rows)
