"""Reading a source: is it what the plan was made for, and its rows with the plan's filter and columns."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace

from sqlglot import exp

from agent_etl.engine.complaints import nearest
from agent_etl.engine.computation import computed
from agent_etl.engine.duck import Cursor, attached, quote, run
from agent_etl.engine.errors import Busy, ReadError, SchemaChanged
from agent_etl.engine.manifest import Manifest
from agent_etl.engine.plan import Extract
from agent_etl.engine.ports import Relation, Source
from agent_etl.engine.ranges import Range, condition
from agent_etl.engine.reconcile import reconcile_read
from agent_etl.engine.sandbox import check_expression
from agent_etl.engine.schema import Column, Table
from agent_etl.engine.stage import PackageWriter, Split, Stage
from agent_etl.engine.stream import Stream
from agent_etl.engine.watermark import Within, family

__all__ = ["chosen", "compare", "extract", "needed", "scan"]


def compare(step: Extract, table: Table) -> None:
    """See that the source still has every column that the step needs, with the type that the plan was made for.

    Raises: SchemaChanged with the column, and for a missing one the names that may have taken its place.
    """
    wanted = needed(step) or list(step.expect)
    for name in wanted:
        expected = step.expect.get(name)
        found = table.column(name)
        if found is None:
            raise _missing(step, table, name, expected)
        if expected is not None and _folded(found.type) != _folded(expected):
            raise SchemaChanged(
                "A column of the source has another type than the plan was made for",
                step=step.name,
                dataset=step.dataset,
                column=name,
                expected=expected,
                found=found.type,
                hint="plan again, or edit `expect` of the extract",
            )


def scan(step: Extract, source: Source, within: Within | None = None) -> Relation:
    """The step's columns, and those that its filter reads. Nothing is read yet.

    The filter is pushed down only to a source without versions, a database: of a file every row is read anyway, and
    then the rows that the filter drops can be counted. Raises: NotFound, ReadError, GuardError for the filter.
    """
    pushed = step.where if step.where and source.version(step.dataset, step.options) is None else None
    return source.scan(step.dataset, columns=needed(step), where=pushed, options=step.options, within=within)


def chosen(step: Extract, relation: Relation) -> tuple[Column, ...]:
    """The step's output columns, named as the plan spells them."""
    if step.columns is None:
        return relation.columns
    known = {column.name.lower(): column for column in relation.columns}
    return tuple(Column(name, known[name.lower()].type, known[name.lower()].nullable) for name in step.columns)


def _selected(step: Extract, select: str, columns: tuple[Column, ...], within: Within | None) -> str:
    """The SELECT of the step's output over a SELECT of what `scan` delivers."""
    items = ", ".join(f"{quote(column.name)} AS {quote(column.name)}" for column in columns)
    kept = [*([condition(within)] if within else []), *([f"({step.where}\n)"] if step.where else [])]
    where = f" WHERE {' AND '.join(kept)}" if kept else ""
    return f"SELECT {items} FROM ({select}) AS source{where}"


def extract(
    step: Extract,
    source: Source,
    fingerprint: str,
    *,
    stage: Stage,
    cursor: Cursor,
    unchanged: Callable[[], bool],
    tell: Callable[[int], None] | None = None,
    splitting: Callable[[tuple[Column, ...]], Split | None] = lambda columns: None,
    span: Range | None = None,
) -> Manifest:
    """Read the source into a sealed package: rows in = rows out + filtered + quarantined.

    `splitting` says, for the step's columns, which rows its checks set aside; `span` is what is read of an incremental
    extract. A reader is one snapshot of its database; files that DuckDB reads must be `unchanged` when they have been
    read. Raises: ReadError, ConnectionLost, Busy for files that changed meanwhile, CheckFailed when rows went missing,
    DiskFull. Side effects: the package.
    """
    within = _within(step, source, span) if span else None
    relation = scan(step, source, within)
    columns = chosen(step, relation)
    stream = Stream(tell)
    filtering = step.where is not None or within is not None
    counted = relation.open is not None or (filtering and relation.total is None)
    with stage.writer(fingerprint, columns, splitting(columns)) as writer, closing(cursor.cursor()) as reading:
        rows_of = stream.over(relation, reading) if counted else relation
        with attached(cursor, rows_of) as select:
            rows = _written(step, writer, cursor, _selected(step, select, columns, within))
        if span is not None:
            _see_cursor(step, span, writer, cursor, columns)
        reader = reading if counted and relation.sql else cursor
        aside = writer.set_aside(reader, relation.rejects, relation.reread) if relation.rejects else 0
        filtered = stream.rows - rows if counted else 0
        rows_in = rows + filtered + aside
        if relation.total is not None:
            rows_in = int(run(reader, relation.total, step=step.name).fetchall()[0][0])
            filtered = filtered if counted or not filtering else rows_in - rows - aside
        reconcile_read(step.name, rows_in=rows_in, rows_out=rows, filtered=filtered, quarantined=aside)
        if relation.sql is not None and not unchanged():
            raise Busy("The source changed while it was read", step=step.name, dataset=step.dataset, holder="a writer")
        return writer.seal(rows_in=rows_in, filtered=filtered)


def _within(step: Extract, source: Source, span: Range) -> Within:
    """The range as bounds of the type that the cursor has now. Raises: SchemaChanged when it is gone or unlike."""
    table = source.describe(step.dataset, step.options)
    found = table.column(span.column)
    if found is None:
        raise _missing(step, table, span.column, None)
    return replace(span.within(found.type), column=found.name)


def _see_cursor(step: Extract, span: Range, writer: PackageWriter, cursor: Cursor, columns: tuple[Column, ...]) -> None:
    """Refuse rows without a cursor, where the plan does not say what becomes of them, and endless times."""
    column = next(column for column in columns if column.name.lower() == span.column.lower())
    c = quote(column.name)
    endless = f"NOT isfinite({c})" if family(column.type) in ("time", "instant") else "false"
    with attached(cursor, writer.written()) as rows:
        asked = f"SELECT count(*) FILTER ({c} IS NULL), count(*) FILTER ({endless}) FROM ({rows})"
        nulls, beyond = run(cursor, asked, step=step.name).fetchall()[0]
    fields: dict[str, object] = {"step": step.name, "dataset": step.dataset, "column": column.name}
    if nulls and span.nulls == "raise":
        hint = "set incremental nulls: include or exclude, or fill the column in the source"
        raise ReadError("Rows have no value of the cursor", **fields, rows=int(nulls), hint=hint)
    if beyond:
        hint = "leave such rows out by where: isfinite(column)"
        raise ReadError(
            "The cursor holds times without end, which no row can pass", **fields, rows=int(beyond), hint=hint
        )


def _written(step: Extract, writer: PackageWriter, cursor: Cursor, select: str) -> int:
    try:
        return writer.write(cursor, select)
    except ReadError as error:
        if step.where is None:
            raise
        raise computed(error, step.name, step.where, "where") from error.__cause__


def needed(step: Extract) -> list[str] | None:
    """The columns to read; None: all."""
    if step.columns is None:
        return None
    names = dict.fromkeys(step.columns)
    if step.where:
        tree = check_expression(step.where)
        have = {name.lower() for name in names}
        names |= dict.fromkeys(column.name for column in tree.find_all(exp.Column) if column.name.lower() not in have)
    return list(names)


def _missing(step: Extract, table: Table, name: str, expected: str | None) -> SchemaChanged:
    """The error for a column that is gone; candidates are columns that the plan does not know, likeliest first."""
    known = {other.lower() for other in (*step.expect, *(step.columns or ()))}
    new = {column.name: column.type for column in table.columns if column.name.lower() not in known}
    near = nearest(name, new)
    same = [other for other, kind in new.items() if expected and _folded(kind) == _folded(expected)]
    candidates = near or (same if len(same) == 1 else ())
    return SchemaChanged(
        "A column that the plan needs is gone from the source",
        step=step.name,
        dataset=step.dataset,
        column=name,
        expected=expected,
        candidates=list(candidates),
        columns=[column.name for column in table.columns][:50],
        hint=f"was it renamed to {candidates[0]!r}?" if candidates else "edit the plan, or mend the source",
    )


def _folded(type_name: str) -> str:
    return _ALIASES.get(type_name.upper(), type_name.upper().replace(" ", ""))


_ALIASES: Mapping[str, str] = {"TIMESTAMPTZ": "TIMESTAMPWITHTIMEZONE", "TIMETZ": "TIMEWITHTIMEZONE", "TEXT": "VARCHAR"}
