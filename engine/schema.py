"""What a table looks like: columns with logical types, keys. A logical type is DuckDB's own name of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["Catalogue", "Column", "ForeignKey", "Table"]


_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM")
_FAMILIES = {
    "number": {*_INTEGERS, *(f"U{name}" for name in _INTEGERS), "DECIMAL", "FLOAT", "DOUBLE"},
    "time": {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"},
    "text": {"VARCHAR"},
}
_FILE = re.compile(r"(.+?)\.(?:csv|tsv|txt|json|jsonl|ndjson|parquet)(?:\.(?:gz|zst))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name as the source spells it, its logical type (DuckDB's name, e.g. `DECIMAL(10,2)`)."""

    name: str
    type: str
    nullable: bool = True

    @property
    def family(self) -> str:
        """`number`, `text`, `time` (dates and moments) or the type's own head: what compares without a cast."""
        head = self.type.upper().split("(")[0]
        return next((family for family, heads in _FAMILIES.items() if head in heads), head)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`columns` of this table refer to `referred` of `table` (a dataset of the same connection)."""

    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One dataset of a source as the survey found it.

    `connection` is the connection's name; `dataset` is how a plan names it there (`public.orders`, `orders.csv`).
    `options` are read options that the survey decided (a CSV's dialect and column types), to be copied into
    `Extract.options`. `version` changes when the bytes change; None: the source cannot tell, so every run reads again.
    `notes` are things found while surveying that a person should know ("3 rows are shorter than the header").
    `estimated`: `rows` is what the system's statistics say: good for planning, not for comparing.
    """

    connection: str
    dataset: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    rows: int | None = None
    version: str | None = None
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    estimated: bool = False

    @property
    def name(self) -> str:
        """The bare name that people use: `orders` for `public.orders` and for `data/orders.csv.gz`."""
        last = self.dataset.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
        file = _FILE.fullmatch(last)
        return file.group(1) if file else last.rsplit(".", 1)[-1]

    @property
    def names(self) -> tuple[str, ...]:
        """What the table may be called, in lower case: the dataset or bare name, also after the connection's name."""
        own = (self.dataset.lower(), self.name.lower())
        return (*own, *(f"{self.connection.lower()}.{name}" for name in own))

    def column(self, name: str) -> Column | None:
        """The column of exactly that name, else the only one that differs in case alone, else None."""
        for column in self.columns:
            if column.name == name:
                return column
        folded = [column for column in self.columns if column.name.lower() == name.lower()]
        return folded[0] if len(folded) == 1 else None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a survey saw: source tables; tables that exist in targets; the connections' names and kinds.

    `connections` maps a name to its kind: `files`, `sqlite`, `duckdb`, `postgres`. `default_target` is the
    connection that a load without a stated target goes to. `missing` are files and databases that the goal names but
    that are nowhere. `places` says which connection a database file in the goal's words is (`shop.sqlite`: `shop`).
    `written` says how earlier runs of the same goal loaded a table: (connection, table) to mode. `outputs` are such
    tables that those runs did not read: they are the goal's targets and none of its sources. `unreachable` are the
    connections that did not answer: what they hold is not known. `near` are, for a name of `missing`, the files that
    are called almost so.
    """

    tables: tuple[Table, ...]
    connections: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default_target: str = "warehouse"
    missing: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    written: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))
    outputs: tuple[Table, ...] = ()
    unreachable: tuple[str, ...] = ()
    near: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def named(self, name: str) -> tuple[Table, ...]:
        """Every table that `name` calls, ignoring case: see `Table.names`."""
        return tuple(table for table in self.tables if name.lower() in table.names)

    def get(self, connection: str, dataset: str) -> Table | None:
        """The table of exactly that connection and dataset, or None."""
        for table in self.tables:
            if table.connection == connection and table.dataset == dataset:
                return table
        return None
