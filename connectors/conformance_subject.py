"""A connector under test: loads and reads through its ports, and says what it found."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache

from agent_etl.engine import duck
from agent_etl.engine.duck import Cursor, quote
from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.ports import Connection, LoadOrder, LoadResult, Mode, Relation
from agent_etl.engine.schema import Column

__all__ = ["Nonconforming", "Subject", "expect", "pairs", "query", "raises", "reading"]

Rows = list[tuple[str | None, ...]]


class Nonconforming(AssertionError):
    """A connector that breaks a promise."""


@dataclass(frozen=True)
class Subject:
    """One system under test. `connection` is empty at first and used by one case alone.

    `suffix` ends the names of its tables (`.parquet`). `refuses` names the values of conformance_values.TYPES that it
    refuses to load, as `TYPE` or `TYPE:index`, and column names as `name:NAME`. `format` for file targets.
    """

    connection: Connection
    suffix: str = ""
    refuses: frozenset[str] = frozenset()
    format: str | None = None

    def load(self, table: str, mode: Mode, load_id: str, rows: Relation, **more: object) -> LoadResult:
        """Load through the target under that load id."""
        order = LoadOrder(
            table=table + self.suffix,
            mode=mode,
            columns=rows.columns,
            load_id=load_id,
            run_id="run",
            plan_hash="plan",
            digest="digest",
            format=self.format,
            **more,  # type: ignore[arg-type]
        )
        return self.connection.target().load(order, rows)

    def rows(self, table: str, *columns: str) -> Rows:
        """What the source gives now, each value as text, sorted."""
        source = self.connection.source()
        described = source.describe(table + self.suffix)
        relation = source.scan(table + self.suffix, columns=columns or None, options=described.options)
        texts = ", ".join(f"CAST({quote(column.name)} AS VARCHAR)" for column in relation.columns)
        with reading() as cursor, duck.attached(cursor, relation) as select:
            found = cursor.execute(f"SELECT {texts} FROM ({select})").fetchall()
        return sorted(found, key=lambda row: tuple((value is not None, value or "") for value in row))


@cache
def _duck() -> Cursor:
    return duck.connect()


@contextmanager
def reading() -> Iterator[Cursor]:
    """A cursor of one DuckDB for all cases: it is not under test, and a new one takes longer than most cases."""
    with closing(_duck().cursor()) as cursor:
        yield cursor


def expect(found: object, wanted: object, what: str) -> None:
    """Raises: Nonconforming when they differ."""
    if found != wanted:
        raise Nonconforming(f"{what}: expected {wanted!r}, found {found!r}")


def raises(kind: type[AgentEtlError], action: Callable[[], object]) -> AgentEtlError:
    """The error that the action ends with. Raises: Nonconforming when it ends well."""
    try:
        done = action()
    except kind as error:
        return error
    raise Nonconforming(f"expected {kind.__name__}, but it went through: {done!r}")


def query(sql: str, *columns: str) -> Relation:
    """A relation of that query, whose columns are given as `name TYPE`."""
    parts = [column.partition(" ") for column in columns]
    return Relation(columns=tuple(Column(name, kind) for name, _, kind in parts), sql=f"({sql})")


def pairs(*rows: tuple[int | None, str | None]) -> Relation:
    """A relation (id INTEGER, word VARCHAR)."""
    items = ", ".join(
        f"({'NULL' if n is None else n}, {'NULL' if word is None else duck.literal(word)})" for n, word in rows
    )
    select = f"SELECT * FROM (VALUES {items}) AS v(id, word)" if rows else "SELECT 0 AS id, '' AS word WHERE false"
    return query(
        f"SELECT CAST(id AS INTEGER) AS id, CAST(word AS VARCHAR) AS word FROM ({select})", "id INTEGER", "word VARCHAR"
    )
