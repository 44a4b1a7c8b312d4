"""Where a relation's rows and columns come from, and which columns identify a row.

A *base* is a set of rows that something was made from: an extract's rows, or the groups that an aggregation made. A
relation pairs one row of each of its bases; a base is *repeated* in it when one of its rows may stand in several rows.
Summing a repeated base's column counts it several times: that is the fan-out trap.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from agent_etl.engine.ports import KeyFacts, Prober
from agent_etl.engine.schema import Column, Table

__all__ = ["Atom", "Base", "Cause", "Origin", "Shape", "Uniqueness", "clashing", "made", "opaque", "source_atom"]


@dataclass(frozen=True, eq=False)
class Base:
    """One set of rows; two references to one table are two bases. `label` is what a person calls it.

    `table` is the surveyed table when the rows are an extract's, `partial` says that it was filtered. Otherwise `keys`
    are the column sets that identify a row, and `parts` tell what each of those columns was made from.
    """

    label: str
    table: Table | None = None
    keys: tuple[frozenset[str], ...] = ()
    parts: Mapping[str, "Origin"] = field(default_factory=lambda: MappingProxyType({}))
    partial: bool = False


Atom = tuple[Base, str]
"""A column of a base under the base's own name of it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a base is repeated: rows of `other` match several times on `columns`; `facts` when it was measured.

    `kind`: join, unproven (not measurable), cross, unnest, window.
    """

    kind: str
    other: str
    columns: tuple[str, ...] = ()
    facts: KeyFacts | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What a value depends on: the bases; the `atom` when it is a base's column unchanged.

    `partition` is set on a row number: the origins of what it counts within. `average`: the value is an average;
    `distinct`: it counts different things.
    """

    bases: frozenset[Base] = frozenset()
    atom: Atom | None = None
    partition: tuple["Origin", ...] | None = None
    average: bool = False
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Uniqueness:
    """Whether columns identify a row: True or False when it is known, None when nothing could be measured."""

    proven: bool | None
    facts: KeyFacts | None = None


@dataclass(frozen=True)
class Shape:
    """A relation: its columns in order, its bases, which of them are repeated and why, its own unique keys."""

    columns: tuple[tuple[str, Origin], ...]
    bases: frozenset[Base]
    repeated: Mapping[Base, Cause] = field(default_factory=lambda: MappingProxyType({}))
    keys: tuple[frozenset[Atom], ...] = ()
    one_row: bool = False
    partial: bool = False

    def origin(self, name: str) -> Origin | None:
        """The origin of the column of that name, ignoring case."""
        for column, origin in self.columns:
            if column.lower() == name.lower():
                return origin
        return None

    def at_most(self) -> int | None:
        """An upper bound of the number of rows, where a source table that is not repeated gives one.

        An outer join may keep rows of its other side, so only a relation of a single base is bounded.
        """
        if self.one_row:
            return 1
        if len(self.bases) != 1 or self.repeated:
            return None
        (base,) = self.bases
        return base.table.rows if base.table is not None else None

    def renamed(self, names: Iterable[str]) -> "Shape":
        """The same with its first columns named anew."""
        new = [*names]
        columns = [
            (new[index] if index < len(new) else name, origin) for index, (name, origin) in enumerate(self.columns)
        ]
        return replace(self, columns=tuple(columns))

    def instance(self) -> "Shape":
        """The same relation read once more: its bases are other bases, for a row may be paired with another one."""
        copies = {base: replace(base) for base in self.bases}
        return replace(
            self,
            columns=tuple((name, _moved(origin, copies)) for name, origin in self.columns),
            bases=frozenset(copies.values()),
            repeated={copies[base]: cause for base, cause in self.repeated.items() if base in copies},
            keys=tuple(frozenset((copies.get(base, base), name) for base, name in key) for key in self.keys),
        )

    def one_per(self, origins: tuple[Origin, ...]) -> "Shape":
        """At most one row for each value of `origins` is left (DISTINCT ON, row_number() = 1).

        A base is not repeated any more when all of `origins` come from it alone: each of its rows has one value.
        """
        bases = frozenset(base for origin in origins for base in origin.bases)
        repeated = {base: cause for base, cause in self.repeated.items() if bases != {base}}
        atoms = [origin.atom for origin in origins]
        known = frozenset(atom for atom in atoms if atom is not None)
        keys = (*self.keys, known) if len(known) == len(set(atoms)) and None not in atoms else self.keys
        return replace(self, repeated=repeated, keys=keys, one_row=self.one_row or not origins, partial=True)

    def unique(self, origins: Iterable[Origin | None], prober: Prober) -> Uniqueness:
        """Whether rows are identified by those columns. Side effects: measures through the prober."""
        atoms = {origin.atom for origin in origins if origin is not None and origin.atom is not None}
        if self.one_row or any(key <= atoms for key in self.keys):
            return Uniqueness(True)
        seen: KeyFacts | None = None
        for base in self.bases:
            names = frozenset(name for owner, name in atoms if owner is base)
            if base in self.repeated or not names:
                continue
            verdict = _identifies(base, names, prober)
            if verdict.proven:
                return verdict
            seen = seen or verdict.facts
        return Uniqueness(False if seen else None, seen)


def made(label: str, columns: Iterable[tuple[str, Origin]], keys: tuple[frozenset[str], ...] = ()) -> Shape:
    """A relation whose rows are new: groups, distinct rows, values. `keys` are sets of its column names."""
    listed = tuple(columns)
    base = Base(label, keys=keys, parts=dict(listed))
    bases = frozenset({base})
    return Shape(tuple((name, replace(origin, bases=bases, atom=(base, name))) for name, origin in listed), bases)


def opaque(label: str, names: Iterable[str]) -> Shape:
    """A relation of which nothing is known but its columns' names."""
    return made(label, ((name, Origin()) for name in names))


def source_atom(origin: Origin | None) -> Atom | None:
    """The source column that a value is unchanged, also where it became the key of a group or of distinct rows."""
    atom = origin.atom if origin is not None else None
    while atom is not None and atom[0].table is None:
        part = atom[0].parts.get(atom[1])
        atom = part.atom if part is not None else None
    return atom


def clashing(one: Origin, other: Origin) -> tuple[Column, Column] | None:
    """The two source columns when text meets numbers or dates: the database casts one of them row by row."""
    columns = [
        atom[0].table.column(atom[1]) if (atom := source_atom(origin)) is not None and atom[0].table else None
        for origin in (one, other)
    ]
    first, second = columns
    if first is None or second is None or first.family == second.family:
        return None
    return (first, second) if "text" in (first.family, second.family) else None


def _identifies(base: Base, names: frozenset[str], prober: Prober) -> Uniqueness:
    if base.table is None:
        fits = any(key <= names or _determined(base, key, names, prober) for key in base.keys)
        return Uniqueness(True if fits else None)
    table = base.table
    declared = [frozenset(key) for key in (table.primary_key, *table.unique) if key]
    if any(key <= names for key in declared):
        return Uniqueness(True)
    facts = prober.keys(table, tuple(column.name for column in table.columns if column.name in names))
    return Uniqueness(facts.unique, facts)


def _determined(base: Base, key: frozenset[str], names: frozenset[str], prober: Prober) -> bool:
    """Whether `names` fix the rest of a key: grouped by an order's id and its date, the id alone identifies a group."""
    given = [base.parts[name].atom for name in key & names if name in base.parts]
    atoms = [atom for atom in given if atom is not None]
    fixed = set()
    for owner in {owner for owner, _ in atoms}:
        if _identifies(owner, frozenset(name for other, name in atoms if other is owner), prober).proven:
            fixed.add(owner)
    rest = [base.parts[name] for name in key - names if name in base.parts]
    return bool(fixed) and len(rest) == len(key - names) and all(part.bases and part.bases <= fixed for part in rest)


def _moved(origin: Origin, copies: Mapping[Base, Base]) -> Origin:
    atom = origin.atom
    return Origin(
        frozenset(copies.get(base, base) for base in origin.bases),
        (copies.get(atom[0], atom[0]), atom[1]) if atom else None,
        tuple(_moved(part, copies) for part in origin.partition) if origin.partition is not None else None,
        origin.average,
        origin.distinct,
    )
