"""The test kit that every connector passes: the promises of ports.Source and ports.Target, tried from outside.

for case in cases(subject):
    case.run(subject)            # raises Nonconforming with what was promised and what was found

A `Subject` says how to open the system empty and which values it refuses by policy. A value is exact or refused, never
changed: a system may keep a type as another one as long as the cast back gives the same value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from agent_etl.connectors import conformance_modes
from agent_etl.connectors import conformance_values as values
from agent_etl.connectors.conformance_subject import Nonconforming, Subject, expect, pairs, query, raises, reading
from agent_etl.engine import duck
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import (
    AgentEtlError,
    CheckFailed,
    NotFound,
    ReadError,
    StaleRun,
    TargetError,
    TargetSchemaMismatch,
)
from agent_etl.engine.ports import Mode, Relation
from agent_etl.engine.relay import Relayed
from agent_etl.engine.schema import Column

__all__ = ["Case", "Nonconforming", "Subject", "cases"]


@dataclass(frozen=True)
class Case:
    """One promise: `name` is stable, `promise` a sentence."""

    name: str
    promise: str
    run: Callable[[Subject], None]


def cases(modes: frozenset[str]) -> Iterator[Case]:
    """Every promise that a target with these load modes has to keep."""
    for position, (kind, _) in enumerate(values.TYPES):
        yield Case(f"round_trip[{kind}]", "Each value comes back as it was, or is refused.", _round_trip(position))
    for check in (*_CHECKS, *conformance_modes.CHECKS):
        name = check.__name__.lstrip("_")
        needed = name.partition("_")[0]
        if needed not in {"merge", "scd2"} or needed in modes:
            yield Case(name, (check.__doc__ or "").strip(), check)


def _round_trip(position: int) -> Callable[[Subject], None]:
    kind, literals = values.TYPES[position]

    def run(subject: Subject) -> None:
        kept = []
        for index, text in enumerate(literals):
            if not subject.refuses & {kind, f"{kind}:{index}"}:
                kept.append((index, text))
                continue
            refused = query(f"SELECT {index} AS id, CAST({text} AS {kind}) AS v", "id INTEGER", f"v {kind}")
            raises(AgentEtlError, lambda given=refused: subject.load("refused", "append", "refused", given))  # type: ignore[misc]
            expect(subject.connection.target().newest("refused" + subject.suffix), None, "a refused load's marker")
        if kept:
            _compare(subject, kind, kept)

    return run


def _compare(subject: Subject, kind: str, kept: list[tuple[int, str]]) -> None:
    each = " UNION ALL ".join(f"SELECT {index} AS id, CAST({text} AS {kind}) AS v" for index, text in kept)
    text = f"{each} UNION ALL SELECT 999, CAST(NULL AS {kind})"
    result = subject.load("kept", "append", "kept", query(text, "id INTEGER", f"v {kind}"))
    expect((result.rows, result.inserted), (len(kept) + 1,) * 2, "rows loaded")
    source = subject.connection.source()
    dataset = "kept" + subject.suffix
    relation = source.scan(dataset, options=source.describe(dataset).options)
    with reading() as cursor:
        wanted = cursor.execute(f"SELECT id, CAST(v AS VARCHAR) FROM ({text}) ORDER BY id").fetchall()
        with duck.attached(cursor, relation) as select:
            back = values.back(kind, next(c.type for c in relation.columns if c.name == "v"))
            found = cursor.execute(f"SELECT id, CAST({back} AS VARCHAR) FROM ({select}) ORDER BY id").fetchall()
    expect(found, wanted, f"values of {kind}")


def _batches(subject: Subject) -> None:
    """200,001 rows in several batches arrive once each, with the sums and hashes that they had."""
    kinds = ("id BIGINT", "price DECIMAL(10,6)", "made TIMESTAMP", "name VARCHAR", "part DOUBLE", "ok BOOLEAN")
    text = (
        "SELECT i AS id, CAST(i % 9973 AS DECIMAL(10,6)) / 1000 - 4 AS price, "
        "TIMESTAMP '2024-01-01' + to_microseconds(i * 1000003) AS made, CASE WHEN i % 7 = 0 THEN NULL "
        "WHEN i % 11 = 0 THEN '' ELSE 'név ' || i END AS name, i / 7.0 AS part, i % 3 = 0 AS ok "
        "FROM range(200001) AS r(i)"
    )
    cast = ", ".join(f"CAST({c.partition(' ')[0]} AS {c.partition(' ')[2]}) AS {c.partition(' ')[0]}" for c in kinds)
    rows = query(f"SELECT {cast} FROM ({text})", *kinds)
    result = subject.load("many", "replace", "many", rows)
    expect(result.rows, 200_001, "rows loaded")
    source = subject.connection.source()
    dataset = "many" + subject.suffix
    described = source.describe(dataset)
    facts = "count(*), sum(price), min(made), max(made), count(name), bit_xor(hash(id, price, made, name, part, ok))"
    hashed = f"SELECT {facts} FROM (SELECT {cast} FROM"
    with reading() as cursor:
        wanted = cursor.execute(f"{hashed} {rows.sql})").fetchall()
        with duck.attached(cursor, source.scan(dataset, options=described.options)) as select:
            found = cursor.execute(f"{hashed} ({select}))").fetchall()
    expect(found, wanted, "count, sums and hash")


def _append(subject: Subject) -> None:
    """Append adds rows; the same load again changes nothing and says so."""
    first = subject.load("words", "append", "one", pairs((1, "a"), (2, None), (3, "")))
    expect((first.rows, first.inserted, first.already), (3, 3, False), "first append")
    again = subject.load("words", "append", "one", pairs((1, "a"), (2, None), (3, "")))
    expect((again.already, again.inserted, again.marker), (True, 0, first.marker), "the same load again")
    second = subject.load("words", "append", "two", pairs((1, "a")))
    expect(second.marker.epoch, first.marker.epoch + 1, "the next epoch")
    expect(subject.rows("words"), [("1", "a"), ("1", "a"), ("2", None), ("3", "")], "rows")


def _replace(subject: Subject) -> None:
    """Replace leaves exactly the given rows, none included, and counts what it deleted."""
    subject.load("words", "append", "one", pairs((1, "a"), (2, "b")))
    result = subject.load("words", "replace", "two", pairs((3, "c")))
    expect((result.rows, result.inserted, result.deleted), (1, 1, 2), "counts")
    expect(subject.rows("words"), [("3", "c")], "rows")
    expect(subject.load("words", "replace", "two", pairs((3, "c"))).already, True, "the same replace again")
    subject.load("words", "replace", "three", pairs())
    expect(subject.rows("words"), [], "rows after replacing by none")


def _merge(subject: Subject) -> None:
    """Merge updates rows whose values differ, nulls included, inserts new keys, and leaves the rest alone."""
    subject.load("words", "append", "one", pairs((1, "a"), (2, None), (3, "c"), (4, "d")))
    given = pairs((1, "a"), (2, "b"), (3, None), (5, "e"))
    result = subject.load("words", "merge", "two", given, key=("id",))
    expect((result.rows, result.inserted, result.updated, result.deleted), (4, 1, 2, 0), "counts")
    expect(subject.rows("words"), [("1", "a"), ("2", "b"), ("3", None), ("4", "d"), ("5", "e")], "rows")
    again = subject.load("words", "merge", "three", given, key=("id",))
    expect((again.inserted, again.updated), (0, 0), "a merge of what is there already")


def _merge_into_nothing(subject: Subject) -> None:
    """Merge into a table that is not there makes it."""
    result = subject.load("words", "merge", "one", pairs((1, "a")), key=("id",))
    expect((result.inserted, result.updated), (1, 0), "counts")
    expect(subject.rows("words"), [("1", "a")], "rows")


def _merge_bad_keys(subject: Subject) -> None:
    """A repeated or missing key in the data stops a merge before anything is written."""
    subject.load("words", "append", "one", pairs((1, "a")))
    bad = pairs((1, "b"), (1, "c"), (None, "d"), (2, "e"))
    error = raises(CheckFailed, lambda: subject.load("words", "merge", "two", bad, key=("id",)))
    expect((error.fields["nulls"], error.fields["duplicates"]), (1, 1), "counted")
    expect(subject.rows("words"), [("1", "a")], "rows")
    expect(subject.connection.target().marker("words" + subject.suffix, "two"), None, "marker")


def _merge_ambiguous(subject: Subject) -> None:
    """A key that the target holds twice stops a merge."""
    subject.load("words", "append", "one", pairs((1, "a"), (1, "b")))
    expect(subject.connection.target().duplicates("words" + subject.suffix, ["id"]), 1, "duplicates")
    raises(CheckFailed, lambda: subject.load("words", "merge", "two", pairs((1, "c")), key=("id",)))
    expect(subject.rows("words"), [("1", "a"), ("1", "b")], "rows")


def _markers(subject: Subject) -> None:
    """A marker stands while its effect does: appended rows always, a replaced table until the next load."""
    target = subject.connection.target()
    table = "words" + subject.suffix
    expect((target.marker(table, "one"), target.newest(table)), (None, None), "markers of nothing")
    one = subject.load("words", "append", "one", pairs((1, "a"))).marker
    expect((target.marker(table, "one"), target.newest(table)), (one, one), "after an append")
    two = subject.load("words", "replace", "two", pairs((2, "b"))).marker
    expect((target.marker(table, "two"), target.newest(table)), (two, two), "after a replace")
    three = subject.load("words", "append", "three", pairs((3, "c"))).marker
    expect((target.marker(table, "two"), target.newest(table)), (None, three), "after another append")
    redone = subject.load("words", "replace", "two", pairs((2, "b")))
    expect((redone.already, redone.marker.epoch), (False, three.epoch + 1), "the replace redone")
    expect(target.marker("other" + subject.suffix, "one"), None, "another table's marker")


def _mismatch(subject: Subject) -> None:
    """A column that the target lacks, or of another kind, is refused by name and nothing is written."""
    subject.load("words", "append", "one", pairs((1, "a")))
    wide = query("SELECT 2 AS id, 'b' AS word, 1.5::DOUBLE AS more", "id INTEGER", "word VARCHAR", "more DOUBLE")
    error = raises(TargetSchemaMismatch, lambda: subject.load("words", "append", "two", wide))
    expect(error.fields["missing"], ["more"], "missing")
    wrong = query("SELECT 2 AS id, DATE '2024-01-01' AS word", "id INTEGER", "word DATE")
    if not subject.suffix and subject.connection.kind != "sqlite":
        error = raises(TargetSchemaMismatch, lambda: subject.load("words", "append", "three", wrong))
        expect(list(error.fields["differing"]), ["word"], "differing")
    expect(subject.rows("words"), [("1", "a")], "rows")
    subject.load("words", "append", "four", wide, evolve=(Column("more", "DOUBLE"),))
    expect(subject.rows("words"), [("1", "a", None), ("2", "b", "1.5")], "rows after evolving")


def _narrower(subject: Subject) -> None:
    """Data without one of the target's columns leaves it empty, and says so."""
    wide = query("SELECT 1 AS id, 'a' AS word, 1.5::DOUBLE AS more", "id INTEGER", "word VARCHAR", "more DOUBLE")
    subject.load("words", "append", "one", wide)
    result = subject.load("words", "append", "two", pairs((2, "b")))
    expect(len(result.notes), 1, "notes")
    expect(subject.rows("words"), [("1", "a", "1.5"), ("2", "b", None)], "rows")


def _rollback(subject: Subject) -> None:
    """Rows that fail on their last batch leave the old table, its marker and nothing else."""
    old = subject.load("words", "append", "one", pairs((1, "a"))).marker

    def failing() -> Iterator[pa.RecordBatch]:
        for start in range(3):
            ids = pa.array(range(start * 70_000, (start + 1) * 70_000), pa.int32())
            yield pa.record_batch({"id": ids, "word": ids.cast(pa.string())})
        raise Relayed(ReadError("The source broke", dataset="broken", line=210_000))

    schema = pa.schema([("id", pa.int32()), ("word", pa.string())])
    rows = Relation(
        columns=(Column("id", "INTEGER"), Column("word", "VARCHAR")),
        open=lambda: pa.RecordBatchReader.from_batches(schema, failing()),
    )
    modes: tuple[Mode, ...] = ("append", "replace")
    for mode in modes:
        error = raises(ReadError, lambda mode=mode: subject.load("words", mode, f"bad {mode}", rows))  # type: ignore[misc]
        expect(error.fields["line"], 210_000, "the source's own error")
        expect(subject.rows("words"), [("1", "a")], f"rows after a failed {mode}")
    expect(subject.connection.target().newest("words" + subject.suffix), old, "the newest marker")
    error = raises(ReadError, lambda: subject.load("fresh", "append", "bad", rows))
    expect(subject.connection.target().existing("fresh" + subject.suffix), None, "a table of a failed first load")


def _names(subject: Subject) -> None:
    """Hostile names of columns arrive as they are, or are refused before anything is made."""
    names = [name for name in values.NAMES if f"name:{name}" not in subject.refuses]
    for name in set(values.NAMES) - set(names):
        bad = Relation(columns=(Column(name, "INTEGER"),), sql=f"(SELECT 1 AS {quote(name)})")
        raises(TargetError, lambda given=bad: subject.load("odd", "append", "bad", given))  # type: ignore[misc]
    columns = tuple(Column(name, "INTEGER") for name in names)
    items = ", ".join(f"{position} AS {quote(name)}" for position, name in enumerate(names))
    subject.load("odd names", "append", "one", Relation(columns=columns, sql=f"(SELECT {items})"))
    described = subject.connection.source().describe("odd names" + subject.suffix)
    expect([column.name for column in described.columns], names, "names")
    expect(subject.rows("odd names"), [tuple(str(p) for p in range(len(names)))], "values")


def _cases_of_names(subject: Subject) -> None:
    """Columns that differ in case alone, which DuckDB would take for one, are refused."""
    rows = query("SELECT * FROM (VALUES (1, 2)) AS v(a, b)", "a INTEGER", "b INTEGER")
    twins = Relation(columns=(Column("a", "INTEGER"), Column("A", "INTEGER")), sql=rows.sql, casts={"A": "b"})
    raises(TargetError, lambda: subject.load("twins", "append", "one", twins))
    expect(subject.connection.target().existing("twins" + subject.suffix), None, "the refused table")


def _limits(subject: Subject) -> None:
    """More columns or longer names than the system holds are refused with the limit named."""
    limits = subject.connection.target().capabilities
    if limits.max_columns is not None:
        names = [f"c{n}" for n in range(limits.max_columns + 1)]
        wide = query(f"SELECT {', '.join(f'1 AS {n}' for n in names)}", *(f"{n} INTEGER" for n in names))
        error = raises(TargetError, lambda: subject.load("wide", "append", "one", wide))
        expect(error.fields["limit"], limits.max_columns, "limit")
    if limits.max_identifier is not None:
        long = query(f"SELECT 1 AS {'é' * limits.max_identifier}", f"{'é' * limits.max_identifier} INTEGER")
        error = raises(TargetError, lambda: subject.load("long", "append", "one", long))
        expect(error.fields["limit"], limits.max_identifier, "limit")


def _misfit(subject: Subject) -> None:
    """A value that does not fit the target's column ends the load; integers that fit go into it."""
    if subject.suffix:
        return
    subject.load("numbers", "append", "one", query("SELECT 1.5::DECIMAL(10,2) AS n", "n DECIMAL(10,2)"))
    subject.load("numbers", "append", "two", query("SELECT 2::BIGINT AS n", "n BIGINT"))
    subject.load("numbers", "append", "three", query("SELECT 0.25::DOUBLE AS n", "n DOUBLE"))
    for position, bad in enumerate(("0.125::DOUBLE", "1e12::DOUBLE", "'nan'::DOUBLE")):
        rows = query(f"SELECT {bad} AS n", "n DOUBLE")
        error = raises(TargetError, lambda rows=rows, p=position: subject.load("numbers", "append", f"bad {p}", rows))  # type: ignore[misc]
        expect(error.fields["column"], "n", "column")
    expect(subject.rows("numbers"), [("0.25",), ("1.50",), ("2.00",)], "rows")


def _stale(subject: Subject) -> None:
    """A run that knew an older epoch than the target holds is stopped."""
    subject.load("words", "append", "one", pairs((1, "a")))
    raises(StaleRun, lambda: subject.load("words", "replace", "two", pairs((2, "b")), seen=0))
    expect(subject.rows("words"), [("1", "a")], "rows")


def _listing(subject: Subject) -> None:
    """Loaded tables are listed and described; our own marker table is not; what is missing is NotFound."""
    subject.load("words", "append", "one", pairs((1, "a"), (2, None)))
    source = subject.connection.source()
    listed = [name.rsplit("/", 1)[-1] for name in source.tables()]
    expect([name for name in listed if "etl" in name], [], "our own tables")
    expect(sum(name.endswith("words" + subject.suffix) for name in listed), 1, "listed")
    table = source.describe("words" + subject.suffix)
    expect([column.name for column in table.columns], ["id", "word"], "columns")
    expect(table.rows, 2, "row count")
    existing = subject.connection.target().existing("words" + subject.suffix)
    expect(existing.columns if existing else None, table.columns, "existing")
    expect(subject.rows("words", "word"), [(None,), ("a",)], "one column")
    raises(NotFound, lambda: source.describe("nothing" + subject.suffix))
    raises(NotFound, lambda: source.scan("words" + subject.suffix, columns=["nothing"]))
    expect(subject.connection.target().existing("nothing" + subject.suffix), None, "existing of nothing")


_CHECKS = (
    _batches,
    _append,
    _replace,
    _merge,
    _merge_into_nothing,
    _merge_bad_keys,
    _merge_ambiguous,
    _markers,
    _mismatch,
    _narrower,
    _rollback,
    _names,
    _cases_of_names,
    _limits,
    _misfit,
    _stale,
    _listing,
)
