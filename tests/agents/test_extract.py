"""The extract agent's proofs."""

from collections.abc import Callable

import pytest

from agent_etl.agents import extract
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Plan

# ruff: noqa: E501
Bench = Callable[[Plan], Workbench]


def proved(bench: Bench, line: str) -> list[Finding]:
    plan = Plan.parse(
        f"name: p\nextracts:\n- {line}\nloads:\n- {{name: out, from: orders, target: warehouse, table: t}}\n"
    )
    return list(extract.prove(plan, bench(plan)))


def test_sources_as_the_plan_expects_are_silent(bench: Bench) -> None:
    """An extract whose source is what the plan was made for has no finding."""
    line = "{name: orders, source: here, dataset: orders.csv, columns: [id, amount], where: amount > 3, expect: {id: BIGINT}}"
    assert proved(bench, line) == []


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        ("{name: orders, source: shpo, dataset: customers}", "unknown_connection", "no connection is named shpo → nearest: shop"),
        ("{name: orders, source: here, dataset: ordrs.csv}", "unknown_dataset", "here has no dataset ordrs.csv"),
        ("{name: orders, source: shop, dataset: custmers}", "unknown_dataset", "shop has no dataset custmers"),
        ("{name: orders, source: here, dataset: orders.csv, columns: [id, amout]}", "unknown_column", "nearest: amount"),
        ("{name: orders, source: here, dataset: orders.csv, where: amout > 3}", "unknown_column", "nearest: amount"),
        ("{name: orders, source: here, dataset: orders.csv, where: amount + 3}", "type_mismatch", "not true or false"),
        ("{name: orders, source: here, dataset: orders.csv, where: day < now()}", "nondeterministic", "now()"),
        ("{name: orders, source: here, dataset: orders.csv, where: 'id IN (SELECT 1)'}", "guard", "one row only"),
        ("{name: orders, source: here, dataset: orders.csv, expect: {amount_eur: DOUBLE}}", "schema_changed", "it may be amount now"),
        ("{name: orders, source: here, dataset: orders.csv, expect: {amount: BIGINT}}", "schema_changed", "amount of orders.csv is DOUBLE now, the plan was made for BIGINT"),
    ],
)  # fmt: skip
def test_a_source_that_is_not_what_the_plan_says_is_one_finding(
    bench: Bench, line: str, code: str, sentence: str
) -> None:
    """A missing connection, dataset or column, a changed type, a bad condition: one error with what was meant."""
    (finding,) = proved(bench, line)
    assert (finding.severity, finding.code, finding.step) == ("error", code, "orders")
    assert sentence in str(finding)


def test_a_lost_column_that_is_also_chosen_is_told_once(bench: Bench) -> None:
    """A column that the plan expects and chooses, and that is gone, is one finding with its candidates."""
    line = (
        "{name: orders, source: here, dataset: orders.csv, columns: [id, total], expect: {id: BIGINT, total: DOUBLE}}"
    )
    (finding,) = proved(bench, line)
    assert dict(finding.evidence) == {"column": "total", "candidates": "amount"}


def test_an_extract_that_nobody_reads_is_stopped(bench: Bench) -> None:
    """A source that no step reads is a mistake of the plan, not an empty read."""
    plan = Plan.parse(
        "name: p\nextracts:\n- {name: orders, source: here, dataset: orders.csv}\n"
        "- {name: payments, source: here, dataset: payments.csv}\n"
        "loads:\n- {name: out, from: orders, target: warehouse, table: t}\n"
    )
    (finding,) = extract.prove(plan, bench(plan))
    assert (finding.code, finding.step) == ("unused_step", "payments")
