"""Facts measured in the sources: keys, overlaps, values. Only the columns that a question needs are read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from threading import Lock
from typing import Any, TypeVar, cast

from agent_etl.engine.duck import Cursor, attached, connect, literal, quote, run
from agent_etl.engine.errors import NotFound
from agent_etl.engine.interruption import interruptible
from agent_etl.engine.ports import Connections, KeyFacts, Overlap, ValueFacts
from agent_etl.engine.schema import Table
from agent_etl.engine.settings import Settings

__all__ = ["SourceProber"]

T = TypeVar("T")


class SourceProber:
    """Implements ports.Prober by scanning sources through DuckDB; memory stays within the settings' limit.

    The same question about the same version of a table is measured once in this prober's life. Close it at the end.
    """

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._connections = connections
        self._settings = settings
        self._known: dict[tuple[object, ...], Any] = {}
        self._duck: Cursor | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Close the prober's DuckDB. It opens again when it is asked again."""
        with self._lock:
            if self._duck is not None:
                self._duck.close()
                self._duck = None

    def keys(self, table: Table, columns: Sequence[str]) -> KeyFacts:
        """How far the columns identify a row. Raises: NotFound, ReadError, ConnectionLost."""

        def measure() -> KeyFacts:
            names = [quote(name) for name in columns]
            null = " OR ".join(f"{name} IS NULL" for name in names)
            with self._reading((table, columns)) as (cursor, (select,)):
                groups = f"SELECT {', '.join(names)}, count(*) AS _n FROM ({select}) GROUP BY ALL"
                row = _first(
                    cursor,
                    f"SELECT coalesce(sum(_n), 0), count(*) FILTER (WHERE NOT ({null})), "
                    f"coalesce(sum(_n) FILTER (WHERE {null}), 0) FROM ({groups})",
                )
            return KeyFacts(rows=int(row[0]), distinct=int(row[1]), nulls=int(row[2]))

        return self._remember(("keys", _identity(table), *columns), measure)

    def overlap(self, left: Table, left_on: Sequence[str], right: Table, right_on: Sequence[str]) -> Overlap:
        """How many rows of each side find a partner. Keys of different kinds are compared as text."""

        def measure() -> Overlap:
            pairs = list(zip(left_on, right_on, strict=True))
            text = [_kind(left, one) != _kind(right, other) for one, other in pairs]
            with self._reading((left, left_on), (right, right_on)) as (cursor, (one, other)):
                run(cursor, f"CREATE TEMP TABLE _left AS {_grouped(one, left_on, text)}")
                run(cursor, f"CREATE TEMP TABLE _right AS {_grouped(other, right_on, text)}")
                found = (
                    *_unmatched(cursor, "_left", "_right", len(text)),
                    *_unmatched(cursor, "_right", "_left", len(text)),
                )
            return Overlap(*found)

        question = ("overlap", _identity(left), *left_on, "with", _identity(right), *right_on)
        return self._remember(question, measure)

    def values(self, table: Table, column: str, top: int = 20) -> ValueFacts:
        """What a column holds, its values as text."""

        def measure() -> ValueFacts:
            with self._reading((table, (column,))) as (cursor, (select,)):
                name = quote(column)
                run(
                    cursor,
                    f"CREATE TEMP TABLE _values AS SELECT {name} AS v, count(*) AS n FROM ({select}) GROUP BY ALL",
                )
                row = _first(
                    cursor,
                    "SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (WHERE v IS NULL), 0), count(v), "
                    "CAST(min(v) AS VARCHAR), CAST(max(v) AS VARCHAR) FROM _values",
                )
                most = "SELECT CAST(v AS VARCHAR) AS t, n FROM _values WHERE v IS NOT NULL ORDER BY n DESC, t"
                found = run(cursor, f"{most} LIMIT {int(top)}").fetchall()
            return ValueFacts(
                rows=int(row[0]),
                nulls=int(row[1]),
                distinct=int(row[2]),
                low=row[3],
                high=row[4],
                top=tuple((str(value), int(rows)) for value, rows in found),
            )

        return self._remember(("values", _identity(table), column, top), measure)

    def count(self, table: Table, column: str, value: str, *, fold: bool = False) -> int:
        """Rows where the column, as text, equals `value`; `fold` ignores case and outer spaces."""

        def measure() -> int:
            left, right = f"CAST({quote(column)} AS VARCHAR)", literal(value)
            if fold:
                left, right = f"lower(trim({left}))", f"lower(trim({right}))"
            with self._reading((table, (column,))) as (cursor, (select,)):
                return int(_first(cursor, f"SELECT count(*) FROM ({select}) WHERE {left} = {right}")[0])

        return self._remember(("count", _identity(table), column, value, fold), measure)

    def _remember(self, question: tuple[object, ...], measure: Callable[[], T]) -> T:
        if question not in self._known:
            self._known[question] = measure()
        return cast(T, self._known[question])

    @contextmanager
    def _reading(self, *asked: tuple[Table, Sequence[str]]) -> Iterator[tuple[Cursor, tuple[str, ...]]]:
        """A cursor of its own, and a SELECT over the asked columns of each table, readable once."""
        with ExitStack() as stack:
            cursor = stack.enter_context(closing(self._cursor()))
            selects = []
            for table, columns in asked:
                missing = [name for name in columns if table.column(name) is None]
                if missing:
                    valid = [column.name for column in table.columns]
                    raise NotFound("No such column", dataset=table.dataset, column=missing[0], valid=valid[:50])
                source = self._connections[table.connection].source()
                names = list(dict.fromkeys(columns))
                relation = source.scan(table.dataset, columns=names, options=dict(table.options))
                selects.append(stack.enter_context(attached(cursor, relation)))
            stack.enter_context(interruptible(cursor.interrupt))
            yield cursor, tuple(selects)

    def _cursor(self) -> Cursor:
        with self._lock:
            if self._duck is None:
                temp = self._settings.home / "tmp"
                self._duck = connect(
                    memory_limit=self._settings.memory_limit, threads=self._settings.threads, temp=temp
                )
            return self._duck.cursor()


def _identity(table: Table) -> tuple[object, ...]:
    return (table.connection, table.dataset, table.version, repr(sorted(table.options.items())))


def _kind(table: Table, name: str) -> str:
    column = table.column(name)
    return column.family if column is not None else ""


def _grouped(select: str, columns: Sequence[str], text: Sequence[bool]) -> str:
    """The keys as k0, k1, …, each once, with the number of its rows."""
    items = [
        f"CAST({quote(name)} AS VARCHAR) AS k{n}" if as_text else f"{quote(name)} AS k{n}"
        for n, (name, as_text) in enumerate(zip(columns, text, strict=True))
    ]
    return f"SELECT {', '.join(items)}, count(*) AS n FROM ({select}) GROUP BY ALL"


def _unmatched(cursor: Cursor, side: str, other: str, keys: int) -> tuple[int, int]:
    equal = " AND ".join(f"{side}.k{n} = {other}.k{n}" for n in range(keys))
    alone = f"SELECT coalesce(sum(n), 0) FROM {side} ANTI JOIN {other} ON {equal}"
    row = _first(cursor, f"SELECT (SELECT coalesce(sum(n), 0) FROM {side}), ({alone})")
    return int(row[0]), int(row[1])


def _first(cursor: Cursor, query: str) -> tuple[Any, ...]:
    rows: list[tuple[Any, ...]] = run(cursor, query).fetchall()
    return rows[0]
