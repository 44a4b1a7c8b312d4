"""Checks count the rows that fail, whatever their type."""

import pytest

from agent_etl.engine.duck import columns_of, connect
from agent_etl.engine.errors import GuardError, PlanError
from agent_etl.engine.plan import Check
from agent_etl.engine.quality import judge

ROWS = """SELECT * FROM (VALUES
    (1, 'a', 1.5::DOUBLE, DATE '2024-01-01', true), (2, 'b', 'nan'::DOUBLE, NULL, false),
    (2, NULL, -3, DATE '2024-02-01', NULL), (NULL, 'a', 10, DATE '2024-01-01', true))
    AS t(id, word, number, day, flag)"""


@pytest.fixture
def duck():
    connection = connect()
    yield connection
    connection.close()


def failing(duck, **check):
    verdict = judge(Check(name="c", on="s", **check), duck, ROWS, columns_of(duck, ROWS))
    assert verdict.rows == 4
    assert verdict.holds == (verdict.failing == 0)
    return verdict.failing


@pytest.mark.parametrize(
    ("check", "count"),
    [
        ({"kind": "not_null", "columns": ["id"]}, 1),
        ({"kind": "not_null", "columns": ["id", "word", "day"]}, 3),
        ({"kind": "unique", "columns": ["id"]}, 1),
        ({"kind": "unique", "columns": ["id", "word"]}, 0),
        ({"kind": "unique", "columns": ["word", "day"]}, 1),
        ({"kind": "accepted", "columns": ["word"], "values": ["a"]}, 1),
        ({"kind": "accepted", "columns": ["word"], "values": ["a", "b", None]}, 0),
        ({"kind": "accepted", "columns": ["id"], "values": [1, "2", "x"]}, 0),
        ({"kind": "accepted", "columns": ["flag"], "values": [True]}, 1),
        ({"kind": "accepted", "columns": ["day"], "values": ["2024-01-01"]}, 1),
        ({"kind": "accepted", "columns": ["word"], "values": ["it's"]}, 3),
        ({"kind": "range", "columns": ["number"], "low": 0}, 2),
        ({"kind": "range", "columns": ["number"], "high": 5}, 2),
        ({"kind": "range", "columns": ["id"], "low": 1, "high": 2}, 0),
        ({"kind": "row_count", "low": 4, "high": 4}, 0),
        ({"kind": "row_count", "low": 5}, 1),
        ({"kind": "row_count", "high": 3}, 1),
        ({"kind": "expression", "sql": "id > 1"}, 2),
        ({"kind": "expression", "sql": "id > 1 OR id IS NULL"}, 1),
    ],
)
def test_rows_that_fail_are_counted(duck, check, count):
    """Each kind of check counts exactly the rows that do not hold; NaN is in no range, null is no true."""
    assert failing(duck, **check) == count


@pytest.mark.parametrize(
    "check",
    [
        {"kind": "not_null"},
        {"kind": "not_null", "columns": ["nope"]},
        {"kind": "range", "columns": ["id"]},
        {"kind": "range", "columns": ["id", "number"], "low": 1},
        {"kind": "accepted", "columns": ["id"]},
        {"kind": "expression"},
    ],
)
def test_a_check_that_says_nothing_is_a_plan_error(duck, check):
    """A check without what it needs never passes for nothing."""
    with pytest.raises(PlanError):
        failing(duck, **check)


def test_an_expression_goes_through_the_guard(duck):
    """A check cannot read files."""
    with pytest.raises(GuardError):
        failing(duck, kind="expression", sql="(SELECT count(*) FROM read_csv('/etc/passwd')) > 0")


def test_no_rows_hold_every_check_but_a_row_count(duck):
    """An empty step has no failing row."""
    empty = f"SELECT * FROM ({ROWS}) WHERE false"
    columns = columns_of(duck, empty)
    assert judge(Check(name="c", on="s", kind="unique", columns=("id",)), duck, empty, columns).holds
    assert not judge(Check(name="c", on="s", kind="row_count", low=1), duck, empty, columns).holds
