"""Read a connection's dataset as a pipeline does: scanned into a DuckDB."""

from typing import Any

from agent_etl.engine import duck
from agent_etl.engine.ports import Connection

__all__ = ["scanned"]


def scanned(connection: Connection, dataset: str, select: str = "*", **more: Any) -> list[tuple[Any, ...]]:
    """The rows that `select` makes of the dataset's; `more` is what Source.scan takes. Raises: the source's error."""
    between = duck.connect()
    try:
        with duck.attached(between, connection.source().scan(dataset, **more)) as rows:
            return between.execute(f"SELECT {select} FROM ({rows})").fetchall()
    except duck.Error as error:
        raise duck.translate(error) from None
    finally:
        between.close()
