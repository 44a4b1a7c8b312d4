import fcntl
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness.tables import read

from agent_etl.connectors import sidecar
from agent_etl.connectors.files import FilesConnection
from agent_etl.engine.duck import connect
from agent_etl.engine.errors import Busy, NotFound, ReadError, TargetError
from agent_etl.engine.ports import LoadOrder, LoadResult, Relation
from agent_etl.engine.schema import Column

FORMATS = ("o.parquet", "o.csv", "o.tsv", "o.csv.gz", "o.csv.zst", "o.jsonl", "o.ndjson.gz", "o.json", "deep/er/o.csv")
POINTS = ("load.begin", "load.staged", "load.before_commit", "load.after_commit")
CRASH = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[4].split(":")
from test_filetarget import load, numbers
load(Path(sys.argv[1]), sys.argv[2], sys.argv[3], "crashed", numbers(2, 6), key=("id",))
"""


def numbers(start: int, stop: int, factor: float = 1.5) -> Relation:
    """Rows (id, x, word), in order."""
    sql = (
        f"(SELECT id::BIGINT AS id, (id * {factor})::DOUBLE AS x, "
        f"CASE id % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'a,\"b' END AS word FROM range({start}, {stop}) AS r(id))"
    )
    return Relation(columns=(Column("id", "BIGINT"), Column("x", "DOUBLE"), Column("word", "VARCHAR")), sql=sql)


def expected(*ranges: tuple[int, int], factor: float = 1.5) -> list[tuple[Any, ...]]:
    words = {0: None, 1: "", 2: 'a,"b'}
    return [(n, n * factor, words[n % 3]) for start, stop in ranges for n in range(start, stop)]


def load(folder: Path, table: str, mode: Any, load_id: str, rows: Relation, **more: Any) -> LoadResult:
    order = LoadOrder(table, mode, rows.columns, load_id, "run", "plan", "digest", **more)
    return FilesConnection("lake", folder).target().load(order, rows)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_takes_each_mode_and_reads_back_equal(tmp_path: Path, name: str) -> None:
    """Append, merge and replace leave exactly the rows that they should, in order, in every format."""
    load(tmp_path, name, "append", "1", numbers(0, 4))
    load(tmp_path, name, "append", "2", numbers(4, 6))
    assert read(tmp_path, name) == expected((0, 6))
    merged = load(tmp_path, name, "merge", "3", numbers(5, 8, 2.5), key=("id",))
    assert (merged.rows, merged.inserted, merged.updated) == (3, 2, 1)
    assert read(tmp_path, name) == [*expected((0, 5)), *expected((5, 8), factor=2.5)]
    replaced = load(tmp_path, name, "replace", "4", numbers(1, 3))
    assert (replaced.inserted, replaced.deleted) == (2, 8)
    assert read(tmp_path, name) == expected((1, 3))
    folder = (tmp_path / name).parent
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [Path(name).name]


def test_a_name_without_ending_is_a_parquet_file_or_the_format_asked_for(tmp_path: Path) -> None:
    """`out` is out.parquet unless the load says another format; the name may not contradict it."""
    target = FilesConnection("lake", tmp_path).target()
    load(tmp_path, "out", "append", "1", numbers(0, 1))
    load(tmp_path, "other", "append", "1", numbers(0, 2), format="csv")
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["other.csv", "out.parquet"]
    existing = target.existing("other")
    assert existing is not None and existing.rows == 2
    assert target.marker("other", "1") is not None
    with pytest.raises(TargetError):
        load(tmp_path, "out.csv", "append", "1", numbers(0, 1), format="parquet")


def test_order_of_a_large_input_is_kept(tmp_path: Path) -> None:
    """Rows stand in the file in the order in which they came, also when a load appends to them."""
    rows = Relation(columns=(Column("n", "BIGINT"),), sql="(SELECT n FROM range(700001) AS r(n) ORDER BY n DESC)")
    load(tmp_path, "o.parquet", "replace", "1", rows)
    load(tmp_path, "o.parquet", "append", "2", rows)
    with connect() as connection:
        wrong = connection.execute(
            f"SELECT count(*) FROM read_parquet('{tmp_path}/o.parquet', file_row_number = true) "
            "WHERE n <> 700000 - file_row_number % 700001"
        ).fetchall()
    assert wrong == [(0,)]


@pytest.mark.kill
@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_anywhere_is_exactly_once_after_redo(tmp_path: Path, mode: Any, point: str) -> None:
    """SIGKILL at any point, then the same load again: the file is what one clean load makes it, nothing is left."""
    load(tmp_path, "clean.csv", "append", "base", numbers(0, 3))
    load(tmp_path, "clean.csv", mode, "crashed", numbers(2, 6), key=("id",))
    load(tmp_path, "o.csv", "append", "base", numbers(0, 3))
    before = (tmp_path / "o.csv").read_bytes()
    path = f"{Path(__file__).parent}:{Path(__file__).parents[1]}"
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(tmp_path), "o.csv", mode, path],
        env={**os.environ, "AGENT_ETL_FAULT": f"{point}:1:kill"},
        check=False,
    )
    assert done.returncode == -9
    target = FilesConnection("lake", tmp_path).target()
    committed = point == "load.after_commit"
    assert (target.marker("o.csv", "crashed") is not None) == committed
    assert ((tmp_path / "o.csv").read_bytes() == before) != committed
    redone = load(tmp_path, "o.csv", mode, "crashed", numbers(2, 6), key=("id",))
    assert redone.already == committed
    assert (tmp_path / "o.csv").read_bytes() == (tmp_path / "clean.csv").read_bytes()
    assert not [path for path in tmp_path.iterdir() if "draft" in path.name]


def test_a_confirmed_load_outlives_a_change_by_others(tmp_path: Path) -> None:
    """A file that a person edits after a load keeps the load's marker, and the edit."""
    load(tmp_path, "o.csv", "append", "1", numbers(0, 2))
    with (tmp_path / "o.csv").open("a") as file:
        file.write("9,9.5,mine\n")
    assert load(tmp_path, "o.csv", "append", "1", numbers(0, 2)).already
    assert len(read(tmp_path, "o.csv")) == 3
    load(tmp_path, "o.csv", "append", "2", numbers(2, 3))
    assert [row[0] for row in read(tmp_path, "o.csv")] == [0, 1, 9, 2]
    (tmp_path / "o.csv").unlink()
    assert not load(tmp_path, "o.csv", "append", "1", numbers(0, 2)).already


def test_what_a_killed_confirmation_left_is_removed(tmp_path: Path) -> None:
    """Asking for a load's marker removes the half-written markers of a dead process, but not those of a living one."""
    load(tmp_path, "o.parquet", "append", "1", numbers(0, 2))
    left = tmp_path / "_etl_loads" / "o.parquet.json.new"
    left.write_text("{")
    target = FilesConnection("lake", tmp_path).target()
    with (tmp_path / "_etl_loads" / "o.parquet.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert target.marker("o.parquet", "1") is not None
        assert left.exists()
    assert target.marker("o.parquet", "1") is not None
    assert not left.exists()


def test_a_replaced_file_that_lost_rows_is_loaded_again(tmp_path: Path) -> None:
    """A replace stands only as long as the file holds as many rows as it wrote."""
    load(tmp_path, "o.csv", "replace", "1", numbers(0, 3))
    lines = (tmp_path / "o.csv").read_text().splitlines(keepends=True)
    (tmp_path / "o.csv").write_text("".join(lines[:-1]))
    assert not load(tmp_path, "o.csv", "replace", "1", numbers(0, 3)).already
    assert read(tmp_path, "o.csv") == expected((0, 3))


def test_a_users_own_file_is_built_upon_as_it_is(tmp_path: Path) -> None:
    """An append to a file that no load made keeps its rows, its delimiter, its column order and its mode."""
    (tmp_path / "o.csv").write_text("word;id;x\nmine;7;1\n")
    (tmp_path / "o.csv").chmod(0o640)
    load(tmp_path, "o.csv", "append", "1", numbers(0, 2))
    assert (tmp_path / "o.csv").read_text() == 'word;id;x\nmine;7;1.0\n;0;0.0\n"";1;1.5\n'
    assert stat.S_IMODE((tmp_path / "o.csv").stat().st_mode) == 0o640


def test_bad_targets_are_refused_before_anything(tmp_path: Path) -> None:
    """A link, a folder, a path outside and an unreadable marker file are refused and nothing is written."""
    (tmp_path / "real.csv").write_text("id,x,word\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("link.csv", "folder.csv", "../out.csv", "real.csv/x.csv"):
        with pytest.raises((TargetError, NotFound)):
            load(tmp_path, name, "append", "1", numbers(0, 1))
    load(tmp_path, "o.csv", "append", "1", numbers(0, 1))
    (tmp_path / "_etl_loads" / "o.csv.json").write_text("{")
    with pytest.raises(TargetError, match="markers"):
        load(tmp_path, "o.csv", "append", "1", numbers(0, 1))
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 2
    assert (tmp_path / "real.csv").read_text() == "id,x,word\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A read-only folder is named before anything is computed."""
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(TargetError, match="cannot be written"):
        load(tmp_path, "shut/o.csv", "append", "1", numbers(0, 1))


def test_a_failing_source_leaves_the_old_file(tmp_path: Path) -> None:
    """Rows that stop coming leave file, markers and folder as they were, with the source's own error."""
    load(tmp_path, "o.parquet", "append", "1", numbers(0, 2))
    (tmp_path / "in.csv").write_text("id,x,word\n1,1.5,a\n2,broken,b\n")
    options = {
        "delimiter": ",",
        "quote": '"',
        "header": True,
        "types": {"id": "BIGINT", "x": "DOUBLE", "word": "VARCHAR"},
    }
    rows = FilesConnection("lake", tmp_path).source().scan("in.csv", options=options)
    for mode in ("append", "replace", "merge"):
        with pytest.raises(ReadError) as error:
            load(tmp_path, "o.parquet", mode, mode, rows, key=("id",))
        assert (error.value.fields["column"], error.value.fields["line"]) == ("x", 3)
    assert read(tmp_path, "o.parquet") == expected((0, 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_etl_loads", "in.csv", "o.parquet"]


def test_a_source_may_be_its_own_target(tmp_path: Path) -> None:
    """A file may be replaced by what was read from it."""
    load(tmp_path, "o.csv", "append", "1", numbers(0, 5))
    source = FilesConnection("lake", tmp_path).source()
    rows = source.scan("o.csv", options=source.describe("o.csv").options)
    half = Relation(columns=rows.columns, sql=f"(SELECT * FROM {rows.sql} WHERE id > 2)")
    load(tmp_path, "o.csv", "replace", "2", half)
    assert read(tmp_path, "o.csv") == expected((3, 5))


def test_a_held_lock_is_busy_and_free_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process loads the file it is Busy, with the holder named; then the load goes through."""
    monkeypatch.setattr(sidecar, "_PATIENCE", 0.1)
    load(tmp_path, "o.csv", "append", "1", numbers(0, 1))
    with (tmp_path / "_etl_loads" / "o.csv.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Busy) as error:
            load(tmp_path, "o.csv", "append", "2", numbers(0, 1))
        assert error.value.fields["holder"] == str(os.getpid())
    assert load(tmp_path, "o.csv", "append", "2", numbers(0, 1)).inserted == 1


def test_readers_see_the_old_or_the_new_file(tmp_path: Path) -> None:
    """A reader that polls while loads replace the file always finds one whole load."""
    load(tmp_path, "o.csv", "replace", "0", numbers(0, 1000))
    seen: list[int] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            lines = (tmp_path / "o.csv").read_text().count("\n")
            seen.append(lines)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        for number in range(1, 6):
            load(tmp_path, "o.csv", "replace", str(number), numbers(0, 1000 * (number + 1)))
    finally:
        stop.set()
        reader.join()
    assert len(set(seen)) > 1
    assert set(seen) <= {1000 * n + 1 for n in range(1, 7)}


def test_sums_of_whole_numbers_stay_exact(tmp_path: Path) -> None:
    """A HUGEINT, which DuckDB would write to Parquet as a DOUBLE, keeps all digits in every format."""
    big = 12345678901234567890123
    rows = Relation(columns=(Column("total", "HUGEINT"),), sql=f"(SELECT {big}::HUGEINT AS total)")
    formats: Sequence[str] = ("o.parquet", "o.csv", "o.jsonl")
    for name in formats:
        load(tmp_path, name, "replace", "1", rows)
        assert [int(row[0]) for row in read(tmp_path, name)] == [big]
