"""Checkpoints: the state after every step, in the home's checkpoints.db."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent_etl.engine.security.paths import prepare_home, private_file

__all__ = ["async_checkpoints", "checkpoints"]

_NAME = "checkpoints.db"


@contextmanager
def checkpoints(home: Path) -> Iterator[SqliteSaver]:
    """The saver over the home's checkpoints. Side effects: creates the file (0600), in WAL mode."""
    path = private_file(prepare_home(home) / _NAME)
    with closing(sqlite3.connect(path, check_same_thread=False, timeout=30)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        saver = SqliteSaver(connection)
        saver.setup()
        yield saver


@asynccontextmanager
async def async_checkpoints(home: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """The same file for a server that is asynchronous."""
    path = private_file(prepare_home(home) / _NAME)
    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        await saver.setup()
        yield saver
