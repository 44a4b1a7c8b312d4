"""The protocols by which the engine receives the outside world: sources, targets, measured facts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.schema import Column, Table
from agent_etl.engine.watermark import Advance, Watermark, Within

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Aside",
    "Capabilities",
    "Connection",
    "Connections",
    "KeyFacts",
    "LoadOrder",
    "LoadResult",
    "Marker",
    "Overlap",
    "Prober",
    "Relation",
    "Source",
    "Target",
    "ValueFacts",
]

Mode = Literal["append", "replace", "merge", "scd2"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a system can do, as data; nothing asks for a dialect by name.

    `dialect` is sqlglot's name for quoting, None for files. `modes` are the load modes. `effect` is what a load
    promises: exactly_once (marker in the data's own transaction) or at_least_once. `types` maps a logical type's head
    (`DECIMAL`, `UUID`, …) to how it is stored there. `max_columns` and `max_identifier` (bytes) are hard limits, None:
    none. `ordered`: rows keep the order in which they were written. `narrow_names`: no name has a character beyond
    U+FFFF.

    How the system says what others say otherwise: `distinct`, a template, is the condition that {0} and {1} differ,
    nulls included; `comparable` turns a `textual` column into what has an equality; `update_joins`: UPDATE joins the
    other table instead of naming it after FROM; `table_options` end every CREATE TABLE; `creates`, a template, asks
    whether tables may be made in the schema {0}, empty where whoever may write the database may.
    """

    kind: str
    dialect: str | None
    modes: frozenset[str]
    effect: Literal["exactly_once", "at_least_once"]
    types: Mapping[str, str] = field(default_factory=dict)
    max_columns: int | None = None
    max_identifier: int | None = None
    folds_case: bool = True
    ordered: bool = False
    distinct: str = "{0} IS DISTINCT FROM {1}"
    comparable: str = "CAST({0} AS VARCHAR)"
    update_joins: bool = False
    creates: str = ""
    table_options: str = ""
    unsorted: str = ""
    narrow_names: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows that DuckDB can read, once or again.

    Either `sql`, a table expression that DuckDB evaluates itself (`read_parquet([...])`), or `open`, which gives a
    new Arrow reader each time. `casts` are DuckDB expressions that turn a delivered column into its logical type
    (`{name: expression}`), where the system could not deliver it as such. `columns` are the logical columns.
    `rejects` is a query that is valid in the same DuckDB connection once `sql` was read to its end: one row for each
    source row that was set aside, as (line BIGINT, column_name VARCHAR, reason VARCHAR, raw VARCHAR); `raw` is JSON
    text, and `reread` says, as JSON text, how it becomes a row again (connectors/reread.py). `total` is a query for the
    number of source rows, where the system can tell it apart from the read; all None otherwise.
    `diagnose` looks again after a failed read, slowly, and gives the same failure with what was found (line, column,
    the type that fits), or the very same error when it knows no more.
    """

    columns: tuple[Column, ...]
    sql: str | None = None
    open: "Callable[[], pa.RecordBatchReader] | None" = None
    casts: Mapping[str, str] = field(default_factory=dict)
    rejects: str | None = None
    reread: str | None = None
    total: str | None = None
    diagnose: Callable[[AgentEtlError], AgentEtlError] | None = None


class Source(Protocol):
    """A system that rows are read from."""

    def tables(self) -> tuple[str, ...]:
        """Names of all datasets, sorted."""
        ...

    def describe(self, dataset: str, options: Mapping[str, Any] | None = None) -> Table:
        """Columns, keys, row count and version of one dataset, as it is now. Raises: NotFound, ReadError."""
        ...

    def version(self, dataset: str, options: Mapping[str, Any] | None = None) -> str | None:
        """Changes when the bytes change; None: the source cannot tell."""
        ...

    def scan(
        self,
        dataset: str,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        options: Mapping[str, Any] | None = None,
        within: Within | None = None,
    ) -> Relation:
        """The rows, nothing read yet.

        `where`, a DuckDB expression, and `within`, a range of a column, may be pushed down; the caller applies them
        again. Rows without a value of that column must come all the same, so that they can be counted.
        """
        ...


@dataclass(frozen=True, slots=True)
class Marker:
    """The proof in the target that a package was loaded, committed with its rows.

    `cursors` say how far the incremental extracts that feed the table had come with it; empty where it says nothing.
    """

    load_id: str
    table: str
    mode: str
    rows: int
    epoch: int
    sha256: str
    run_id: str
    plan_hash: str
    loaded_at: str
    cursors: Mapping[str, Watermark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aside:
    """Dead letters (engine/deadletters.COLUMNS) that a load writes beside its table: `count` of them.

    `settling`: they are letters that are open there, and what has become of them; all of them must be open still.
    """

    rows: Relation
    count: int
    settling: bool = False


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What to load where. `load_id` is the marker's key; `digest` addresses the rows (their package or plan).

    `columns` are the logical columns of the rows. `evolve` may be added to the target. `format` for file targets.
    `seen` is the table's newest epoch as the caller knew it when its run began: a newer one in the target, by another
    load, is a StaleRun; None: whatever is there is built upon. `delete_by` is the column of the data that flags rows to
    delete, `delete_missing` deletes (scd2: retires) what the data has no key of. `effective` is the column of the data
    with the time of change; `at` is the load's own time, None: now. See plan.Load. `advances` are the incremental
    extracts that the rows are made of: they are committed with the rows, and a load that would change nothing at all
    writes no marker then. `aside` are the dead letters that the same transaction writes beside the table.
    """

    table: str
    mode: Mode
    columns: tuple[Column, ...]
    load_id: str
    run_id: str
    plan_hash: str
    digest: str
    key: tuple[str, ...] = ()
    format: str | None = None
    evolve: tuple[Column, ...] = ()
    seen: int | None = None
    delete_by: str | None = None
    delete_missing: bool = False
    effective: str | None = None
    at: datetime | None = None
    advances: tuple[Advance, ...] = ()
    aside: Aside | None = None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did. `rows` were given; `inserted`, `updated`, `deleted` are rows of the table that were so changed.

    For scd2 these rows are versions. `repeated` rows were there from an earlier load and were not added again.
    `quarantined` dead letters were written. `already`: the marker was there, nothing was written. `unchanged`: there
    was nothing new to write, `marker` is that of an earlier load. `notes` are things that a person should know.
    """

    marker: Marker
    rows: int
    inserted: int
    updated: int = 0
    deleted: int = 0
    already: bool = False
    repeated: int = 0
    unchanged: bool = False
    notes: tuple[str, ...] = ()
    quarantined: int = 0


class Target(Protocol):
    """A system that rows are written to."""

    capabilities: Capabilities

    def existing(self, table: str) -> Table | None:
        """The target table as it is, with its row count, or None."""
        ...

    def duplicates(self, table: str, key: Sequence[str]) -> int:
        """How many key values occur more than once in the target table. 0 when there is no such table."""
        ...

    def marker(self, table: str, load_id: str) -> Marker | None:
        """The committed marker of that load when its effect still stands, else None.

        It stands for append when the marker is there; for the other modes when it is the table's newest; for replace
        the table must also still hold as many rows.
        """
        ...

    def letters(self, table: str | None = None) -> tuple[str, ...]:
        """The datasets, of this system as a source, that hold dead letters: of that table, or (None) all of them."""
        ...

    def letters_fault(self, table: str) -> str:
        """Why dead letters could not be kept beside the table; empty when they could. Nothing is changed."""
        ...

    def newest(self, table: str) -> Marker | None:
        """The newest committed marker of a table, also of one that was dropped since, or None."""
        ...

    def markers(self, table: str | None = None) -> tuple[Marker, ...]:
        """All committed markers of that table, or (None) of all tables, oldest first; none where nothing was loaded.

        A marker's table is then named as a plan names it. A file keeps its newest thousand.
        """
        ...

    def cursors(self, table: str) -> Mapping[str, Watermark]:
        """How far incremental extracts have come in that table, by their identities.

        Nothing when there is no such table, or when its rows were replaced since.
        """
        ...

    def load(self, order: LoadOrder, rows: Relation) -> LoadResult:
        """Write the rows and their marker in one transaction.

        Side effects: all or nothing of data + marker. Raises: OutcomeUnknown when the commit's reply was lost; StaleRun
        when a newer epoch was committed meanwhile; TargetSchemaMismatch; Busy; ConnectionLost; DiskFull.
        """
        ...


class Connection(Protocol):
    """One named system: `name`, `kind`, its redacted `url`, and what it can be."""

    name: str
    kind: str
    url: str
    protected: bool

    def source(self) -> Source:
        """The system as a source. Raises: UsageError when it cannot be one."""
        ...

    def target(self) -> Target:
        """The system as a target. Raises: UsageError when it cannot be one."""
        ...


class Connections(Protocol):
    """The connections of a run, by name or URL."""

    def __getitem__(self, name_or_url: str) -> Connection: ...

    def names(self) -> tuple[str, ...]:
        """Configured names, sorted."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """Measured: `rows` in all, `distinct` values of the key without nulls, `nulls` rows where a key column is null."""

    rows: int
    distinct: int
    nulls: int

    @property
    def unique(self) -> bool:
        """No two rows share a key that is not null."""
        return self.rows - self.nulls == self.distinct


@dataclass(frozen=True, slots=True)
class Overlap:
    """Measured for a join: rows on each side, and rows on each side whose key has no partner (nulls included)."""

    left_rows: int
    left_unmatched: int
    right_rows: int
    right_unmatched: int


@dataclass(frozen=True, slots=True)
class ValueFacts:
    """Measured for one column: `top` are (value as text, rows), most frequent first, ties by value."""

    rows: int
    nulls: int
    distinct: int
    low: str | None
    high: str | None
    top: tuple[tuple[str, int], ...]


class Prober(Protocol):
    """Facts measured in the sources when asked for. Remembered for one survey; the same question is not run twice."""

    def keys(self, table: Table, columns: Sequence[str]) -> KeyFacts:
        """How far the columns identify a row."""
        ...

    def overlap(self, left: Table, left_on: Sequence[str], right: Table, right_on: Sequence[str]) -> Overlap:
        """How many rows find a partner. Keys are compared as text when their types differ in kind."""
        ...

    def values(self, table: Table, column: str, top: int = 20) -> ValueFacts:
        """What a column holds."""
        ...

    def count(self, table: Table, column: str, value: str, *, fold: bool = False) -> int:
        """Rows where the column, as text, equals `value`; `fold` ignores case and outer spaces."""
        ...
