"""After a failed read of records: which line, and why."""

import json
from collections.abc import Mapping

from agent_etl.connectors.celltypes import MISFIT, infer, misfit
from agent_etl.connectors.jsonscan import BROKEN, LINE, JsonScan
from agent_etl.connectors.sample import WHOLE, bad_byte, first_bad_byte, head
from agent_etl.engine.duck import Cursor, connected, quote, run
from agent_etl.engine.errors import AgentEtlError, ReadError

__all__ = ["diagnose"]

_ASIDE = "set such records aside with the option on_error='quarantine', or mend the file"


def diagnose(scan: JsonScan, types: Mapping[str, str], error: AgentEtlError, *, closed: bool) -> AgentEtlError:
    """The same failure with file, line and reason; the very error when nothing more is known. Reads again, slowly."""
    with connected(memory_limit="512MB") as connection:
        for position, path in enumerate(scan.data.paths):
            offset = first_bad_byte(path, scan.data.kinds[position])
            if offset is not None:
                return bad_byte(path.name, offset, "utf-8")
            found = _in_file(connection, scan.one(position), types, error, closed)
            if found is not None:
                return found
    return error


def _in_file(
    cursor: Cursor, scan: JsonScan, types: Mapping[str, str], error: AgentEtlError, closed: bool
) -> ReadError | None:
    if scan.data.kinds[0].format == "json":
        broken = _not_json(scan)
        if broken is not None:
            return broken
    numbered = f"(SELECT row_number() OVER () AS line, record FROM {scan.records(blank=True)})"
    judged = f"(SELECT line, {scan.fault(closed=closed)} AS fault FROM {numbered})"
    rows, line, reason = run(
        cursor, f"SELECT count(fault), min(line) FILTER (fault IS NOT NULL), arg_min(fault, line) FROM {judged}"
    ).fetchall()[0]
    if rows:
        return ReadError(
            BROKEN,
            dataset=scan.data.name,
            file=scan.data.paths[0].name,
            line=line,
            reason=reason,
            rows=rows,
            hint=_ASIDE,
        )
    column = str(error.fields.get("column", ""))
    return _misfit(cursor, scan, column, types) if error.message == MISFIT and column in types else None


def _misfit(cursor: Cursor, scan: JsonScan, column: str, types: Mapping[str, str]) -> ReadError | None:
    kind = types[column]
    wrong = misfit({column: kind}, special=scan.special)
    numbered = f"(SELECT row_number() OVER () AS {LINE}, record FROM {scan.records(blank=True)})"
    cells = scan.cells(numbered, types, also=(LINE,))
    sql = f"SELECT count(*), min({LINE}) FROM {cells} WHERE {wrong} IS NOT NULL"
    rows, line = run(cursor, sql).fetchall()[0]
    if not rows:
        return None
    found = infer(cursor, scan.cells(scan.sound()), [column])[column].type
    return ReadError(
        MISFIT,
        dataset=scan.data.name,
        file=scan.data.paths[0].name,
        column=column,
        type=kind,
        found="JSON" if found == kind else found,
        line=line,
        rows=rows,
        hint=f"read {quote(column)} as another type, or {_ASIDE}",
    )


def _not_json(scan: JsonScan) -> ReadError | None:
    """Where a file that is one JSON value stops being one; files beyond 64 MB are not looked into."""
    path, kind = scan.data.paths[0], scan.data.kinds[0]
    data, whole = head(path, kind, WHOLE)
    text = data.decode("utf-8-sig", "replace")
    decoder = json.JSONDecoder()
    position = len(text) - len(text.lstrip())
    try:
        while whole and position < len(text):
            _, position = decoder.raw_decode(text, position)
            position += len(text[position:]) - len(text[position:].lstrip())
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        return ReadError(BROKEN, dataset=path.name, line=line, reason="is not JSON", hint="mend the file")
    return None
