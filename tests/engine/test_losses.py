"""Rows that joins leave out: counted where the keys come from, and said to be uncounted elsewhere."""

from collections.abc import Iterator

import pytest
from harness.measuring import MeasuringProber, catalogue, measuring

from agent_etl.engine.bind import bind
from agent_etl.engine.goal import Finding
from agent_etl.engine.grain import grain
from agent_etl.engine.plan import Extract, Load, Plan, Transform

DATA = """
CREATE TABLE customers (id BIGINT, name VARCHAR, region_id BIGINT);
INSERT INTO customers VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 9);
CREATE TABLE regions (id BIGINT, region VARCHAR);
INSERT INTO regions VALUES (1, 'north');
CREATE TABLE orders (id BIGINT, customer_id BIGINT, status VARCHAR);
INSERT INTO orders VALUES (1, 1, 'x'), (1, 1, 'x'), (2, 9, 'x'), (3, 9, 'y'), (4, NULL, 'x');
CREATE TABLE known (id BIGINT);
INSERT INTO known VALUES (1), (2), (9), (NULL);
"""
PLAIN = "3 of 5 rows of orders have no partner in customers and are left out"
JOIN = "SELECT o.id, c.name FROM {} o JOIN customers c ON c.id = o.customer_id"


@pytest.fixture(scope="module")
def prober() -> Iterator[MeasuringProber]:
    with measuring(DATA) as prober:
        yield prober


def notes(prober: MeasuringProber, *sqls: str, where: str | None = None) -> list[Finding]:
    """The findings of the last step, with `where` as the filter of the extract of orders."""
    steps = tuple(Transform(name=f"step{number}", sql=sql) for number, sql in enumerate(sqls))
    known = catalogue(prober)
    extracts = tuple(
        Extract(name=table.name, source="db", dataset=table.name, where=where if table.name == "orders" else None)
        for table in known.tables
    )
    loads = (Load(name="l", from_=steps[-1].name, target="warehouse", table="t"),)
    plan = Plan(name="p", extracts=extracts, transforms=steps, loads=loads)
    binding = bind(plan, known)
    assert binding.findings == ()
    return [finding for finding in grain(plan, binding, prober).findings if finding.step == steps[-1].name]


def lost(prober: MeasuringProber, *sqls: str, where: str | None = None) -> list[Finding]:
    """Those that tell of rows of orders that a join leaves out."""
    found = notes(prober, *sqls, where=where)
    return [finding for finding in found if finding.code.endswith("_loss") and "rows of orders" in finding.message]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("SELECT * FROM orders", PLAIN),
        ("SELECT customer_id, id AS id FROM (SELECT * FROM orders) x", PLAIN),
        ("SELECT * FROM orders WHERE status = 'x'", f"up to {PLAIN} (counted in orders before its rows were filtered)"),
        ("SELECT * FROM orders LIMIT 3", f"up to {PLAIN} (counted in orders before its rows were filtered)"),
        ("SELECT DISTINCT * FROM orders", f"up to {PLAIN} (counted in orders before its rows were combined)"),
        (
            "SELECT DISTINCT * FROM orders WHERE status = 'x'",
            f"up to {PLAIN} (counted in orders before its rows were filtered and combined)",
        ),
        (
            "SELECT customer_id, min(id) AS id FROM orders GROUP BY customer_id",
            f"up to {PLAIN} (counted in orders before its rows were combined)",
        ),
        (
            "SELECT * FROM orders QUALIFY row_number() OVER (PARTITION BY id ORDER BY status) = 1",
            f"up to {PLAIN} (counted in orders before its rows were filtered)",
        ),
        (
            "SELECT * FROM orders QUALIFY rank() OVER (ORDER BY id) < 3",
            f"up to {PLAIN} (counted in orders before its rows were filtered)",
        ),
        (
            "SELECT DISTINCT ON (id) * FROM orders ORDER BY id, status",
            f"up to {PLAIN} (counted in orders before its rows were filtered)",
        ),
    ],
)
def test_a_loss_is_counted_in_the_source_through_earlier_steps(prober: MeasuringProber, before: str, told: str) -> None:
    """Whatever stands between a source and the join, the rows that find no partner are counted in the source."""
    (loss,) = lost(prober, before, JOIN.format("step0"))
    assert (loss.severity, loss.code, loss.message) == ("note", "row_loss", told)


def test_a_filter_of_the_extract_is_a_filter(prober: MeasuringProber) -> None:
    """An extract that reads some rows alone is counted whole, and the sentence says so."""
    (loss,) = lost(prober, JOIN.format("orders"), where="status = 'x'")
    assert loss.message == f"up to {PLAIN} (counted in orders before its rows were filtered)"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT o.id FROM orders o, customers c WHERE c.id = o.customer_id", PLAIN),
        ("SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id AND c.name = 'a'", f"at least {PLAIN}"),
        (
            "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status = 'x'",
            f"up to {PLAIN} (counted in orders before its rows were filtered)",
        ),
        (
            "SELECT o.id FROM orders o JOIN (SELECT * FROM customers WHERE name <> 'b') c ON c.id = o.customer_id",
            f"at least {PLAIN}",
        ),
    ],
)
def test_a_number_that_is_a_bound_is_said_to_be_one(prober: MeasuringProber, sql: str, told: str) -> None:
    """What narrows the partners makes the count a least, what narrows the rows themselves makes it a most."""
    (loss,) = lost(prober, sql)
    assert loss.message == told


@pytest.mark.parametrize(
    "sql",
    [
        "JOIN customers c ON c.id = o.customer_id + 0",
        "JOIN customers c ON lower(c.name) = o.status",
        "JOIN (SELECT id FROM known UNION SELECT id FROM customers) c ON c.id = o.customer_id",
        "JOIN (SELECT max(id) AS id, name FROM customers GROUP BY name) c ON c.id = o.customer_id",
        "ASOF JOIN customers c ON o.customer_id >= c.id",
    ],
)
def test_what_cannot_be_counted_is_said_to_be_uncounted(prober: MeasuringProber, sql: str) -> None:
    """An inner join by a computed key may lose rows: a note says so, and that nobody counted them."""
    (loss,) = lost(prober, f"SELECT o.id FROM orders o {sql}")
    assert (loss.severity, loss.code) == ("note", "unmeasured_loss")
    assert loss.message.endswith("how many was not measured: the join's key is not a column of one source")


def test_a_partner_that_a_filter_removes_is_not_silent(prober: MeasuringProber) -> None:
    """Where every key has a partner before a filter of the other side, its cost is said to be uncounted."""
    found = notes(prober, "SELECT k.id FROM regions r JOIN (SELECT * FROM known WHERE id > 1) k ON k.id = r.id")
    assert "unmeasured_loss" in {finding.code for finding in found}


def test_a_loss_further_down_names_what_goes_with_it(prober: MeasuringProber) -> None:
    """A customer without a region takes the orders that were joined to it along, and the sentence says so."""
    joined = "orders o JOIN customers c ON c.id = o.customer_id JOIN regions r ON r.id = c.region_id"
    told = [finding.message for finding in notes(prober, f"SELECT o.id FROM {joined}")]
    want = "up to 1 of 3 rows of customers have no partner in regions and are left out with all that was joined to them"
    assert any(message.startswith(want) for message in told)


def test_an_outer_or_filtering_join_loses_nothing_unsaid(prober: MeasuringProber) -> None:
    """A left join keeps its rows, a full one too, and a semi join filters on purpose: no loss is told."""
    for kind in ("LEFT", "FULL", "SEMI"):
        assert lost(prober, f"SELECT o.id FROM orders o {kind} JOIN customers c ON c.id = o.customer_id") == []
