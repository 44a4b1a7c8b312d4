"""After a failed read of delimited text: where exactly, what stands there, and which type would have fitted."""

from collections.abc import Mapping

from agent_etl.connectors.celltypes import MISFIT, infer, misfit
from agent_etl.connectors.csvscan import CsvScan
from agent_etl.connectors.sample import bad_byte, first_bad_byte
from agent_etl.connectors.survey import BROKEN_KINDS, broken_records, uneven_lines
from agent_etl.engine.duck import Cursor, connected, run
from agent_etl.engine.errors import AgentEtlError, ReadError

__all__ = ["diagnose"]


def diagnose(scan: CsvScan, types: Mapping[str, str], error: AgentEtlError) -> AgentEtlError:
    """The same failure with file, line and the type that fits; the very error when nothing more is known.

    Reads all files again, slowly.
    """
    column = str(error.fields.get("column", ""))
    with connected(memory_limit="512MB") as connection:
        if error.message == MISFIT and column in types:
            return _misfit(connection, scan, column, types[column])
        return _broken(connection, scan) or error


def _broken(cursor: Cursor, scan: CsvScan) -> ReadError | None:
    """The first record that cannot be cut or decoded, file by file; None when all can."""
    for position, path in enumerate(scan.data.paths):
        if scan.dialect.encoding == "utf-8":
            offset = first_bad_byte(path, scan.data.kinds[position])
            if offset is not None:
                return bad_byte(path.name, offset, "utf-8")
        one = scan.one(position)
        try:
            _, broken = broken_records(cursor, one, one.text(lenient="store"))
        except ReadError:
            return uneven_lines(one)
        if broken:
            kind, _, line = broken[0]
            return ReadError(
                "A row cannot be read",
                dataset=scan.data.name,
                file=path.name,
                line=line,
                reason=BROKEN_KINDS.get(kind, kind.lower()),
                rows=sum(lines for _, lines, _ in broken),
                hint="set such rows aside with the option on_error='quarantine', or mend the file",
            )
    return None


def _misfit(cursor: Cursor, scan: CsvScan, column: str, kind: str) -> ReadError:
    wrong = misfit({column: kind}, special=scan.options.special_values)
    rows = 0
    place: dict[str, object] = {}
    for position, path in enumerate(scan.data.paths):
        one = scan.one(position)
        found = run(
            cursor,
            f"SELECT count(*), min(record) FROM (SELECT row_number() OVER () AS record, {wrong} AS wrong "
            f"FROM {one.text(lenient='ignore')}) WHERE wrong IS NOT NULL",
        ).fetchall()[0]
        rows += int(found[0])
        if found[0] and not place:
            place = {"file": path.name, "line": int(found[1]) + scan.dialect.skip + int(scan.dialect.header)}
    fitting = infer(cursor, scan.text(lenient="ignore"), [column])[column].type
    return ReadError(
        MISFIT,
        dataset=scan.data.name,
        column=column,
        type=kind,
        found=fitting,
        rows=rows,
        **place,
        hint=f"read {column} as {fitting}, or set such rows aside with the option on_error='quarantine'",
    )
