"""DuckDB's read_csv, told everything: nothing is detected while rows are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from agent_etl.connectors.celltypes import misfit, typed
from agent_etl.connectors.dataset import Dataset
from agent_etl.connectors.dialect import Dialect
from agent_etl.connectors.readoptions import ReadOptions
from agent_etl.engine.duck import literal, quote

__all__ = ["MAX_LINE", "CsvScan", "fresh"]

MAX_LINE = 2_097_152
"""The longest record, in bytes, that DuckDB reads unless told otherwise."""

_scans = count(1)


def fresh() -> int:
    """A number that no other scan of this process has."""
    return next(_scans)


@dataclass(frozen=True, slots=True)
class CsvScan:
    """All reads of one dataset of delimited text. `names` are each file's columns in the file's own order."""

    data: Dataset
    dialect: Dialect
    names: tuple[tuple[str, ...], ...]
    options: ReadOptions
    number: int = field(default_factory=fresh)

    @property
    def rejects_table(self) -> str:
        """Where DuckDB keeps the records that it could not cut or decode: unique in the process."""
        return f"rejects_{self.number}"

    @property
    def scans_table(self) -> str:
        """Where DuckDB keeps which file a reject came from."""
        return f"scans_{self.number}"

    def text(self, *, lenient: str = "") -> str:
        """A table expression of all rows, every cell as text. `lenient` is `store` or `ignore` for broken records."""
        reads = []
        for names, paths in self._groups():
            reads.append(self.read(paths, names, header=self.dialect.header, lenient=lenient))
        if len(reads) == 1:
            return reads[0]
        columns = ", ".join(quote(name) for name in self.names[0])
        return "(" + " UNION ALL ".join(f"SELECT {columns} FROM {read}" for read in reads) + ")"

    def read(self, paths: Sequence[Path], names: Sequence[str], *, header: bool, lenient: str = "") -> str:
        """One call of read_csv over files whose columns stand in the same order."""
        dialect, options = self.dialect, self.options
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        nulls = ", ".join(literal(value) for value in ("", *options.null_values))
        arguments = [
            f"[{', '.join(literal(_plain(path)) for path in paths)}]",
            f"columns = {{{columns}}}",
            "auto_detect = false",
            "strict_mode = true",
            f"header = {str(header).lower()}",
            f"delim = {literal(dialect.delimiter)}",
            f"quote = {literal(dialect.quote)}",
            f"escape = {literal(dialect.escape)}",
            f"encoding = {literal(dialect.encoding)}",
            f"compression = {literal(self.data.kinds[0].compression)}",
            f"nullstr = [{nulls}]",
            f"allow_quoted_nulls = {str(bool(options.quoted_nulls)).lower()}",
        ]
        if dialect.skip and header:
            arguments.append(f"skip = {dialect.skip}")
        if options.max_line:
            arguments.append(f"max_line_size = {options.max_line}")
        if lenient == "store":
            arguments += [
                "store_rejects = true",
                f"rejects_table = {literal(self.rejects_table)}",
                f"rejects_scan = {literal(self.scans_table)}",
            ]
        elif lenient == "ignore":
            arguments.append("ignore_errors = true")
        return f"read_csv({', '.join(arguments)})"

    def typed(self, types: Mapping[str, str]) -> str:
        """A SELECT of the columns `{name: type}`; what does not fit ends it, or is set aside under quarantine."""
        lenient = "store" if self.options.quarantine else ""
        return typed(
            self.text(lenient=lenient),
            types,
            dataset=self.data.name,
            quarantine=self.options.quarantine,
            special=self.options.special_values,
        )

    def rejected(self, types: Mapping[str, str]) -> str:
        """A query over everything that `typed` set aside, in the connection that read it: line, column, reason, raw.

        Records that could not be cut come from DuckDB's own table, of its last scan alone; rows with a cell that does
        not fit are found by reading again. `raw` is JSON: of a row its cells by name, else the record as one text.
        """
        broken = (
            "SELECT min(e.line) AS line, first(e.column_name ORDER BY e.column_idx) AS column_name, "
            "lower(first(e.error_type ORDER BY e.column_idx)) || ' in ' || parse_filename(any_value(s.file_path)) "
            "AS reason, "
            "CAST(to_json(any_value(e.csv_line)) AS VARCHAR) AS raw "
            f"FROM {self.rejects_table} AS e JOIN {self.scans_table} AS s USING (scan_id, file_id) "
            f"WHERE e.scan_id = (SELECT max(scan_id) FROM {self.rejects_table}) GROUP BY e.scan_id, e.file_id, e.line"
        )
        wrong = misfit(types, special=self.options.special_values)
        if wrong is None:
            return broken
        cells = ", ".join(f"{literal(name)}, {quote(name)}" for name in self.names[0])
        raw = f"CAST(json_object({cells}) AS VARCHAR)"
        misfits = (
            f"SELECT {self._line('record')} AS line, wrong AS column_name, 'does not fit the type' AS reason, raw FROM "
            f"(SELECT row_number() OVER () AS record, {wrong} AS wrong, {raw} AS raw "
            f"FROM {self.text(lenient='ignore')}) WHERE wrong IS NOT NULL"
        )
        return f"{broken} UNION ALL {misfits}"

    def _line(self, record: str) -> str:
        """The line of the n-th record that was cut: records before it that were not are counted in; one file only."""
        if len(self.data.paths) > 1:
            return "NULL::BIGINT"
        before = self.dialect.skip + int(self.dialect.header)
        lines = (
            f"SELECT DISTINCT line FROM {self.rejects_table} "
            f"WHERE scan_id = (SELECT max(scan_id) FROM {self.rejects_table})"
        )
        ranked = f"SELECT line - {before} - row_number() OVER (ORDER BY line) AS good FROM ({lines})"
        return f"{record} + {before} + (SELECT count(*) FROM ({ranked}) WHERE good < {record})"

    def one(self, position: int) -> "CsvScan":
        """The scan of one file alone."""
        data = replace(self.data, paths=(self.data.paths[position],), kinds=(self.data.kinds[position],))
        return replace(self, data=data, names=(self.names[position],), number=fresh())

    def _groups(self) -> list[tuple[tuple[str, ...], list[Path]]]:
        """Neighbouring files whose columns stand in the same order."""
        groups: list[tuple[tuple[str, ...], list[Path]]] = []
        for names, path in zip(self.names, self.data.paths, strict=True):
            if groups and groups[-1][0] == names:
                groups[-1][1].append(path)
            else:
                groups.append((names, [path]))
        return groups


def _plain(path: Path) -> str:
    """The path as DuckDB takes it literally: characters of patterns are put in brackets."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
