"""Rows that could not be read, read again."""

import json
from typing import Any

import pytest

from agent_etl.connectors.reread import NUMBER, reread
from agent_etl.engine.duck import attached, connect
from agent_etl.engine.errors import NotFound

CSV: dict[str, Any] = {
    "format": "csv",
    "dataset": "o.csv",
    "columns": ["id", "name"],
    "options": {"delimiter": ",", "quote": '"', "escape": '"', "types": {"id": "BIGINT", "name": "VARCHAR"}},
}
RECORDS: dict[str, Any] = {
    "format": "json",
    "dataset": "o.jsonl",
    "columns": ["id", "tags"],
    "keys": {"id": "id", "tags": "tags"},
    "options": {"types": {"id": "BIGINT", "tags": "JSON"}},
}


def again(
    how: dict[str, Any], raws: list[object], columns: list[str] | None = None, **options: object
) -> list[tuple[object, ...]]:
    texts = [raw if isinstance(raw, str) and how is RECORDS else json.dumps(raw) for raw in raws]
    relation = reread(how, options, columns, enumerate(texts, 1))
    with connect() as duck, attached(duck, relation) as select:
        return duck.execute(f'SELECT * FROM ({select}) ORDER BY "{NUMBER}"').fetchall()


def test_cells_and_lines_become_rows_under_new_options() -> None:
    """Cells take the types and words for nothing that the plan has now; a line is cut anew; what fails says why."""
    raws = [{"id": "1", "name": "a"}, {"id": "n/a", "name": None}, '3;"x;y"', "4", {"id": "1.5", "name": ""}]
    rows = again(CSV, raws, delimiter=";", null_values=["n/a"])
    assert rows == [
        (1, None, 1, "a"),
        (2, None, None, None),
        (3, None, 3, "x;y"),
        (4, ": 1 cells, the header has 2", None, None),
        (5, "id: does not fit the type", 2, ""),
    ]
    assert again(CSV, raws[:1], ["NAME"], types={"name": "VARCHAR"}) == [(1, None, "a")]


@pytest.mark.parametrize(
    ("line", "why"), [('1,"a', "cannot be cut"), ('1,"a"\n2,b', "cannot be cut"), ('1,""', "an empty cell")]
)
def test_a_line_that_is_not_one_sure_record_stays_aside(line: str, why: str) -> None:
    """An open quote, two records, or an empty cell that may be an empty text: never guessed."""
    ((_, wrong, _, _),) = again(CSV, [line])
    assert why in wrong


def test_records_become_rows() -> None:
    """An object is read by its keys, nested values as they are written; broken ones say what is wrong."""
    raws = ['{"id": 1, "tags": [1, 2]}', '{"id": "x"}', '"{\\"id\\": 2}"', '"[1]"', '"{\\"id\\""', '{"id": 1, "id": 2}']
    rows = again(RECORDS, [*raws, '{"id": 3, "new": 1}'])
    assert rows[0] == (1, None, 1, "[1,2]")
    assert [row[1] for row in rows] == [
        None,
        "id: does not fit the type",
        None,
        ": is not an object",
        ": is not JSON",
        ": has a key twice",
        ": has an unknown key",
    ]
    assert again(RECORDS, ['{"id": 3, "new": 1}'], ["id"]) == [(1, None, 3)]


def test_a_column_that_the_rows_lack_is_named() -> None:
    """A plan that reads another column than there was is told which there are."""
    with pytest.raises(NotFound) as error:
        again(CSV, [], ["size"])
    assert error.value.fields == {"column": "size", "valid": ["id", "name"]}
