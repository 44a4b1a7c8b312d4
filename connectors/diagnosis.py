"""After a failed read of delimited text: where exactly, what stands there, and which type would have fitted."""

from collections.abc import Mapping
from dataclasses import replace

from agent_etl.connectors.celltypes import MISFIT, infer, misfit
from agent_etl.connectors.csvscan import CsvScan
from agent_etl.connectors.sample import bad_byte, first_bad_byte
from agent_etl.engine.duck import Cursor, connect, run
from agent_etl.engine.errors import AgentEtlError, ReadError

__all__ = ["diagnose"]


def diagnose(scan: CsvScan, types: Mapping[str, str], error: AgentEtlError) -> AgentEtlError:
    """The same failure with file, line and the type that fits; the very error when nothing more is known.

    Reads all files again, slowly.
    """
    if scan.dialect.encoding == "utf-8" and error.message != MISFIT:
        for path, kind in zip(scan.data.paths, scan.data.kinds, strict=True):
            offset = first_bad_byte(path, kind)
            if offset is not None:
                return bad_byte(path.name, offset, "utf-8")
    column = str(error.fields.get("column", ""))
    if error.message != MISFIT or column not in types:
        return _hinted(scan, error)
    with connect(memory_limit="512MB") as connection:
        return _misfit(connection, scan, column, types[column])


def _misfit(cursor: Cursor, scan: CsvScan, column: str, kind: str) -> ReadError:
    wrong = misfit({column: kind})
    rows = 0
    place: dict[str, object] = {}
    for position, path in enumerate(scan.data.paths):
        one = replace(scan, data=replace(scan.data, paths=(path,), kinds=(scan.data.kinds[position],)))
        one = replace(one, names=(scan.names[position],))
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
        hint=f"read {column} as {fitting}, or set the {rows} rows aside with the option on_error='quarantine'",
    )


def _hinted(scan: CsvScan, error: AgentEtlError) -> AgentEtlError:
    if error.hint:
        return error
    hint = "set broken rows aside with the option on_error='quarantine', or mend the file"
    return type(error)(error.message, hint=hint, **{"dataset": scan.data.name, **error.fields})
