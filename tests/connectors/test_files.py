from pathlib import Path

import pytest
from harness.tables import read, types

from agent_etl.connectors.files import FilesConnection
from agent_etl.engine.duck import connect
from agent_etl.engine.errors import NotFound, ReadError, TargetError, UsageError
from agent_etl.engine.ports import LoadOrder


def write(path: Path, text: str | bytes = "a,b\n1,2\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def parquet(path: Path, select: str = "SELECT 1 AS a") -> Path:
    with connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_tables_are_the_data_files_of_the_folder(tmp_path: Path) -> None:
    """A folder's tables are its data files, sorted; hidden files, markers, folders and foreign files are none."""
    for name in (
        "b.csv",
        "a.JSONL",
        "c.csv.gz",
        ".hidden.csv",
        "_part.csv",
        "readme.md",
        "_etl_loads/x.json",
        "d/e.csv",
    ):
        write(tmp_path / name)
    assert FilesConnection("files", tmp_path).source().tables() == ("a.JSONL", "b.csv", "c.csv.gz")


def test_a_missing_folder_is_no_source(tmp_path: Path) -> None:
    """A connection to a folder that is not there says so before anything is read."""
    with pytest.raises(UsageError):
        FilesConnection("files", tmp_path / "none").source()


def test_a_bare_stem_names_its_only_file(tmp_path: Path) -> None:
    """`orders` means orders.csv as long as no other file has that stem; then the candidates are named."""
    write(tmp_path / "orders.csv")
    assert types(tmp_path, "orders") == {"a": "BIGINT", "b": "BIGINT"}
    write(tmp_path / "orders.jsonl", '{"a": 1}\n')
    with pytest.raises(NotFound) as error:
        types(tmp_path, "orders")
    assert error.value.fields["candidates"] == ["orders.csv", "orders.jsonl"]


@pytest.mark.parametrize(
    "name", ["../out.csv", "sub/../../out.csv", "/etc/passwd", "link.csv", "linked/x.csv", "a\0.csv", " "]
)
def test_nothing_outside_of_a_named_folder_is_reached(tmp_path: Path, name: str) -> None:
    """Paths, links and globs that lead out of a named folder are not found."""
    root = tmp_path / "root"
    write(root / "in.csv")
    write(tmp_path / "out.csv")
    write(tmp_path / "outside" / "x.csv")
    (root / "link.csv").symlink_to(tmp_path / "out.csv")
    (root / "linked").symlink_to(tmp_path / "outside")
    source = FilesConnection("files", root).source()
    with pytest.raises(NotFound):
        source.describe(name)
    with pytest.raises(NotFound):
        source.describe("../*.csv")
    assert source.tables() == ("in.csv",)


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "in.csv/more.csv", "loop.csv"])
def test_a_path_that_cannot_be_followed_is_not_found(tmp_path: Path, name: str) -> None:
    """A name that is too long, a path through a file and a link in a circle are not found, for reading and writing."""
    write(tmp_path / "in.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    connection = FilesConnection("files", tmp_path)
    with pytest.raises(NotFound):
        connection.source().describe(name)
    rows = connection.source().scan("in.csv")
    with pytest.raises(TargetError):
        connection.target().load(LoadOrder(name, "append", rows.columns, "1", "run", "plan", "digest"), rows)


def test_a_free_connection_takes_paths_that_a_user_names(tmp_path: Path) -> None:
    """`here` reads absolute and ../ paths, since a user named them."""
    (tmp_path / "here").mkdir()
    write(tmp_path / "out.csv")
    source = FilesConnection("here", tmp_path / "here", free=True).source()
    assert source.describe("../out.csv").rows == source.describe(str(tmp_path / "out.csv")).rows == 1


def test_a_name_with_pattern_characters_is_that_file(tmp_path: Path) -> None:
    """A file whose name looks like a pattern is read itself, not what it would match."""
    write(tmp_path / "o[1].csv", "a\n1\n")
    write(tmp_path / "o1.csv", "a\n2\n")
    assert read(tmp_path, "o[1].csv") == [(1,)]


def test_a_glob_reads_like_files_by_column_name(tmp_path: Path) -> None:
    """Files of a glob may order their columns differently: values go by name, files in the order of their names."""
    write(tmp_path / "o1.csv", "a,b\n1,x\n")
    write(tmp_path / "o2.csv", "b,a\ny,2\n")
    write(tmp_path / "o3.csv", "a,b\n3,z\n")
    assert read(tmp_path, "o*.csv") == [(1, "x"), (2, "y"), (3, "z")]


def test_a_glob_of_unlike_files_is_refused_by_name(tmp_path: Path) -> None:
    """A file of a glob that lacks a column or has another one is named, with both."""
    write(tmp_path / "o1.csv", "a,b\n1,2\n")
    write(tmp_path / "o2.csv", "a,c\n1,2\n")
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o*.csv")
    assert (error.value.fields["file"], error.value.fields["missing"], error.value.fields["extra"]) == (
        "o2.csv",
        ["b"],
        ["c"],
    )
    with pytest.raises(NotFound):
        types(tmp_path, "p*.csv")


def test_the_version_follows_the_bytes(tmp_path: Path) -> None:
    """A version stays while nothing changes, and changes with a file rewritten, replaced or added to a glob."""
    source = FilesConnection("files", tmp_path).source()
    first = write(tmp_path / "o1.csv")
    seen = [source.version("o*.csv")]
    assert source.version("o*.csv") == source.describe("o*.csv").version == seen[0]
    write(tmp_path / "o2.csv")
    seen.append(source.version("o*.csv"))
    write(first, "a,b\n3,4\n")
    seen.append(source.version("o*.csv"))
    write(tmp_path / "new", "a,b\n3,4\n").replace(first)
    seen.append(source.version("o*.csv"))
    assert len(set(seen)) == 4


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.csv", b"", "empty"),
        ("blank.csv", b" \n \n", "blank"),
        ("gzip.csv", b"\x1f\x8b\x08\x00aaaaaaaaaaaa", "another"),
        ("plain.csv.gz", b"a,b\n1,2\n", "another"),
        ("zip.csv", b"PK\x03\x04xxxxxxxx", "another"),
        ("cut.parquet", b"PAR1xxxxxxxxxxxxxxxxxxx", "footer"),
        ("broken.parquet", b"PAR1" + b"\x00" * 40 + b"\x04\x00\x00\x00PAR1", "cannot be read"),
        ("csv.parquet", b"a,b\n1,2\n", "another"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00aaaa", "cannot be read"),
    ],
)
def test_bytes_that_are_not_what_the_name_says_are_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """An empty, cut, corrupt or wrongly named file is an error with a reason and a hint, never rows."""
    write(tmp_path / name, content)
    with pytest.raises(ReadError, match=reason) as error:
        types(tmp_path, name)
    assert error.value.hint


def test_a_folder_and_an_unknown_ending_are_refused(tmp_path: Path) -> None:
    """A folder or a file of no known format is a named error with what would be valid."""
    write(tmp_path / "sub" / "a.csv")
    write(tmp_path / "sub.csv" / "a.csv")
    write(tmp_path / "book.xlsx")
    source = FilesConnection("files", tmp_path).source()
    for name in ("sub", "sub.csv"):
        with pytest.raises(ReadError, match="folder"):
            source.describe(name)
    with pytest.raises(ReadError, match="no known format"):
        source.describe("book.xlsx")


def test_a_compression_bomb_is_refused(tmp_path: Path) -> None:
    """A small file that expands beyond all measure is refused when it is described."""
    import gzip

    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 20_000_000, compresslevel=9)
    write(tmp_path / "bomb.csv.gz", packed)
    with pytest.raises(ReadError, match="expands") as error:
        types(tmp_path, "bomb.csv.gz")
    assert error.value.fields["stored"] == len(packed)
