"""What a goal means, typed: sources, filters, joins, measures, outputs and a target, before any SQL."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from agent_etl.agents.rules.expressions import Expr, Ref
from agent_etl.engine.schema import Table

__all__ = [
    "CheckKind",
    "CheckRule",
    "Dedupe",
    "Edge",
    "Filter",
    "GroupKey",
    "Having",
    "Intent",
    "Kept",
    "Measure",
    "Output",
    "Sort",
    "Source",
    "TargetSpec",
]

CheckKind = Literal["not_null", "unique", "expression"]
Func = Literal["count_rows", "count", "count_distinct", "sum", "avg", "min", "max", "median"]


@dataclass(frozen=True, slots=True)
class Source:
    """A table that is read, under an alias that is also its extract's name. `listed`: the goal says to load it."""

    alias: str
    table: Table
    phrase: int
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that rows must meet. `phrase` orders it among the other operations."""

    condition: Expr
    phrase: int


@dataclass(frozen=True, slots=True)
class Dedupe:
    """One row a key of `source`; no `keys`: equal whole rows. `order`: the column that decides.

    `first`: before any condition, wherever the goal says it. `span`: the words that leave the rule open.
    """

    source: str
    keys: tuple[Expr, ...]
    order: Ref | None
    descending: bool
    phrase: int
    first: bool = False
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A join of two sources on pairs of columns. `how` is None when the goal names no kind of join.

    `stated`: the goal asks for it. `attached`: only the columns that it names come along.
    """

    left: str
    right: str
    pairs: tuple[tuple[str, str], ...]
    how: Literal["inner", "left", "anti", "semi"] | None
    phrase: int
    stated: bool = False
    attached: bool = False

    def turned(self) -> "Edge":
        """The same edge seen from the other side."""
        return replace(self, left=self.right, right=self.left, pairs=tuple((b, a) for a, b in self.pairs))


@dataclass(frozen=True, slots=True)
class Measure:
    """An aggregate. `home` is the source whose rows it counts or adds up; `entity` marks a count of that source's rows.

    `distinct` says that the goal itself asks for distinct things.
    """

    func: Func
    argument: Expr | None
    home: str
    phrase: int
    entity: bool = False
    distinct: bool = False
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the result. `derived`: added to the source's columns rather than chosen from them.

    `named`: the goal itself gives the name.
    """

    name: str
    expression: Expr
    phrase: int
    words: tuple[str, ...] = ()
    derived: bool = False
    replaces: Ref | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What a result row stands for. `entity`: rows of that source, told apart by its key."""

    expression: Expr
    name: str
    phrase: int
    entity: str | None = None
    each: bool = False


@dataclass(frozen=True, slots=True)
class Having:
    """A condition on measures."""

    condition: Expr
    phrase: int


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of the result by an output's name or by an expression. `unsaid`: the goal gives no direction."""

    expression: Expr
    descending: bool
    phrase: int
    unsaid: bool = False


@dataclass(frozen=True, slots=True)
class CheckRule:
    """What must hold for the result before it is loaded: `columns` without nulls or unique, or a `condition`."""

    kind: CheckKind
    columns: tuple[Ref, ...]
    condition: Expr | None
    phrase: int


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """Where the result goes. `mode` None: the goal does not say. `explicit`: a word for the mode itself says it."""

    connection: str | None
    table: str | None
    mode: Literal["append", "replace", "merge"] | None
    phrase: int
    span: tuple[int, int]
    key_words: tuple[tuple[str, tuple[int, int]], ...] = ()
    format: Literal["csv", "tsv", "jsonl", "parquet"] | None = None
    file: bool = False
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of `owner` that stay though they have no `other`; None: the goal does not name that table."""

    owner: str | None
    other: str | None
    phrase: int


@dataclass
class Intent:
    """The whole meaning, collected while reading. Order of the goal is kept by the phrase numbers.

    `layout` are the result's columns by name, each with its span in the goal; `trail` is the order in which groups
    (`G`) and measures (`M`) were named; `joined` are tables that one clause joins without naming keys; `once` are
    sources whose rows the goal wants counted once; `distinct` are phrases that want equal
    rows of the result once; `closed` are phrases that list the columns of the rows, so that what
    was computed before them and is not listed is left out; `kept` are rows that stay without a partner.
    """

    sources: list[Source] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    dedupes: list[Dedupe] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    dropped: list[tuple[Ref, int]] = field(default_factory=list)
    groups: list[GroupKey] = field(default_factory=list)
    havings: list[Having] = field(default_factory=list)
    sorts: list[Sort] = field(default_factory=list)
    limit: tuple[int, int] | None = None
    targets: list[TargetSpec] = field(default_factory=list)
    checks: list[CheckRule] = field(default_factory=list)
    layout: list[tuple[str, tuple[int, int]]] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)
    joined: list[tuple[frozenset[str], str, int]] = field(default_factory=list)
    once: list[tuple[str, int]] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    distinct: list[int] = field(default_factory=list)

    def saved(self) -> dict[str, list[Any]]:
        """What was collected so far, to come back to when a reading of a phrase turns out not to fit."""
        return {one.name: list(getattr(self, one.name)) for one in fields(self) if one.name != "limit"}

    def restore(self, saved: dict[str, list[Any]]) -> None:
        """Forget what was collected since; sources stay."""
        for name, values in saved.items():
            if name != "sources":
                getattr(self, name)[:] = values

    def source(self, alias: str) -> Source:
        """The source under that alias."""
        return next(source for source in self.sources if source.alias == alias)

    @property
    def grouped(self) -> bool:
        """The result is an aggregate."""
        return bool(self.measures)
