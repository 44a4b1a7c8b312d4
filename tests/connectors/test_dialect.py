from pathlib import Path

import pytest
from harness.tables import read, types

from agent_etl.connectors.dialect import unique_names
from agent_etl.engine.errors import ReadError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("o.csv", "id,note,x\n1,a b,2\n3,c d,4\n"),
        ("o.csv", "id;note;x\n1;a, b;2\n3;c d;4\n"),
        ("o.csv", "id|note|x\n1|a;b|2\n3|c,d|4\n"),
        ("o.tsv", "id\tnote\tx\n1\ta,b\t2\n3\tc,d\t4\n"),
        ("o.txt", "id\tnote\tx\n1\ta,b\t2\n3\tc d\t4\n"),
        ("o.csv", "id,note,x\n1,'a, b',2\n3,'c d',4\n"),
        ("o.csv", 'id,note,x\n1,"a \\"b\\", c",2\n3,c d,4\n'),
        ("o.csv", "id,note,x\n1,a b,2\n3,it's,4\n"),
        ("o.csv", '\nid,note,x\n1,"a\nb",2\n3,c d,4\n'),
    ],
)
def test_the_delimiter_is_the_one_that_cuts_evenly(tmp_path: Path, name: str, content: str) -> None:
    """Commas, semicolons, bars, tabs, other quotes and escapes are found by cutting every line alike."""
    (tmp_path / name).write_text(content)
    assert list(types(tmp_path, name)) == ["id", "note", "x"]
    assert [(row[0], row[2]) for row in read(tmp_path, name)] == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    "content",
    [
        "a,b;c,d\n1,2;3,4\n5,6;7,8\n",
        "Report of May\n\na,b,c\n1,2,3\n4,5,6\n",
        "a|b;c\n1|2;3\n",
    ],
)
def test_a_doubt_is_an_error_that_asks_for_the_delimiter(tmp_path: Path, content: str) -> None:
    """Text that can be cut in two ways, or begins with other lines, is refused until the delimiter is stated."""
    (tmp_path / "o.csv").write_text(content)
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o.csv")
    assert "delimiter" in error.value.hint


def test_stated_options_settle_a_doubt(tmp_path: Path) -> None:
    """A stated delimiter and the number of lines before the header are taken as stated."""
    (tmp_path / "o.csv").write_text("Report of May\n\na,b,c\n1,2,3\n4,5,6\n")
    assert list(types(tmp_path, "o.csv", {"skip": 2})) == ["a", "b", "c"]
    (tmp_path / "p.csv").write_text("a,b;c,d\n1,2;3,4\n")
    assert list(types(tmp_path, "p.csv", {"delimiter": ";"})) == ["a,b", "c,d"]


def test_a_ragged_file_is_not_one_column(tmp_path: Path) -> None:
    """A file with short and long rows keeps the columns of its header: one column is no way out."""
    (tmp_path / "o.csv").write_text("a,b,c\n1,2,3\n4,5\n6,7,8,9\n")
    assert list(types(tmp_path, "o.csv")) == ["a", "b", "c"]


def test_a_single_column_is_one(tmp_path: Path) -> None:
    """A file of one column, commas in few of its texts, is that column."""
    (tmp_path / "o.csv").write_text("name\nAda\nBo\nChidi\n")
    assert read(tmp_path, "o.csv") == [("Ada",), ("Bo",), ("Chidi",)]


def test_unique_names_are_stable_and_distinct() -> None:
    """Names that collide are numbered around names that are there already, always the same way."""
    header = ["a", "A", "a", "a_2", "", " ", "column_5"]
    names = unique_names(header)
    assert len({name.lower() for name in names}) == len(header)
    assert names == unique_names(header)
    assert (names[0], names[3]) == ("a", "a_2")
