"""Binding: columns and types of every step without reading a row."""

import time

import pytest

from agent_etl.engine.bind import Binding, bind
from agent_etl.engine.plan import Check, Extract, Load, Plan, Transform
from agent_etl.engine.schema import Catalogue, Column, Table

CATALOGUE = Catalogue(
    (
        Table(
            "here",
            "orders.csv",
            (
                Column("id", "BIGINT"),
                Column("amount", "DOUBLE"),
                Column("status", "VARCHAR"),
                Column("day", "DATE"),
                Column("net", "DECIMAL(10,2)"),
            ),
        ),
        Table("here", "payments.csv", (Column("id", "BIGINT"), Column("order_id", "BIGINT"))),
    )
)


def bound(*sqls: str, where: str | None = None, columns: tuple[str, ...] | None = None, check: str = "") -> Binding:
    transforms = tuple(Transform(name=f"step{number}", sql=sql) for number, sql in enumerate(sqls))
    last = transforms[-1].name if transforms else "orders"
    checks = (Check(name="c", on="orders", kind="expression", sql=check),) if check else ()
    plan = Plan(
        name="p",
        extracts=(
            Extract(name="orders", source="here", dataset="orders.csv", where=where, columns=columns),
            Extract(name="payments", source="here", dataset="payments.csv"),
        ),
        transforms=transforms,
        loads=(Load(name="l", from_=last, target="warehouse", table="t"),),
        checks=checks,
    )
    return bind(plan, CATALOGUE)


def test_types_flow_through_steps() -> None:
    """Each step's columns carry the types that DuckDB gives them, step after step."""
    result = bound(
        "SELECT status, sum(net) AS total, count(*) AS n FROM orders GROUP BY status",
        "SELECT *, total / n AS mean, NULL AS nothing FROM step0",
    )
    assert result.findings == ()
    assert result.columns["step1"] == (
        Column("status", "VARCHAR"),
        Column("total", "DECIMAL(38,2)"),
        Column("n", "BIGINT"),
        Column("mean", "DOUBLE"),
        Column("nothing", "INTEGER"),
    )
    assert result.reads == {"step0": ("orders",), "step1": ("step0",)}


def test_an_extract_gives_the_columns_it_chose() -> None:
    """An extract's output is its chosen columns in their order, spelt as the source spells them."""
    result = bound(columns=("Status", "id"))
    assert result.columns["orders"] == (Column("status", "VARCHAR"), Column("id", "BIGINT"))


@pytest.mark.parametrize(
    ("sql", "code", "sentence"),
    [
        ("SELECT amout FROM orders", "unknown_column", "step0: orders has no column amout → nearest: amount"),
        ("SELECT o.amout FROM orders o", "unknown_column", "nearest: amount"),
        ("SELECT zzz FROM orders", "unknown_column", "valid are id, amount, status, day, net"),
        ("SELECT * EXCLUDE (zzz) FROM orders", "unknown_column", "orders has no column zzz"),
        ("SELECT id FROM orders JOIN payments USING (order_id)", "unknown_column", "order_id"),
        ("SELECT * FROM ordrs", "unknown_table", "no earlier step is named ordrs → nearest: orders"),
        ("SELECT x.id FROM orders", "unknown_table", "named x"),
        ("SELECT strftme(day, '%Y') FROM orders", "unknown_function", "nearest: strftime"),
        ("SELECT sum(status) FROM orders", "type_mismatch", "sum does not take VARCHAR"),
        ("SELECT amount + status FROM orders", "type_mismatch", "+ does not take DOUBLE and VARCHAR"),
        ("SELECT date_trunc('month', status) FROM orders", "type_mismatch", "date_trunc does not take"),
        ("SELECT strftime(status, '%Y') FROM orders", "type_mismatch", "strftime does not take"),
        ("SELECT * FROM orders WHERE status > 3", "type_mismatch", "compares VARCHAR with INTEGER"),
        ("SELECT * FROM orders WHERE id = 'abc'", "type_mismatch", "id is a BIGINT"),
        ("SELECT * FROM orders WHERE day > '2024-13-01'", "type_mismatch", "day is a DATE"),
        ("SELECT * FROM orders WHERE day BETWEEN '2024-01-01' AND '2024-02-30'", "type_mismatch", "'2024-02-30'"),
        ("SELECT status, sum(net) FROM orders", "not_grouped", "add status to GROUP BY"),
        ("SELECT id FROM orders JOIN payments ON order_id = orders.id", "ambiguous_column", "orders.id"),
        ("SELECT * FROM orders o JOIN payments p ON o.id = p.order_id", "duplicate_column", "named id"),
        ("SELECT sum(sum(net)) FROM orders", "unbound_sql", "cannot be nested"),
        ("SELECT id FROM orders WHERE day < now()", "nondeterministic", "now()"),
        ("DROP TABLE orders", "guard", "DROP is outside the allowed SQL"),
    ],
)
def test_a_step_that_does_not_bind_is_explained(sql: str, code: str, sentence: str) -> None:
    """A finding says in one sentence what is wrong with the SQL and what was probably meant."""
    (finding,) = bound(sql).findings
    assert (finding.severity, finding.code, finding.step) == ("error", code, "step0")
    assert sentence in str(finding)


def test_one_broken_step_is_one_finding() -> None:
    """Steps that read a broken step are left unbound without complaints of their own."""
    result = bound("SELECT amout FROM orders", "SELECT amout + 1 AS x FROM step0")
    assert [finding.step for finding in result.findings] == ["step0"]
    assert set(result.columns) == {"orders", "payments"}


def test_a_later_step_cannot_be_read() -> None:
    """SQL that names a step further down is told to move it up."""
    (finding,) = bound("SELECT * FROM step1", "SELECT 1 AS one").findings
    assert str(finding) == "step0: step1 is not made yet → write step step1 above this one"


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("amount > 3 AND day >= '2024-01-01'", None),
        ("amount", "type_mismatch"),
        ("amont > 3", "unknown_column"),
        ("status > 3", "type_mismatch"),
        ("1) FROM x --", "guard"),
    ],
)
def test_an_extracts_where_is_bound(where: str, code: str | None) -> None:
    """An extract's condition is one boolean over the dataset's columns, chosen or not."""
    findings = bound(where=where, columns=("id",)).findings
    assert [finding.code for finding in findings] == ([code] if code else [])
    assert all(finding.field == "where" for finding in findings)


def test_a_missing_column_of_an_extract_names_the_nearest() -> None:
    """A chosen column that the source lacks is a finding with the nearest names as evidence."""
    (finding,) = bound(columns=("id", "statuss")).findings
    assert (finding.code, finding.field) == ("unknown_column", "columns")
    assert dict(finding.evidence) == {"column": "statuss", "candidates": "status"}


def test_a_checks_expression_is_bound() -> None:
    """A check's expression must be a boolean over its step's columns."""
    assert bound(check="amount >= 0").findings == ()
    assert [finding.code for finding in bound(check="amount + 1").findings] == ["type_mismatch"]


def test_binding_is_cheap() -> None:
    """Ten steps bind in well under a second on a busy machine."""
    sqls = ["SELECT id, status, sum(net) AS net FROM orders GROUP BY ALL"]
    sqls += [f"SELECT id, status, net + 1 AS net FROM step{number}" for number in range(9)]
    bound(*sqls)
    started = time.perf_counter()
    assert bound(*sqls).findings == ()
    assert time.perf_counter() - started < 0.5
