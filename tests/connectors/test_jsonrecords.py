import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from harness.tables import read, rejected, types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_etl.connectors.files import FilesConnection
from agent_etl.engine.errors import NotFound, ReadError


def put(folder: Path, content: str | bytes, name: str = "o.jsonl") -> None:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-9223372036854775808", "null"], "BIGINT"),
        (["9007199254740993"], "BIGINT"),
        (["12345678901234567890123", "1"], "DECIMAL(38,0)"),
        (["1", "2.5"], "DOUBLE"),
        (["1.5", "1e400"], "JSON"),
        (["true", "false"], "BOOLEAN"),
        (['"5"', '"007"'], "VARCHAR"),
        (['"2024-02-29"'], "DATE"),
        (['"2024-02-29"', '""'], "VARCHAR"),
        (['"2024-01-05T10:00:00"'], "TIMESTAMP"),
        (['"2024-01-05T10:00:00Z"'], "TIMESTAMP WITH TIME ZONE"),
        (["null", "null"], "VARCHAR"),
        (["1", '"x"'], "JSON"),
        (["1", "[1]", '{"a": 2}'], "JSON"),
        (['{"a": [1, 2]}', "null"], "JSON"),
    ],
)
def test_a_key_gets_the_type_that_loses_nothing(tmp_path: Path, values: list[str], kind: str) -> None:
    """Numbers are exact, texts stay texts unless they are days or instants, nested and mixed values stay JSON."""
    put(tmp_path, "".join(f'{{"v": {value}}}\n' for value in values))
    assert types(tmp_path, "o.jsonl") == {"v": kind}
    found = [row[0] for row in read(tmp_path, "o.jsonl")]
    assert [value is None for value in found] == [value == "null" for value in values]
    if kind in {"BIGINT", "DECIMAL(38,0)"}:
        assert [None if v is None else Decimal(v) for v in found] == [
            None if value == "null" else Decimal(value) for value in values
        ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [('{"a": 2', "not JSON"), ("[1, 2]", "not an object"), ('{"a": 1, "a": 2}', "twice"), ("nonsense", "not JSON")],
)
def test_a_record_that_cannot_be_read_is_named(tmp_path: Path, line: str, reason: str) -> None:
    """A broken line, a value that is no object and a repeated key are errors with their line, or set aside."""
    put(tmp_path, f'{{"a": 1}}\n\n{line}\n{{"a": 3}}\n')
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o.jsonl")
    assert error.value.fields["line"] == 3
    assert reason in error.value.fields["reason"]
    source = FilesConnection("files", tmp_path).source()
    options = source.describe("o.jsonl", {"on_error": "quarantine"}).options
    rows, aside = rejected(tmp_path, "o.jsonl", options)
    assert rows == [(1,), (3,)]
    assert [(row[0], row[3]) for row in aside] == [(3, line if "twice" in reason else json.dumps(line))]


def test_a_value_that_breaks_its_type_later_is_named(tmp_path: Path) -> None:
    """A value that does not fit the recorded type is an error with line, column and the type that fits."""
    options: dict[str, Any] = {"types": {"id": "BIGINT"}, "keys": {"id": "id"}}
    put(tmp_path, '{"id": 1}\n{"id": 1.5}\n{"id": "x"}\n')
    with pytest.raises(ReadError) as error:
        read(tmp_path, "o.jsonl", options)
    assert {name: error.value.fields[name] for name in ("column", "line", "type", "rows")} == {
        "column": "id",
        "line": 2,
        "type": "BIGINT",
        "rows": 2,
    }
    rows, aside = rejected(tmp_path, "o.jsonl", {**options, "on_error": "quarantine"})
    assert (rows, [row[:2] for row in aside]) == ([(1,)], [(2, "id"), (3, "id")])


def test_a_key_that_appears_later_is_not_dropped(tmp_path: Path) -> None:
    """A key that was not there when the columns were recorded ends a read of all columns; named columns go on."""
    options: dict[str, Any] = {"types": {"id": "BIGINT"}, "keys": {"id": "id"}}
    put(tmp_path, '{"id": 1}\n{"id": 2, "new": 3}\n')
    with pytest.raises(ReadError) as error:
        read(tmp_path, "o.jsonl", options)
    assert (error.value.fields["line"], error.value.fields["reason"]) == (2, "has an unknown key")
    assert read(tmp_path, "o.jsonl", options, columns=["id"]) == [(1,), (2,)]
    with pytest.raises(NotFound):
        read(tmp_path, "o.jsonl", options, columns=["none"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("array.json", '\ufeff [{"a": 1},\n {"a": 2}]'),
        ("objects.json", '{"a": 1}\n{"a": 2}\n'),
        ("pretty.json", '{\n  "a": 1\n}\n{\n  "a": 2\n}\n'),
        ("lines.ndjson", '{"a": 1}\r\n{"a": 2}'),
    ],
)
def test_arrays_objects_and_lines_are_records(tmp_path: Path, name: str, content: str) -> None:
    """A JSON array of objects, objects one after the other and JSON Lines are the same table."""
    put(tmp_path, content, name)
    assert read(tmp_path, name) == [(1,), (2,)]


@pytest.mark.parametrize(
    ("content", "line"), [('[{"a": 1},\n {"a": }]', 2), ('[{"a": 1}', 1), ('{"a": 1}\n{"a": \n', 3)]
)
def test_a_broken_json_file_is_named_by_line(tmp_path: Path, content: str, line: int) -> None:
    """A JSON file that stops being JSON is an error with the line where it does."""
    put(tmp_path, content, "o.json")
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o.json")
    assert error.value.fields["line"] == line


def test_keys_keep_their_names(tmp_path: Path) -> None:
    """Keys with slashes, dots, quotes and signs are columns of that name; those that differ in case get a number."""
    keys = ["a/b", "a~c", "d.e", "$", 'q"x', "it's", "*", "id", "ID", ""]
    put(tmp_path, json.dumps({key: number for number, key in enumerate(keys)}) + "\n")
    assert list(types(tmp_path, "o.jsonl")) == [*keys[:8], "ID_2", "column_10"]
    assert read(tmp_path, "o.jsonl") == [tuple(range(10))]


def test_late_and_missing_keys_are_null(tmp_path: Path) -> None:
    """A key that only the last of ten thousand records has is a column, NULL in the others."""
    put(tmp_path, '{"a": 1, "b": null}\n' * 10_000 + '{"a": 1, "b": {"x": 1}, "c": "late"}\n')
    assert types(tmp_path, "o.jsonl") == {"a": "BIGINT", "b": "JSON", "c": "VARCHAR"}
    rows = read(tmp_path, "o.jsonl")
    assert (rows[0], rows[-1], len(rows)) == ((1, None, None), (1, '{"x":1}', "late"), 10_001)


def test_bad_bytes_and_empty_files_are_refused(tmp_path: Path) -> None:
    """A byte that is not UTF-8 is named by its offset; a file without a record is no table."""
    put(tmp_path, b'{"a": "caf\xe9"}\n')
    with pytest.raises(ReadError) as error:
        types(tmp_path, "o.jsonl")
    assert error.value.fields["byte"] == 10
    put(tmp_path, "")
    with pytest.raises(ReadError, match="no record"):
        types(tmp_path, "o.jsonl")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_number_and_text_survives(tmp_path: Path, rows: list[tuple[int, str]]) -> None:
    """Whole numbers come back digit by digit and texts letter by letter."""
    put(tmp_path, "".join(json.dumps({"n": n, "t": t}, ensure_ascii=False) + "\n" for n, t in rows))
    options = {"types": {"n": "BIGINT", "t": "VARCHAR"}, "keys": {"n": "n", "t": "t"}}
    assert read(tmp_path, "o.jsonl", options) == rows
