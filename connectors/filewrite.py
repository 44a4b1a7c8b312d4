"""Write the rows of a query into one new file, in order, so that they read back as they were."""

from collections.abc import Sequence
from pathlib import Path

from agent_etl.connectors.filekind import FileKind
from agent_etl.connectors.fit import Slot, decimal, head, misfit
from agent_etl.engine.duck import Cursor, literal, quote
from agent_etl.engine.schema import Column

__all__ = ["delimiter_of", "slot", "write"]

_NO_COUNTERPART = {
    "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "DECIMAL(38,0)",
    "BIGNUM": "VARCHAR",
    "BIT": "VARCHAR",
    "INTERVAL": "VARCHAR",
    "TIME WITH TIME ZONE": "VARCHAR",
    "ENUM": "VARCHAR",
    '"NULL"': "VARCHAR",
}
_EXACT = 15
_NESTED = frozenset({"LIST", "STRUCT", "MAP", "UNION", "VARIANT"})


def slot(column: Column, kind: FileKind) -> Slot:
    """How a column of that logical type is kept in a file of that kind.

    DuckDB writes HUGEINT, the type of a sum of integers, to Parquet as DOUBLE; here it becomes DECIMAL(38,0).
    """
    stored = _NO_COUNTERPART.get(head(column.type), column.type)
    if head(column.type) in _NESTED and kind.format != "parquet":
        stored = "JSON"
    return Slot(column.name, stored, stored)


def delimiter_of(kind: FileKind) -> str:
    """What stands between the cells of a new file of that kind."""
    return "\t" if kind.format == "tsv" else ","


def write(
    cursor: Cursor, select: str, columns: Sequence[Slot], target: Path, kind: FileKind, delimiter: str = ","
) -> int:
    """COPY the query's rows; how many they were. `delimiter` is for delimited text alone.

    Raises: DuckDB's own error. Side effects: the file.
    """
    items = [f"{_written(column, position, kind)} AS {quote(column.name)}" for position, column in enumerate(columns)]
    source = f"SELECT {', '.join(items)} FROM ({select}) AS rows_to_write"
    found = cursor.execute(f"COPY ({source}) TO {literal(str(target))} ({_form(kind, delimiter)})").fetchall()
    return int(found[0][0])


def _written(column: Slot, position: int, kind: FileKind) -> str:
    """How a column goes into JSON, which knows no infinity and no NaN.

    Whole numbers go as they are, a FLOAT by its shortest text, decimals of more than 15 digits as text: few readers
    would keep their digits.
    """
    name = quote(column.name)
    if kind.format not in {"json", "jsonl"}:
        return name
    digits = decimal(column.type)
    if digits is not None:
        return f"CAST({name} AS {'HUGEINT' if not digits[1] else 'DOUBLE' if digits[0] <= _EXACT else 'VARCHAR'})"
    if column.type in {"DOUBLE", "FLOAT"}:
        value = f"CAST(CAST({name} AS VARCHAR) AS DOUBLE)" if column.type == "FLOAT" else name
        return f"CASE WHEN {name} IS NULL OR isfinite({name}) THEN {value} ELSE {misfit(position)} END"
    return name


def _form(kind: FileKind, delimiter: str) -> str:
    if kind.format == "parquet":
        return "FORMAT parquet"
    packed = f", COMPRESSION {literal(kind.compression)}"
    if kind.format in {"json", "jsonl"}:
        return f"FORMAT json, ARRAY {str(kind.format == 'json').lower()}{packed}"
    return f"FORMAT csv, HEADER true, DELIMITER {literal(delimiter)}, QUOTE '\"', ESCAPE '\"', NULLSTR ''{packed}"
