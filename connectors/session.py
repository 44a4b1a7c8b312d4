"""What a database must offer to be loaded into: one connection with one transaction. All else is shared."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from agent_etl.connectors.fit import Slot, decimal, head
from agent_etl.connectors.names import TableName
from agent_etl.connectors.pour import Pour
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import TargetError
from agent_etl.engine.ports import Capabilities, Relation
from agent_etl.engine.schema import Column

__all__ = ["Effect", "Session", "creation", "no_table", "staging", "stored"]

_staged = count(1)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a load did to a table: `rows` were given; so many of the table's were inserted, updated, deleted.

    `repeated` of the given rows were there from an earlier load.
    """

    rows: int
    inserted: int
    updated: int = 0
    deleted: int = 0
    repeated: int = 0


class Session(Protocol):
    """One connection to a target with one transaction; every error that it raises is one of ours."""

    capabilities: Capabilities

    def find(self, dataset: str) -> TableName | None:
        """The existing table that a plan means, or None."""
        ...

    def meant(self, dataset: str) -> TableName:
        """The existing table that a plan means, else the one that it would make."""
        ...

    def begin(self, dataset: str) -> TableName:
        """Start the transaction and lock the loads of the table that is meant against others.

        Raises: Busy, ConnectionLost.
        """
        ...

    def slots(self, name: TableName) -> tuple[Slot, ...] | None:
        """The table's columns, or None when there is no such table. Raises: TargetError for a view."""
        ...

    def native(self, column: Column) -> Slot:
        """How a new column of that logical type is stored. Raises: TargetError for a type that has no place there."""
        ...

    def create(self, name: TableName, slots: Sequence[Slot]) -> None:
        """Make the table. A system whose DDL commits undoes it in `rollback`."""
        ...

    def has_markers(self, name: TableName) -> bool:
        """Whether the marker table stands beside `name`."""
        ...

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """The rows of a small query."""
        ...

    def execute(self, sql: str) -> int:
        """Run one statement; how many rows it changed."""
        ...

    def pour(self, name: TableName, pour: Pour, rows: Relation) -> int:
        """Append the rows to the table; how many they were."""
        ...

    def stage(self, pour: Pour, rows: Relation, key: Sequence[str]) -> tuple[str, int]:
        """Put the rows, as the target stores them, into a temporary table that is to be joined by `key`.

        Gives the table, or a query over it, as SQL, and the row count.
        """
        ...

    def held(self, name: TableName, staged: str, keys: Sequence[Slot]) -> str:
        """What has, as SQL, those of the table's keys that `staged` has too: the table itself, or a temporary table.

        The latter where the system would look through the whole table for each staged row.
        """
        ...

    def commit(self) -> None:
        """Make it durable. Raises: OutcomeUnknown when the reply was lost."""
        ...

    def rollback(self) -> None:
        """Undo everything since begin. Never raises."""
        ...


def staging() -> str:
    """A name for a temporary table that nothing else in this process has, unquoted."""
    return f"_etl_staged_{next(_staged)}"


def creation(name: TableName, slots: Sequence[Slot], capabilities: Capabilities) -> str:
    """The statement that makes a table of these columns."""
    columns = ", ".join(f"{quote(slot.name)} {slot.native}" for slot in slots)
    return f"CREATE TABLE {name.sql} ({columns}){capabilities.table_options}"


def stored(column: Column, capabilities: Capabilities) -> str:
    """The native type of a column by `capabilities.types`, a decimal's digits included. Raises: TargetError."""
    kind = capabilities.types.get(head(column.type))
    if kind is None:
        raise TargetError(
            "The target has no place for this type",
            system=capabilities.kind,
            column=column.name,
            type=column.type,
            valid=sorted(capabilities.types),
            hint="cast the column in the plan",
        )
    size = decimal(column.type)
    return f"{kind}({size[0]},{size[1]})" if size else kind


def no_table(name: TableName) -> TargetError:
    """The refusal of a target that is a view."""
    return TargetError("The target is a view", table=name.table, hint="load into a table")
