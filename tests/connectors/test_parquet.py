from pathlib import Path

import pytest
from harness.tables import read, types

from agent_etl.connectors.files import FilesConnection
from agent_etl.engine.duck import connect
from agent_etl.engine.errors import NotFound, ReadError


def make(path: Path, select: str) -> None:
    with connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")


def test_schema_and_rows_come_from_the_footer(tmp_path: Path) -> None:
    """Columns, types and the row count are those of the file, and rows are read in their order."""
    make(tmp_path / "o.parquet", "SELECT i AS id, i / 2 AS half, DATE '2024-01-01' AS d FROM range(3) AS r(i)")
    table = FilesConnection("files", tmp_path).source().describe("o.parquet")
    assert [(c.name, c.type) for c in table.columns] == [("id", "BIGINT"), ("half", "DOUBLE"), ("d", "DATE")]
    assert (table.rows, dict(table.options)) == (3, {})
    assert read(tmp_path, "o.parquet", columns=["HALF", "id"]) == [(0.0, 0), (0.5, 1), (1.0, 2)]


def test_files_of_a_glob_are_read_by_column_name(tmp_path: Path) -> None:
    """Parquet files whose columns stand in another order are one table; other columns or types are refused."""
    make(tmp_path / "o1.parquet", "SELECT 1 AS a, 'x' AS b")
    make(tmp_path / "o2.parquet", "SELECT 'y' AS b, 2 AS a")
    assert read(tmp_path, "o*.parquet") == [(1, "x"), (2, "y")]
    make(tmp_path / "o3.parquet", "SELECT 3::DOUBLE AS a, 'z' AS b")
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o*.parquet")
    assert (error.value.fields["file"], error.value.fields["differing"]) == ("o3.parquet", ["a DOUBLE", "a INTEGER"])


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Asking for a column that the file lacks names it; read options are refused."""
    make(tmp_path / "o.parquet", "SELECT 1 AS a")
    with pytest.raises(NotFound) as error:
        FilesConnection("files", tmp_path).source().scan("o.parquet", columns=["z"])
    assert error.value.fields["column"] == "z"
    with pytest.raises(ReadError, match="options"):
        types(tmp_path, "o.parquet", {"delimiter": ","})
