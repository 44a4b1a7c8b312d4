"""Grain: sums that would count twice are stopped, right plans are not."""

from collections.abc import Iterator

import pytest
from harness.measuring import MeasuringProber, catalogue, measuring

from agent_etl.engine.bind import bind
from agent_etl.engine.grain import Grain, grain
from agent_etl.engine.plan import Extract, Load, Plan, Transform

DATA = """
CREATE TABLE customers (id BIGINT, name VARCHAR, region VARCHAR, manager_id BIGINT);
INSERT INTO customers VALUES (1, 'a', 'n', NULL), (2, 'b', 'n', 1), (3, 'c', 's', 1), (4, 'd', 's', 2);
CREATE TABLE orders (id BIGINT, customer_id BIGINT, amount DOUBLE, status VARCHAR, day DATE);
INSERT INTO orders VALUES (1, 1, 10, 'x', '2024-01-01'), (2, 1, 20, 'x', '2024-01-02'), (3, 2, 30, 'y', '2024-02-01'),
    (4, 9, 40, 'y', '2024-02-02');
CREATE TABLE payments (id BIGINT, order_id BIGINT, amount BIGINT, method VARCHAR);
INSERT INTO payments VALUES (1, 1, 500, 'card'), (2, 1, 500, 'coupon'), (3, 2, 2000, 'card'), (4, 3, 3000, 'card');
CREATE TABLE refunds (id BIGINT, order_id BIGINT, amount BIGINT);
INSERT INTO refunds VALUES (1, 1, 100), (2, 1, 50), (3, 2, 10);
CREATE TABLE items (order_id BIGINT, line BIGINT, product_id BIGINT, quantity BIGINT);
INSERT INTO items VALUES (1, 1, 7, 1), (1, 2, 8, 2), (2, 1, 7, 3), (3, 1, 8, 1);
CREATE TABLE products (id BIGINT, price DOUBLE, tags VARCHAR[]);
INSERT INTO products VALUES (7, 1.5, ['p', 'q']), (8, 2.5, ['p']);
CREATE TABLE rates (currency VARCHAR, day DATE, rate DOUBLE);
INSERT INTO rates VALUES ('eur', '2024-01-01', 1.1), ('usd', '2024-01-01', 1.0), ('eur', '2024-01-02', 1.2);
"""


@pytest.fixture(scope="module")
def prober() -> Iterator[MeasuringProber]:
    with measuring(DATA) as prober:
        yield prober


def analysed(prober: MeasuringProber, *sqls: str, acknowledge: tuple[str, ...] = (), where: str | None = None) -> Grain:
    transforms = tuple(
        Transform(name=f"step{number}", sql=sql, acknowledge=acknowledge) for number, sql in enumerate(sqls)
    )
    known = catalogue(prober)
    extracts = tuple(
        Extract(name=table.name, source="db", dataset=table.name, where=where if table.name == "orders" else None)
        for table in known.tables
    )
    loads = (Load(name="l", from_=transforms[-1].name if transforms else "orders", target="warehouse", table="t"),)
    plan = Plan(name="p", extracts=extracts, transforms=transforms, loads=loads)
    binding = bind(plan, known)
    assert binding.findings == ()
    return grain(plan, binding, prober)


# ruff: noqa: E501
STOPPED = [
    # The trap itself, in its forms.
    ("SELECT status, sum(o.amount) AS s FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY status", "payments"),
    ("SELECT sum(o.amount) AS s FROM payments p JOIN orders o ON o.id = p.order_id", "payments"),
    ("SELECT avg(o.amount) AS s FROM orders o LEFT JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT count(o.id) AS n FROM orders o LEFT JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT median(o.amount) AS m FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT mean(o.amount) AS m FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT quantile_cont(o.amount, 0.5) AS m FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY o.amount) AS m FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT round(sum(o.amount) / 100.0, 2) AS s FROM orders o, payments p WHERE p.order_id = o.id", "payments"),
    ("SELECT sum(o.amount) AS s FROM orders o JOIN payments p ON CAST(p.order_id AS VARCHAR) = CAST(o.id AS VARCHAR)", "payments"),
    # Role swaps: an order's amount chosen by its payments' properties.
    ("SELECT sum(CASE WHEN p.method = 'card' THEN o.amount END) AS s FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT p.method, sum(o.amount) AS s FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1", "payments"),
    ("SELECT sum(o.amount) FILTER (WHERE p.method = 'card') AS s FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT sum(if(o.status = 'x', 1, 0)) AS n FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT count_if(o.status = 'x') AS n FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT sum(1) FILTER (WHERE o.status = 'x') AS n FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    # Rows counted under the name of what is repeated.
    ("SELECT o.status, count(*) AS number_of_orders, sum(p.amount) AS s FROM orders o LEFT JOIN payments p ON p.order_id = o.id GROUP BY 1", "payments"),
    ("SELECT o.status, CAST(sum(1) AS BIGINT) AS order_count FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1", "payments"),
    # Two branches at once: both sums are wrong.
    ("SELECT o.id, sum(p.amount) AS paid FROM orders o JOIN payments p ON p.order_id = o.id JOIN refunds r ON r.order_id = o.id GROUP BY o.id", "refunds"),
    ("SELECT o.id, sum(r.amount) AS back FROM orders o JOIN payments p ON p.order_id = o.id JOIN refunds r ON r.order_id = o.id GROUP BY o.id", "payments"),
    ("SELECT sum(p.amount) AS s FROM payments p JOIN refunds r ON r.order_id = p.order_id", "refunds"),
    # Through CTEs, subqueries and steps.
    ("WITH j AS (SELECT o.*, p.method FROM orders o JOIN payments p ON p.order_id = o.id) SELECT sum(amount) AS s FROM j", "payments"),
    ("SELECT s FROM (SELECT sum(o.amount) AS s FROM orders o JOIN payments p ON p.order_id = o.id) x", "payments"),
    ("WITH paid AS (SELECT order_id, sum(amount) AS paid FROM payments GROUP BY 1) SELECT sum(paid) AS s FROM paid JOIN items i ON i.order_id = paid.order_id", "items"),
    ("SELECT o.status, (SELECT sum(c.manager_id) FROM customers c JOIN orders oo ON oo.customer_id = c.id) AS s FROM orders o", "orders"),
    ("SELECT sum(amount) AS s FROM (SELECT o.amount FROM orders o JOIN payments p ON p.order_id = o.id UNION ALL SELECT amount FROM orders) u", "payments"),
    ("SELECT id FROM customers WHERE id IN (SELECT o.customer_id FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1 HAVING sum(o.amount) > 5)", "payments"),
    ("SELECT o.status FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1 ORDER BY sum(o.amount) DESC", "payments"),
    # Windows, lists, keys that do not identify, keys that nobody can measure.
    ("SELECT p.id, sum(o.amount) OVER (PARTITION BY o.status) AS s FROM orders o JOIN payments p ON p.order_id = o.id", "payments"),
    ("SELECT sum(price) AS s FROM (SELECT price, unnest(tags) AS tag FROM products) x", "unnest"),
    ("SELECT sum(p.price) AS s FROM products p, unnest(p.tags) AS u(tag)", "u"),
    ("SELECT sum(o.amount) AS s FROM orders o JOIN rates r ON r.day = o.day", "rates"),
    ("SELECT sum(o.amount) AS s FROM orders o JOIN customers c ON lower(c.name) = o.status", "customers"),
    ("SELECT sum(m.manager_id) AS s FROM customers c JOIN customers m ON m.id = c.manager_id", "customers"),
    ("SELECT sum(o.amount) AS s FROM orders o JOIN (SELECT DISTINCT order_id, method FROM payments) p ON p.order_id = o.id", "p"),
    ("SELECT sum(DISTINCT o.amount) AS s FROM orders o JOIN payments p ON p.order_id = o.id", ""),
    ("SELECT sum(COLUMNS('am.*')) AS s FROM (SELECT o.amount FROM orders o JOIN payments p ON p.order_id = o.id) x", "payments"),
    ("FROM orders o JOIN payments p ON p.order_id = o.id SELECT sum(o.amount) AS s", "payments"),
    ("SELECT sum(amount) AS s FROM (SELECT o.amount, p.id FROM orders o JOIN payments p ON p.order_id = o.id LIMIT 10) x", "payments"),
    ("SELECT sum(a.amount) AS s FROM payments a JOIN items b USING (order_id)", "items"),
]  # fmt: skip

PASSED = [
    # Measures of the many side, counts of rows, distinct counts, extremes.
    "SELECT o.status, sum(p.amount) AS s FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1",
    "SELECT o.status, count(*) AS n FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1",
    "SELECT o.status, count(*) AS number_of_payments FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1",
    "SELECT o.status, count(*) AS order_payments FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1",
    "SELECT count(*) AS customers FROM customers c JOIN customers m ON m.id = c.manager_id",
    "SELECT o.status, count(p.id) AS n FROM orders o LEFT JOIN payments p ON p.order_id = o.id GROUP BY 1",
    "SELECT o.status, count(DISTINCT o.id) AS n, sum(p.amount) AS s FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1",
    "SELECT o.status, max(o.amount) AS a, min(o.day) AS d, any_value(o.status) AS x FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY 1",
    "SELECT arg_max(o.amount, o.day) AS a FROM orders o JOIN payments p ON p.order_id = o.id",
    "SELECT sum(CASE WHEN p.method = 'card' THEN p.amount ELSE 0 END) AS s FROM orders o JOIN payments p ON p.order_id = o.id",
    "SELECT sum(CASE WHEN o.status = 'x' THEN p.amount END) AS s FROM orders o JOIN payments p ON p.order_id = o.id",
    "SELECT sum(CASE WHEN p.method = 'card' THEN 1 ELSE 0 END) AS n FROM orders o JOIN payments p ON p.order_id = o.id",
    # The right way round: dimensions are unique.
    "SELECT c.region, sum(o.amount) AS s FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY 1",
    "SELECT c.region, sum(o.amount) AS s FROM orders o LEFT JOIN customers c ON c.id = o.customer_id GROUP BY 1",
    "SELECT c.region, sum(o.amount) AS s FROM customers c JOIN orders o ON c.id = o.customer_id GROUP BY ALL",
    "SELECT sum(i.quantity * p.price) AS s FROM items i JOIN products p ON p.id = i.product_id",
    "SELECT c.region, sum(i.quantity * p.price) AS s FROM items i JOIN products p ON p.id = i.product_id JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer_id GROUP BY 1",
    "SELECT sum(o.amount) AS s FROM orders o, customers c WHERE o.customer_id = c.id",
    "SELECT sum(o.amount) AS s FROM orders o JOIN customers c ON CAST(c.id AS VARCHAR) = CAST(o.customer_id AS VARCHAR)",
    # Aggregated before the join, in every form.
    "WITH p AS (SELECT order_id, sum(amount) AS paid FROM payments GROUP BY order_id) SELECT o.status, count(*) AS n, sum(o.amount) AS a, sum(p.paid) AS s FROM orders o LEFT JOIN p ON p.order_id = o.id GROUP BY 1",
    "SELECT sum(o.amount) AS a, sum(p.paid) AS s FROM orders o JOIN (SELECT order_id, sum(amount) AS paid FROM payments GROUP BY ALL) p ON p.order_id = o.id",
    "WITH p AS (SELECT order_id, sum(amount) AS paid FROM payments GROUP BY 1), r AS (SELECT order_id, sum(amount) AS back FROM refunds GROUP BY 1) SELECT sum(o.amount) AS a, sum(p.paid) AS s, sum(r.back) AS b FROM orders o LEFT JOIN p ON p.order_id = o.id LEFT JOIN r ON r.order_id = o.id",
    "SELECT o.id, o.amount, (SELECT sum(p.amount) FROM payments p WHERE p.order_id = o.id) AS paid FROM orders o",
    "SELECT sum(amount) AS a, sum(paid) AS b FROM (SELECT o.id, any_value(o.amount) AS amount, sum(p.amount) AS paid FROM orders o JOIN payments p ON p.order_id = o.id GROUP BY o.id) x",
    # One row kept for each key.
    "SELECT sum(o.amount) AS s FROM orders o JOIN (SELECT DISTINCT order_id FROM payments) p ON p.order_id = o.id",
    "SELECT sum(o.amount) AS s FROM orders o JOIN (SELECT DISTINCT ON (order_id) order_id, method FROM payments ORDER BY order_id, id) p ON p.order_id = o.id",
    "SELECT sum(o.amount) AS s FROM orders o JOIN (SELECT * FROM payments QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY id) = 1) p ON p.order_id = o.id",
    "SELECT sum(o.amount) AS s FROM orders o JOIN (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY id) AS rn FROM payments) x WHERE rn = 1) p ON p.order_id = o.id",
    "WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY id) AS rn FROM payments), firsts AS (SELECT order_id, method FROM ranked WHERE rn <= 1) SELECT sum(o.amount) AS s FROM orders o JOIN firsts f ON f.order_id = o.id",
    "SELECT sum(amount) AS s FROM (SELECT o.id, o.amount, p.method FROM orders o JOIN payments p ON p.order_id = o.id QUALIFY row_number() OVER (PARTITION BY o.id ORDER BY p.id) = 1) x",
    "SELECT sum(amount) AS s FROM (SELECT DISTINCT o.id, o.amount FROM orders o JOIN payments p ON p.order_id = o.id) x",
    # Filters by another table multiply nothing.
    "SELECT sum(o.amount) AS s FROM orders o WHERE o.id IN (SELECT order_id FROM payments)",
    "SELECT sum(o.amount) AS s FROM orders o WHERE EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id)",
    "SELECT sum(o.amount) AS s FROM orders o SEMI JOIN payments p ON p.order_id = o.id",
    "SELECT sum(o.amount) AS s FROM orders o ANTI JOIN payments p ON p.order_id = o.id",
    # Composite keys, constants in keys, literal tables, single rows, calendars, self joins, unions.
    "SELECT sum(i.quantity) AS s FROM items i JOIN (SELECT order_id, line, product_id FROM items) j ON j.order_id = i.order_id AND j.line = i.line",
    "SELECT sum(o.amount * r.rate) AS s FROM orders o JOIN rates r ON r.day = o.day AND r.currency = 'eur'",
    "SELECT sum(o.amount) AS s FROM orders o JOIN rates r ON r.day = o.day WHERE r.currency = 'eur'",
    "SELECT m.label, sum(o.amount) AS s FROM orders o JOIN (VALUES ('x', 'open'), ('y', 'done')) m(code, label) ON m.code = o.status GROUP BY 1",
    "SELECT o.id, o.amount / t.total AS share FROM orders o CROSS JOIN (SELECT sum(amount) AS total FROM orders) t",
    "SELECT r.i, sum(o.amount) AS s FROM range(1, 13) r(i) LEFT JOIN orders o ON month(o.day) = r.i GROUP BY 1",
    "SELECT c.name, count(e.id) AS n, sum(e.id) AS s FROM customers c LEFT JOIN customers e ON e.manager_id = c.id GROUP BY ALL",
    "SELECT sum(amount) AS s FROM (SELECT amount FROM orders UNION ALL SELECT amount FROM payments) u",
    "SELECT id, amount, amount / sum(amount) OVER () AS share, sum(amount) OVER (PARTITION BY status ORDER BY day) AS run FROM orders",
    "SELECT status, sum(sum(amount)) OVER () AS total FROM orders GROUP BY status",
    "SELECT i.order_id, sum(i.quantity) AS q FROM items i JOIN orders o ON o.id = i.order_id GROUP BY 1 HAVING count(DISTINCT o.id) = 1",
    "SELECT o.status, count(*) AS n FROM orders o LEFT JOIN customers c ON c.id = o.customer_id GROUP BY 1 ORDER BY n DESC LIMIT 3",
    "SELECT count(*) AS n FROM orders o ASOF JOIN rates r ON o.day >= r.day",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) AS s FROM n",
]  # fmt: skip


@pytest.mark.parametrize(("sql", "other"), STOPPED)
def test_a_sum_that_counts_twice_is_stopped(prober: MeasuringProber, sql: str, other: str) -> None:
    """A plan whose aggregate would count a row several times does not run, and the finding names the culprit."""
    errors = [finding for finding in analysed(prober, sql).findings if finding.severity == "error"]
    assert {finding.code for finding in errors} <= {"fan_out", "distinct_sum"}
    assert errors
    assert any(dict(finding.evidence).get("other", "") == other for finding in errors)


@pytest.mark.parametrize("sql", PASSED)
def test_a_right_sum_is_not_stopped(prober: MeasuringProber, sql: str) -> None:
    """A plan that counts every row once has no fan-out finding, not even a risk."""
    findings = analysed(prober, sql).findings
    assert [str(finding) for finding in findings if finding.severity == "error" or finding.code == "fan_out"] == []


def test_the_sentence_names_sum_table_key_and_counts(prober: MeasuringProber) -> None:
    """The finding says which sum, what is counted several times, which key is at fault with its counts, and what to do."""
    (finding,) = analysed(
        prober, "SELECT sum(o.amount) AS s FROM orders o LEFT JOIN payments p ON p.order_id = o.id"
    ).errors()
    assert finding.message == (
        "sum(o.amount) counts each row of orders once for every matching row of payments: "
        "payments.order_id is not unique (4 rows, 3 keys)"
    )
    assert finding.hint == "aggregate payments per order_id before the join"


def test_the_trap_is_seen_across_steps(prober: MeasuringProber) -> None:
    """A join in one step and a sum two steps later is stopped at the sum."""
    result = analysed(
        prober,
        "SELECT o.id, o.amount, p.amount AS paid FROM orders o JOIN payments p ON p.order_id = o.id",
        "SELECT id, amount AS order_amount, paid FROM step0 WHERE paid > 0",
        "SELECT sum(paid) AS paid, sum(order_amount) AS total FROM step1",
    )
    assert [(finding.step, finding.code) for finding in result.errors()] == [("step2", "fan_out")]


def test_the_aggregated_version_passes_across_steps(prober: MeasuringProber) -> None:
    """Payments summed per order in their own step can be joined to the orders."""
    result = analysed(
        prober,
        "SELECT order_id, sum(amount) AS paid FROM payments GROUP BY order_id",
        "SELECT o.*, coalesce(p.paid, 0) AS paid FROM orders o LEFT JOIN step0 p ON p.order_id = o.id",
        "SELECT status, count(*) AS n, sum(amount) AS total, sum(paid) AS paid FROM step1 GROUP BY status",
    )
    assert result.errors() == ()
    assert result.key("step2", ("status",)).unique is True


@pytest.mark.parametrize(
    ("sql", "severity", "code"),
    [
        ("SELECT o.id, p.id AS pid FROM orders o JOIN payments p ON p.order_id = o.id", "note", "rows_multiplied"),
        ("SELECT p.id, r.id AS rid FROM payments p JOIN refunds r ON r.order_id = p.order_id", "risk", "many_to_many"),
        ("SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id", "note", "row_loss"),
        ("SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer_id", "note", "unmatched_rows"),
        ("SELECT o.id, c.name FROM orders o, customers c", "error", "cross_join"),
        ("SELECT o.id, c.name FROM orders o JOIN customers c ON true", "error", "cross_join"),
        ("SELECT o.id, c.name FROM orders o CROSS JOIN customers c", "risk", "cross_join"),
        ("SELECT o.id, r.rate FROM orders o JOIN rates r ON o.day >= r.day", "risk", "range_join"),
        ("SELECT count(*) AS n FROM payments p JOIN refunds r ON r.order_id = p.order_id", "risk", "fan_out"),
        ("SELECT list(o.status) AS l FROM orders o JOIN payments p ON p.order_id = o.id", "risk", "fan_out"),
        ("SELECT avg(m) AS m FROM (SELECT status, avg(amount) AS m FROM orders GROUP BY 1) x", "risk", "average_of_averages"),
        ("SELECT sum(m) AS m FROM (SELECT status, avg(amount) AS m FROM orders GROUP BY 1) x", "risk", "sum_of_averages"),
        ("SELECT sum(n) AS n FROM (SELECT status, count(DISTINCT customer_id) AS n FROM orders GROUP BY 1) x", "risk", "sum_of_distinct"),
        ("SELECT c.name, count(*) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY 1", "risk", "counts_unmatched"),
        ("SELECT o.id, p.method FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE p.method = 'card'", "risk", "left_join_undone"),
        ("SELECT id, method FROM orders LEFT JOIN (SELECT order_id, method FROM payments) p ON order_id = id WHERE method IN ('card')", "risk", "left_join_undone"),
        ("SELECT id FROM customers WHERE id NOT IN (SELECT manager_id FROM customers)", "error", "null_in_not_in"),
        ("SELECT id FROM customers WHERE id NOT IN (SELECT manager_id FROM customers WHERE id > 1)", "risk", "null_in_not_in"),
        ("SELECT o.id, p.id AS pid FROM orders o JOIN products p ON p.id = o.id", "risk", "no_partner"),
        ("SELECT o.id, p.id AS pid FROM orders o LEFT JOIN products p ON p.id = o.id", "risk", "no_partner"),
        ("SELECT o.id, c.name FROM orders o JOIN customers c ON c.name = o.id", "error", "type_mismatch"),
        ("SELECT id, status FROM orders UNION ALL SELECT order_id, id FROM payments", "risk", "union_types"),
        ("SELECT id, order_id FROM payments UNION ALL SELECT order_id, id FROM refunds", "risk", "union_order"),
        ("SELECT sum(t) AS s FROM (SELECT sum(amount) OVER (PARTITION BY status) AS t FROM orders) x", "risk", "fan_out"),
    ],
)  # fmt: skip
def test_what_may_be_meant_is_said(prober: MeasuringProber, sql: str, severity: str, code: str) -> None:
    """Joins that multiply, lose or pair rows, and aggregates that may surprise, are said with their weight."""
    findings = [(finding.severity, finding.code) for finding in analysed(prober, sql).findings]
    assert (severity, code) in findings


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM customers WHERE id NOT IN (SELECT manager_id FROM customers WHERE manager_id IS NOT NULL)",
        "SELECT id FROM customers WHERE id NOT IN (SELECT manager_id FROM customers WHERE manager_id > 0)",
        "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)",
        "SELECT id FROM customers WHERE id IN (SELECT manager_id FROM customers)",
        "SELECT o.id, p.method FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE p.id IS NULL",
        "SELECT o.id FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE coalesce(p.method, 'card') = 'card'",
        "SELECT o.id, p.method FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.status = 'x'",
        "SELECT c.name, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY 1",
        "SELECT o.status, count(*) AS n FROM orders o LEFT JOIN customers c ON c.id = o.customer_id GROUP BY 1",
        "SELECT sum(n) AS n FROM (SELECT status, count(customer_id) AS n FROM orders GROUP BY 1) x",
        "SELECT o.id FROM orders o JOIN customers c ON c.name = CAST(o.id AS VARCHAR)",
        "SELECT id, amount FROM payments UNION ALL SELECT order_id, amount FROM refunds",
        "SELECT id, NULL AS amount FROM orders UNION ALL SELECT order_id, amount FROM refunds",
    ],
)
def test_what_null_does_as_meant_is_silent(prober: MeasuringProber, sql: str) -> None:
    """Queries that take care of NULL, count what is there, or cast what they compare are not doubted."""
    doubts = {"null_in_not_in", "left_join_undone", "counts_unmatched", "sum_of_distinct", "type_mismatch"}
    doubts |= {"union_types", "union_order"}
    assert doubts & {finding.code for finding in analysed(prober, sql).findings} == set()


def test_row_loss_counts_rows(prober: MeasuringProber) -> None:
    """An inner join that drops rows of its first table says how many, and how to keep them."""
    findings = analysed(prober, "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id").findings
    ours, theirs = [finding for finding in findings if finding.code == "row_loss"]
    assert ours.message == "1 of 4 rows of orders have no partner in customers and are left out"
    assert ours.hint == "use a left join to keep every row of orders"
    assert theirs.message == "2 of 4 rows of customers have no partner in orders and are left out"


def test_an_acknowledged_risk_is_silent_and_an_error_never(prober: MeasuringProber) -> None:
    """A step made with open eyes is not asked about again; no acknowledgement lets a wrong sum through."""
    join = "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id"
    assert analysed(prober, join, acknowledge=("row_loss",)).findings == ()
    trap = "SELECT sum(o.amount) AS s FROM orders o LEFT JOIN payments p ON p.order_id = o.id"
    assert len(analysed(prober, trap, acknowledge=("fan_out",)).errors()) == 1


@pytest.mark.parametrize(
    ("sql", "columns", "unique"),
    [
        ("SELECT id, status FROM orders", ("id",), True),
        ("SELECT id, status FROM orders", ("status",), False),
        ("SELECT status, count(*) AS n FROM orders GROUP BY 1", ("status",), True),
        ("SELECT status, day, count(*) AS n FROM orders GROUP BY ALL", ("status",), None),
        ("SELECT id, status, count(*) AS n FROM orders GROUP BY id, status", ("id",), True),
        ("SELECT DISTINCT status FROM orders", ("status",), True),
        ("SELECT o.id, p.method FROM orders o JOIN payments p ON p.order_id = o.id", ("id",), None),
        ("SELECT p.id, o.status FROM orders o JOIN payments p ON p.order_id = o.id", ("id",), True),
        ("SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id", ("id",), True),
        ("SELECT * FROM payments QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY id) = 1", ("order_id",), True),
        ("SELECT upper(status) AS s FROM orders", ("s",), None),
        ("SELECT status FROM orders WHERE amount > 20", ("status",), None),
        ("SELECT sum(amount) AS s FROM orders", ("s",), True),
    ],
)  # fmt: skip
def test_keys_of_a_steps_output(
    prober: MeasuringProber, sql: str, columns: tuple[str, ...], unique: bool | None
) -> None:
    """A key is proven by groups or by measuring the source, refuted only over all its rows, else left to the run."""
    assert analysed(prober, sql).key("step0", columns).unique is unique


def test_nulls_of_a_key_are_known(prober: MeasuringProber) -> None:
    """A key that is null in the source is known not to be filled, also where it became a group."""
    grouped = analysed(prober, "SELECT manager_id, count(*) AS n FROM customers GROUP BY 1").key(
        "step0", ("manager_id",)
    )
    assert (grouped.unique, grouped.filled) == (True, False)
    assert analysed(prober, "SELECT id FROM orders").key("step0", ("id",)).filled is True


def test_a_filtered_extract_refutes_nothing(prober: MeasuringProber) -> None:
    """What a filter leaves may be unique though the whole table is not."""
    assert analysed(prober, "SELECT status FROM orders", where="amount > 30").key("step0", ("status",)).unique is None


def test_steps_without_joins_measure_nothing(prober: MeasuringProber) -> None:
    """Plans that join nothing cost the sources no query."""
    before = prober.asked
    analysed(prober, "SELECT status, sum(amount) AS s FROM orders GROUP BY 1", "SELECT * FROM step0 WHERE s > 1")
    assert prober.asked == before
