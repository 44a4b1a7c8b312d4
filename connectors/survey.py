"""Look at the cells of delimited text: types, broken records, empty texts. Small files wholly, large ones in part."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from agent_etl.connectors.celltypes import Evidence, infer
from agent_etl.connectors.csvscan import CsvScan, fresh
from agent_etl.connectors.dialect import Dialect, cells
from agent_etl.connectors.filekind import FileKind
from agent_etl.connectors.sample import WHOLE, bad_byte, chunks, expanded, first_bad_byte, line_ends
from agent_etl.engine.duck import Cursor, connected, run
from agent_etl.engine.errors import ReadError

__all__ = ["BROKEN_KINDS", "Survey", "broken_records", "survey", "uneven_lines"]

_LONG_LINE = 128 * 1024 * 1024
_FILES_IN_PART = 5
_CELLS = "agent_etl_cells"
_TRIED = 60
_RECORDS = 20


@dataclass(frozen=True, slots=True)
class Survey:
    """What the cells showed. `rows` is None when only a part was read. `longest` bounds the longest record."""

    types: dict[str, str]
    rows: int | None
    quoted_nulls: bool
    longest: int
    notes: tuple[str, ...]


def survey(scan: CsvScan) -> Survey:
    """The narrowest types that lose nothing, over all rows of up to 64 MB, else over parts of the files.

    Raises: ReadError for bytes outside the encoding (unless they are to be set aside) and for lines that end in
    different ways. Side effects: up to 60 MB of temporary files for large ones.
    """
    if any(kind.compression != scan.data.kinds[0].compression for kind in scan.data.kinds):
        raise ReadError("The files of the pattern are compressed in different ways", dataset=scan.data.name)
    sizes = [expanded(path, kind) for path, kind in zip(scan.data.paths, scan.data.kinds, strict=True)]
    known = [size for size in sizes if size is not None]
    with connected(memory_limit="512MB") as connection:
        if len(known) == len(sizes) and sum(known) <= WHOLE:
            return _whole(connection, scan)
        with TemporaryDirectory(prefix="agent_etl_") as folder:
            return _parts(connection, scan, Path(folder))


def _whole(cursor: Cursor, scan: CsvScan) -> Survey:
    evidence, rows, broken = _look(cursor, scan, scan.text(lenient="store"))
    longest = 0
    if any(kind == "LINE SIZE OVER MAXIMUM" for kind, _, _ in broken) and not scan.options.max_line:
        longest = _LONG_LINE
        wider = replace(scan, options=replace(scan.options, max_line=longest), number=fresh())
        evidence, rows, broken = _look(cursor, wider, wider.text(lenient="store"))
    if not scan.options.quarantine and any(kind == "INVALID ENCODING" for kind, _, _ in broken):
        raise _encoding(scan)
    return _survey(evidence, scan, rows, longest, _broken_note(broken, scan.options.quarantine))


def _look(cursor: Cursor, scan: CsvScan, source: str) -> tuple[dict[str, Evidence], int, list[tuple[str, int, int]]]:
    """Types of all columns, the number of good rows, and broken records by kind: how many, the first one's line."""
    try:
        rows, broken = broken_records(cursor, scan, source)
    except ReadError as error:
        raise uneven_lines(scan) or error from None
    return infer(cursor, _CELLS, scan.names[0]), rows, broken


def broken_records(cursor: Cursor, scan: CsvScan, source: str) -> tuple[int, list[tuple[str, int, int]]]:
    """The good rows of a lenient read, and its broken records by kind: how many, the first one's line.

    Side effects: the good rows as text in a temporary table; reading all cells is what decodes all of them.
    """
    run(cursor, f"CREATE OR REPLACE TEMP TABLE {_CELLS} AS FROM {source}", dataset=scan.data.name)
    rows = int(run(cursor, f"SELECT count(*) FROM {_CELLS}").fetchall()[0][0])
    found = run(
        cursor,
        "SELECT error_type::VARCHAR, count(DISTINCT (file_id, line)), min(line) "
        f"FROM {scan.rejects_table} GROUP BY ALL ORDER BY 3",
    ).fetchall()
    return rows, [(str(kind), int(lines), int(first)) for kind, lines, first in found]


def uneven_lines(scan: CsvScan) -> ReadError | None:
    """The error for a file whose lines end in several ways, which DuckDB cannot cut; None when they do not."""
    for path, kind in zip(scan.data.paths, scan.data.kinds, strict=True):
        ends = line_ends(path, kind)
        if len(ends) > 1 and scan.dialect.encoding != "utf-16":
            return ReadError(
                "Lines end in different ways",
                dataset=path.name,
                ends=sorted(ends),
                hint="convert them, e.g. by dos2unix",
            )
    return None


def _parts(cursor: Cursor, scan: CsvScan, folder: Path) -> Survey:
    """Types from the start, middle and end of the first, middle and last files."""
    count = len(scan.data.paths)
    picked = sorted({round(i * (count - 1) / (_FILES_IN_PART - 1)) for i in range(_FILES_IN_PART)})
    seen: list[dict[str, Evidence]] = []
    for position in picked:
        place = folder / str(position)
        place.mkdir()
        for part in chunks(scan.data.paths[position], scan.data.kinds[position], place, scan.dialect.encoding):
            found = _part(cursor, scan, part, position)
            if found is not None:
                seen.append(found)
    merged = {name: _merge([found[name] for found in seen]) for name in scan.names[0]}
    return _survey(merged, scan, None, 0, ())


def _part(cursor: Cursor, scan: CsvScan, part: Path, position: int) -> dict[str, Evidence] | None:
    """Types in one part; None when no record can be found to begin in it."""
    start = part.name == "start"
    if not start and not _aligned(part, scan.dialect, len(scan.names[position])):
        return None
    plain = replace(scan.data, kinds=(FileKind("csv"),))
    here = replace(scan, data=plain)
    header = start and scan.dialect.header
    source = here.read([part], scan.names[position], header=header, lenient="ignore")
    run(cursor, f"CREATE OR REPLACE TEMP TABLE {_CELLS} AS FROM {source}")
    return infer(cursor, _CELLS, scan.names[position])


def _aligned(part: Path, dialect: Dialect, width: int) -> bool:
    """Cut the part down to where a record begins: the first line from which the next records have all their cells.

    Side effects: rewrites the file.
    """
    codec = "latin-1" if dialect.encoding == "latin-1" else "utf-8"
    lines = part.read_text(codec, "replace").splitlines(keepends=True)
    for first in range(min(_TRIED, len(lines))):
        text = "".join(lines[first : first + _TRIED])
        records = cells(text, False, dialect, _RECORDS)
        if records and all(len(record) in (width, width + 1) for record in records):
            part.write_text("".join(lines[first:]), codec)
            return True
    return False


def _merge(found: list[Evidence]) -> Evidence:
    """The narrowest type of several parts that each of them fits. A part where the column is empty says nothing."""
    kinds = {evidence.type for evidence in found if evidence.filled}
    empty = any(evidence.empty_texts for evidence in found)
    if not kinds:
        return Evidence("VARCHAR")
    if len(kinds) == 1:
        return Evidence(kinds.pop(), empty, filled=True)
    wider = {frozenset({"BIGINT", "DOUBLE"}): "DOUBLE", frozenset({"DATE", "TIMESTAMP"}): "TIMESTAMP"}
    return Evidence(wider.get(frozenset(kinds), "VARCHAR"), empty, filled=True)


def _survey(
    evidence: dict[str, Evidence], scan: CsvScan, rows: int | None, longest: int, notes: tuple[str, ...]
) -> Survey:
    nulls = [name for name, found in evidence.items() if found.empty_texts and found.type != "VARCHAR"]
    quoted = bool(nulls) and scan.options.quoted_nulls is None
    if quoted:
        notes += (f'quoted empty cells stand among the values of {", ".join(nulls)}: "" is read as NULL',)
    if rows == 0:
        notes += ("there is no row below the header",)
    return Survey({name: found.type for name, found in evidence.items()}, rows, quoted, longest, notes)


BROKEN_KINDS = {
    "MISSING COLUMNS": "has fewer cells than the header",
    "TOO MANY COLUMNS": "has more cells than the header",
    "UNQUOTED VALUE": "has a quote that does not end",
    "LINE SIZE OVER MAXIMUM": "is too long",
    "INVALID ENCODING": "is not in the file's encoding",
    "INVALID STATE": "cannot be cut into cells",
}


def _broken_note(broken: list[tuple[str, int, int]], quarantine: bool) -> tuple[str, ...]:
    if not broken:
        return ()
    kind, _, line = broken[0]
    rows = sum(lines for _, lines, _ in broken)
    then = "they are set aside" if quarantine else "the read stops there; option on_error='quarantine' sets them aside"
    return (f"line {line} {BROKEN_KINDS.get(kind, 'cannot be read')}; {rows} broken rows in all: {then}",)


def _encoding(scan: CsvScan) -> ReadError:
    for path, kind in zip(scan.data.paths, scan.data.kinds, strict=True):
        offset = first_bad_byte(path, kind)
        if offset is not None:
            return bad_byte(path.name, offset, scan.dialect.encoding)
    return ReadError("A byte does not fit the encoding", dataset=scan.data.name, encoding=scan.dialect.encoding)
