"""SQL that fails on the rows: a failure that names the step and the reason, and quotes no row."""

import duckdb
import pytest

from agent_etl.engine.computation import computed
from agent_etl.engine.duck import translate
from agent_etl.engine.errors import AgentEtlError, ComputationFailed, ReadError

VALUES = ("SECRETVAL", "SECRET'VAL", 'SECRET"VAL', "SECRET\nVAL", "SECRET'x\n'VAL' to INT32", "$ecret 4217")


def failure(sql: str, *values: str) -> AgentEtlError:
    """What becomes of a step whose SQL reads a table t of (id, code, d)."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (id BIGINT, code VARCHAR, d DOUBLE)")
        connection.executemany("INSERT INTO t VALUES (4217, ?, 4217e30)", [[value] for value in values])
        try:
            connection.execute(sql).fetchall()
        except duckdb.Error as error:
            failed = translate(error, path="/tmp/.writing-1234")
            failed.__cause__ = error
            assert isinstance(failed, ReadError)
            return computed(failed, "s", sql)
    raise AssertionError("nothing failed")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    ("expression", "column", "type_"),
    [
        ("CAST(code AS INTEGER)", "code", "INTEGER"),
        ("CAST(code AS DECIMAL(5,2))", "code", "DECIMAL(5,2)"),
        ("CAST(code AS DATE)", "code", "DATE"),
        ("CAST(code AS TIMESTAMP)", "code", "TIMESTAMP"),
        ("CAST(code AS INTEGER[])", "code", "INTEGER[]"),
        ("CAST(d AS UBIGINT)", "d", "UBIGINT"),
        ("strptime(code, '%Y')", None, None),
        ("json_extract(code, '$.a')", None, None),
        ("from_hex(code)", None, None),
        ("from_base64(code || '!')", None, None),
        ("CAST(id AS TINYINT)", "id", "TINYINT"),
        ("error(code)", None, None),
        ("error('it is to ' || code)", None, None),
        ("error('Could not convert ' || code)", None, None),
    ],
)
def test_the_reason_is_told_without_the_row(value: str, expression: str, column: str | None, type_: str | None) -> None:
    """Step, column, type and DuckDB's reason are told; nothing of the value is, whatever it holds."""
    error = failure(f"SELECT id, {expression} AS x FROM t", value)
    assert isinstance(error, ComputationFailed)
    assert error.fields["step"] == "s"
    plain = value == "SECRETVAL"
    if column and (plain or column != "code"):
        assert (error.fields["column"], error.fields["type"]) == (column, type_)
    for part in ("ECRET", "ecret", "VAL", "4217", "/tmp"):
        assert part not in str(error).replace("INTERVAL", "")


def test_the_same_failure_looks_the_same_twice() -> None:
    """Other rows and another place of the package change nothing about what is told: a repair loop can stop."""
    first, second = (failure("SELECT CAST(code AS INTEGER) AS x FROM t", value) for value in ("one", "two"))
    assert first.fields == second.fields


def test_what_is_no_computation_is_left_alone() -> None:
    """An error of reading stays what it is."""
    error = ReadError("A row does not fit", line=3)
    assert computed(error, "s", "SELECT 1") is error
