import datetime
import json
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from harness.tables import read, rejected, types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_etl.connectors import sample
from agent_etl.connectors.files import FilesConnection
from agent_etl.engine.duck import connect
from agent_etl.engine.errors import NotFound, ReadError

STATED: dict[str, Any] = {"delimiter": ",", "quote": '"', "header": True}


def put(folder: Path, content: str | bytes, name: str = "o.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def stated(**kinds: str) -> dict[str, Any]:
    return {**STATED, "types": kinds}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-5", "9223372036854775807"], "BIGINT"),
        (["1", "9223372036854775808"], "VARCHAR"),
        (["007", "12"], "VARCHAR"),
        (["+5"], "VARCHAR"),
        ([" 5"], "VARCHAR"),
        (["1_000"], "VARCHAR"),
        (["1", "2.5", "1e3", ".5"], "DOUBLE"),
        (["0.30000000000000004"], "DOUBLE"),
        (["12345678901234567.89"], "VARCHAR"),
        (["1.5", "1e400"], "VARCHAR"),
        (["1.5", "1e-400"], "VARCHAR"),
        (["1.5", "nan"], "VARCHAR"),
        (["1.5", "00.5"], "VARCHAR"),
        (["1,5"], "VARCHAR"),
        (["12%"], "VARCHAR"),
        (["true", "False"], "BOOLEAN"),
        (["y", "n"], "VARCHAR"),
        (["0", "1"], "BIGINT"),
        (["2024-02-29", "0001-01-01"], "DATE"),
        (["2024-02-30"], "VARCHAR"),
        (["01/02/2024"], "VARCHAR"),
        (["2024-1-5"], "VARCHAR"),
        (["epoch"], "VARCHAR"),
        (["2024-01-05 12:00:00", "2024-01-05T12:00", "2024-01-05"], "TIMESTAMP"),
        (["2024-01-05 12:00:60"], "VARCHAR"),
        (["2024-01-05 12:00:00.1234567"], "VARCHAR"),
        (["2024-01-05 12:00:00+02", "2024-01-05T12:00:00Z"], "TIMESTAMP WITH TIME ZONE"),
        (["2024-01-05 12:00:00", "2024-01-05 12:00:00+02"], "VARCHAR"),
        (["NULL", "1"], "VARCHAR"),
        (["NA", "1"], "VARCHAR"),
        (["", ""], "VARCHAR"),
        (["", "1"], "BIGINT"),
    ],
)
def test_a_column_gets_the_narrowest_type_that_loses_nothing(tmp_path: Path, cells: list[str], kind: str) -> None:
    """Whole numbers, exact floats, true/false, ISO days and instants are typed; everything else stays text."""
    put(tmp_path, "n,c\n" + "".join(f'1,"{cell}"\n' if cell else "1,\n" for cell in cells))
    assert types(tmp_path, "o.csv")["c"] == kind
    assert len(read(tmp_path, "o.csv")) == len(cells)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("5", "BIGINT"),
        ("5.5", "DOUBLE"),
        ("true", "BOOLEAN"),
        ("2024-01-05", "DATE"),
        ("2024-01-05 10:00:00", "TIMESTAMP"),
        ("2024-01-05 10:00:00Z", "TIMESTAMP WITH TIME ZONE"),
    ],
)
@pytest.mark.parametrize("first", [0, 300])
def test_empty_cells_do_not_change_a_type(tmp_path: Path, cell: str, kind: str, first: int) -> None:
    """A column keeps its type when cells are empty, few or many, first or last."""
    put(tmp_path, "n,c\n" + "1,\n" * first + f"1,{cell}\n" * 3 + "1,\n")
    assert types(tmp_path, "o.csv")["c"] == kind
    found = [row[1] for row in read(tmp_path, "o.csv")]
    assert found.count(None) == first + 1 and len(found) == first + 4


@pytest.mark.parametrize(
    ("kind", "cell", "found"),
    [
        ("BIGINT", "1.5", "DOUBLE"),
        ("BIGINT", "007", "VARCHAR"),
        ("BIGINT", "1e3", "DOUBLE"),
        ("BIGINT", "x", "VARCHAR"),
        ("DOUBLE", "1e400", "VARCHAR"),
        ("DOUBLE", "inf", "VARCHAR"),
        ("DOUBLE", "12345678901234567.89", "VARCHAR"),
        ("DECIMAL(10,2)", "1.234", "DOUBLE"),
        ("DECIMAL(38,1)", "1.25", "DOUBLE"),
        ("BOOLEAN", "yes", "VARCHAR"),
        ("DATE", "2024-01-05 12:00:00", "TIMESTAMP"),
        ("DATE", "infinity", "VARCHAR"),
        ("DATE", "2024-02-30", "VARCHAR"),
        ("TIMESTAMP", "2024-01-05 12:00:00+02", "TIMESTAMP WITH TIME ZONE"),
        ("TIMESTAMP", "2024-01-05 12:00+02", "TIMESTAMP WITH TIME ZONE"),
        ("TIMESTAMP", "2024-1-5 1:00+02:00", "VARCHAR"),
        ("TIMESTAMP", "2024-01-05 12:00:00.1234567", "VARCHAR"),
        ("TIMESTAMP WITH TIME ZONE", "2024-01-05 12:00:00", "TIMESTAMP"),
    ],
)
def test_a_cell_that_would_change_breaks_the_read(tmp_path: Path, kind: str, cell: str, found: str) -> None:
    """A cell that its type would round, cut or misread is an error with line, column and the type that fits."""
    put(tmp_path, f'n,c\n1,\n2,"{cell}"\n3,"{cell}"\n')
    with pytest.raises(ReadError) as error:
        read(tmp_path, "o.csv", stated(n="BIGINT", c=kind))
    named = {name: error.value.fields[name] for name in ("column", "line", "type", "found", "rows")}
    assert named == {"column": "c", "line": 3, "type": kind, "found": found, "rows": 2}
    assert cell not in str(error.value).replace(found, "").replace("1.5", "") or cell in {"x", "inf"}
    rows, aside = rejected(tmp_path, "o.csv", {**stated(n="BIGINT", c=kind), "on_error": "quarantine"})
    assert (rows, [row[:2] for row in aside]) == ([(1, None)], [(3, "c"), (4, "c")])


@pytest.mark.parametrize(
    ("line", "reason"),
    [("4,5", "fewer"), ("4,5,6,7", "more"), ('4,"5,6', "quote"), ('4,"5"x,6', "quote")],
)
def test_a_row_that_cannot_be_cut_breaks_the_read(tmp_path: Path, line: str, reason: str) -> None:
    """A short or long row and a quote that does not end are errors with their line; describing warns of them."""
    put(tmp_path, f"a,b,c\n1,2,3\n{line}\n")
    with pytest.raises(ReadError) as error:
        read(tmp_path, "o.csv", stated(a="BIGINT", b="BIGINT", c="BIGINT"))
    assert error.value.fields["line"] == 3
    assert reason in error.value.fields["reason"]
    assert "line 3" in FilesConnection("files", tmp_path).source().describe("o.csv").notes[0]


def test_rows_in_are_rows_out_and_rejects(tmp_path: Path) -> None:
    """Under quarantine every row is either delivered or set aside with its line and text, once."""
    bad = {3: "4,5", 5: "7,8,9,10", 6: "x,1,1", 8: "1,caf\xe9,1", 9: "1.5,y,2"}
    lines = [bad.get(number, f"{number},{number},{number}") for number in range(2, 12)]
    put(tmp_path, ("a,b,c\n" + "\n".join(lines) + "\n").encode("latin-1"))
    options = {**stated(a="BIGINT", b="VARCHAR", c="BIGINT"), "on_error": "quarantine"}
    rows, aside = rejected(tmp_path, "o.csv", options)
    assert [row[0] for row in rows] == [n for n in range(2, 12) if n not in bad]
    assert [row[0] for row in aside] == sorted(bad)
    raw = [json.loads(row[3]) for row in aside]
    assert raw[:3] == ["4,5", "7,8,9,10", {"a": "x", "b": "1", "c": "1"}]


def test_empty_and_missing_text_differ(tmp_path: Path) -> None:
    """An empty cell is NULL, a quoted empty one is an empty text, and words for nothing stay words."""
    put(tmp_path, 'id,t\n1,\n2,""\n3,NULL\n4,NA\n')
    assert read(tmp_path, "o.csv") == [(1, None), (2, ""), (3, "NULL"), (4, "NA")]
    options = {"null_values": ["NA"]}
    source = FilesConnection("files", tmp_path).source()
    assert read(tmp_path, "o.csv", source.describe("o.csv", options).options)[3] == (4, None)


def test_quoted_empty_cells_among_numbers_are_null(tmp_path: Path) -> None:
    """Where a file quotes every cell, a quoted empty cell among numbers is NULL, and a note says so."""
    put(tmp_path, '"id","t"\n"1","a"\n"","b"\n')
    table = FilesConnection("files", tmp_path).source().describe("o.csv")
    assert [c.type for c in table.columns] == ["BIGINT", "VARCHAR"]
    assert "NULL" in table.notes[0]
    assert read(tmp_path, "o.csv") == [(1, "a"), (None, "b")]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("id,ID,id\n1,2,3\n", ["id", "ID_2", "id_3"]),
        ("id,id_2,id\n1,2,3\n", ["id", "id_2", "id_3"]),
        ("a,,b\n1,2,3\n", ["a", "column_2", "b"]),
        ("a,b,c,\n1,2,3,\n", ["a", "b", "c", "column_4"]),
        ("e\u0301,\u00e9,select\n1,2,3\n", ["e\u0301", "\u00e9", "select"]),
        ('"a ""q"" b","x,y",z\n1,2,3\n', ['a "q" b', "x,y", "z"]),
    ],
)
def test_every_column_of_a_header_arrives(tmp_path: Path, content: str, names: list[str]) -> None:
    """Repeated, empty and odd header cells become distinct names, always the same ones; no column is lost."""
    put(tmp_path, content)
    assert list(types(tmp_path, "o.csv")) == names
    assert read(tmp_path, "o.csv")[0][:3] == (1, 2, 3)


def test_a_file_without_header_keeps_its_first_row(tmp_path: Path) -> None:
    """Numbers above numbers are no header: the first row is a row, and a note says how the columns are named."""
    put(tmp_path, "1,2024-01-01,x\n2,2024-01-02,y\n")
    table = FilesConnection("files", tmp_path).source().describe("o.csv")
    assert [c.name for c in table.columns] == ["column_1", "column_2", "column_3"]
    assert table.rows == len(read(tmp_path, "o.csv")) == 2
    assert "no header" in table.notes[0]


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    """A file with nothing but a header has its columns and no rows."""
    put(tmp_path, "a,b\n")
    assert types(tmp_path, "o.csv") == {"a": "VARCHAR", "b": "VARCHAR"}
    assert read(tmp_path, "o.csv") == []


def test_bad_bytes_are_named_by_offset(tmp_path: Path) -> None:
    """A byte that is not UTF-8 is an error with its offset, wherever in the file it stands; latin-1 can be stated."""
    content = b"id,t\n" + b"1,ok\n" * 200_000 + b"2,caf\xe9\n"
    put(tmp_path, content)
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o.csv")
    assert error.value.fields["byte"] == content.index(b"\xe9")
    assert "latin-1" in error.value.hint
    source = FilesConnection("files", tmp_path).source()
    assert read(tmp_path, "o.csv", source.describe("o.csv", {"encoding": "latin-1"}).options)[-1] == (2, "café")


def test_byte_order_marks_are_understood_or_refused(tmp_path: Path) -> None:
    """UTF-8 and UTF-16 with a mark read as text; UTF-16 with the high byte first is refused, not read as no rows."""
    put(tmp_path, "\ufeffid,t\n1,é\n", "eight.csv")
    put(tmp_path, "id,t\n1,é\n".encode("utf-16"), "sixteen.csv")
    put(tmp_path, b"\xfe\xff" + "id,t\n1,é\n".encode("utf-16-be"), "high.csv")
    assert read(tmp_path, "eight.csv") == read(tmp_path, "sixteen.csv") == [(1, "é")]
    assert list(types(tmp_path, "eight.csv")) == ["id", "t"]
    with pytest.raises(ReadError, match="encoding"):
        types(tmp_path, "high.csv")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_one_way(tmp_path: Path, ends: str) -> None:
    """LF, CRLF and CR files read alike; one that mixes them is refused by that reason."""
    put(tmp_path, ends.join(["a,b", "1,x", "2,y", ""]))
    assert read(tmp_path, "o.csv") == [(1, "x"), (2, "y")]
    put(tmp_path, "a,b\r\n1,x\n2,y\r\n")
    with pytest.raises(ReadError, match="end in different ways"):
        types(tmp_path, "o.csv")


@pytest.mark.parametrize("packed", ["gz", "zst"])
def test_compressed_text_reads_like_plain_text(tmp_path: Path, packed: str) -> None:
    """Gzip and zstd files read as their plain text does."""
    with connect() as connection:
        method = {"gz": "gzip", "zst": "zstd"}[packed]
        connection.execute(
            f"COPY (SELECT 1 AS a, 'x' AS b) TO '{tmp_path}/o.csv.{packed}' (FORMAT csv, HEADER, COMPRESSION {method})"
        )
    assert read(tmp_path, f"o.csv.{packed}") == [(1, "x")]


def test_recorded_options_repeat_the_read(tmp_path: Path) -> None:
    """The options that a description gives read the file again without looking: later values do not change types."""
    put(tmp_path, "id;t\n1;007\n", "o.csv")
    options = FilesConnection("files", tmp_path).source().describe("o.csv").options
    put(tmp_path, "id;t\n1;7\n", "o.csv")
    assert types(tmp_path, "o.csv", options) == {"id": "BIGINT", "t": "VARCHAR"}
    assert read(tmp_path, "o.csv", options) == [(1, "7")]


def test_a_column_that_went_away_is_named(tmp_path: Path) -> None:
    """A recorded column that the file no longer has is an error that names it and what may have taken its place."""
    put(tmp_path, "id,total\n1,2\n")
    source = FilesConnection("files", tmp_path).source()
    with pytest.raises(NotFound) as error:
        source.scan("o.csv", options=stated(id="BIGINT", amount="BIGINT"))
    assert (error.value.fields["column"], error.value.fields["candidates"]) == ("amount", ["total"])
    assert read(tmp_path, "o.csv", stated(id="BIGINT", amount="BIGINT"), columns=["ID"]) == [(1,)]


@pytest.mark.parametrize(
    "options",
    [{"delimeter": ";"}, {"types": {"a": "BIGINT); DROP TABLE x; --"}}, {"header": "yes"}, {"encoding": "ebcdic"}],
)
def test_a_wrong_option_is_named_with_what_is_valid(tmp_path: Path, options: dict[str, Any]) -> None:
    """An unknown or wrong option is an error that names it and what would be valid."""
    put(tmp_path, "a,b\n1,2\n")
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o.csv", options)
    assert error.value.fields["option"] == next(iter(options))
    assert error.value.hint


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    """A cell of five megabytes, beyond DuckDB's limit of a line, is read as it is."""
    put(tmp_path, 'a,b\n1,"' + "x" * 5_000_000 + '"\n2,y\n')
    assert [(row[0], len(row[1])) for row in read(tmp_path, "o.csv")] == [(1, 5_000_000), (2, 1)]


def test_a_large_file_is_described_from_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large file the start, middle and end decide the types, and a cell that they missed breaks the read."""
    monkeypatch.setattr("agent_etl.connectors.survey.WHOLE", 10_000)
    monkeypatch.setattr(sample, "_CHUNK", 2_000)
    monkeypatch.setattr(sample, "WHOLE", 10_000)
    rows = [f'{n},{n},2024-01-01,"a, ""{n}""\nb"' for n in range(4_000)]
    rows[-1] = "4000,1.5,2024-01-01,end"
    put(tmp_path, "id,amount,day,note\n" + "\n".join(rows) + "\n")
    assert types(tmp_path, "o.csv") == {"id": "BIGINT", "amount": "DOUBLE", "day": "DATE", "note": "VARCHAR"}
    assert len(read(tmp_path, "o.csv")) == 4_000
    rows[1_000] = "x,1,2024-01-01,missed"
    put(tmp_path, "id,amount,day,note\n" + "\n".join(rows) + "\n")
    assert types(tmp_path, "o.csv")["id"] == "BIGINT"
    with pytest.raises(ReadError) as error:
        read(tmp_path, "o.csv")
    assert (error.value.fields["column"], error.value.fields["found"]) == ("id", "VARCHAR")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), TEXT), min_size=1, max_size=20))
def test_any_text_survives(tmp_path: Path, rows: list[tuple[int, str]]) -> None:
    """Whatever stands in a quoted cell comes back letter by letter, and whole numbers digit by digit."""
    lines = [f'{number},"' + text.replace('"', '""') + '"' for number, text in rows]
    put(tmp_path, "number,text\n" + "\n".join(lines) + "\n")
    assert read(tmp_path, "o.csv", stated(number="BIGINT", text="VARCHAR")) == rows


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_any_float_survives(tmp_path: Path, values: list[float]) -> None:
    """The shortest text of every finite float reads back as that float."""
    put(tmp_path, "n,x\n" + "".join(f"1,{value!r}\n" for value in values))
    found = [row[1] for row in read(tmp_path, "o.csv", stated(n="BIGINT", x="DOUBLE"))]
    assert found == values
    assert [math.copysign(1, value) for value in found] == [math.copysign(1, value) for value in values]


def test_days_and_instants_are_typed_exactly(tmp_path: Path) -> None:
    """Days, local times and instants read as such; an offset is applied, never dropped."""
    put(tmp_path, "d,t,z\n2024-02-29,2024-01-05T12:00:00.5,2024-01-05 12:00:00+02\n")
    day, time = datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 5, 12, 0, 0, 500_000)
    assert read(tmp_path, "o.csv") == [(day, time, "2024-01-05 10:00:00+00")]


CELL = st.text("0123456789.+-_eEx ", min_size=1, max_size=21).map(lambda text: text.strip(" ") or "0")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(CELL, min_size=1, max_size=30))
def test_a_whole_number_is_read_only_from_its_own_text(tmp_path: Path, cells: list[str]) -> None:
    """Whatever stands in a cell, it becomes a BIGINT only when that number means the same, without a leading zero."""
    put(tmp_path, "n,c\n" + "".join(f'{number},"{cell}"\n' for number, cell in enumerate(cells)))
    rows, aside = rejected(tmp_path, "o.csv", {**stated(n="BIGINT", c="BIGINT"), "on_error": "quarantine"})
    assert len(rows) + len(aside) == len(cells)
    for number, value in rows:
        assert Decimal(cells[number]) == value
        assert not cells[number].lstrip("-").startswith("0") or cells[number] == "0"
    kept = {number for number, _ in rows}
    for number, cell in enumerate(cells):
        if re.fullmatch("0|-?[1-9][0-9]{0,17}", cell):
            assert number in kept
