"""Checkpoints: the state after every step, in the home's checkpoints.db."""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent_etl.engine.faults import point
from agent_etl.engine.security.paths import prepare_home, private_file

__all__ = ["async_checkpoints", "checkpoints"]

_NAME = "checkpoints.db"


class _PlainSerializer(JsonPlusSerializer):
    """Reads back plain values alone: the state holds nothing else, so no graph may name a class to be built."""

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=None)

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[tuple[str, ...] | type]) -> JsonPlusSerializer:
        """Itself: the list stays empty."""
        return self


class _Saver(SqliteSaver):
    """LangGraph's saver; a crash right after each of its commits is survived."""

    def put(self, *given: Any, **named: Any) -> Any:
        saved = super().put(*given, **named)
        point("checkpoint.saved")
        return saved

    def put_writes(self, *given: Any, **named: Any) -> None:
        super().put_writes(*given, **named)
        point("checkpoint.written")


@contextmanager
def checkpoints(home: Path) -> Iterator[SqliteSaver]:
    """The saver over the home's checkpoints. Side effects: creates the file (0600), in WAL mode."""
    path = private_file(prepare_home(home) / _NAME)
    with closing(sqlite3.connect(path, check_same_thread=False, timeout=30)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        saver = _Saver(connection, serde=_PlainSerializer())
        saver.setup()
        yield saver


@asynccontextmanager
async def async_checkpoints(home: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """The same file for a server that is asynchronous."""
    path = private_file(prepare_home(home) / _NAME)
    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        saver.serde = _PlainSerializer()
        await saver.setup()
        yield saver
