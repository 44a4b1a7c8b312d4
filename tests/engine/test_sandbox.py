"""The guard: what a plan's SQL may say, and every known way around it."""

import pytest

from agent_etl.engine.errors import GuardError
from agent_etl.engine.sandbox import Sandbox, check_expression, check_select
from agent_etl.engine.schema import Column

STEPS = ("orders", "payments")

# ruff: noqa: E501
GOOD = [
    "SELECT * FROM orders",
    "SELECT id, round(amount / 100.0, 2) AS dollars FROM orders WHERE status IN ('a', 'b') AND amount BETWEEN 1 AND 9",
    "SELECT status, count(*) AS n, count(DISTINCT id) AS d FROM orders GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL",
    "SELECT DISTINCT ON (id) id, amount FROM orders ORDER BY id, d DESC",
    "SELECT * EXCLUDE (d) REPLACE (amount * 2 AS amount) FROM orders",
    "SELECT * FROM orders QUALIFY row_number() OVER (PARTITION BY id ORDER BY d DESC) = 1",
    "WITH p AS (SELECT order_id, sum(amount) AS paid FROM payments GROUP BY 1) SELECT * FROM orders JOIN p ON id = order_id",
    "WITH orders AS (SELECT * FROM orders WHERE amount > 0) SELECT count(*) FROM orders",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n",
    "SELECT id FROM orders UNION ALL BY NAME SELECT id FROM payments",
    "SELECT id FROM orders EXCEPT SELECT order_id FROM payments INTERSECT SELECT 3",
    "SELECT o.id FROM orders o LEFT JOIN payments p ON o.id = p.order_id WHERE p.id IS NULL",
    "SELECT * FROM orders SEMI JOIN payments ON orders.id = payments.order_id",
    "SELECT * FROM orders ASOF JOIN payments ON orders.id = payments.order_id AND orders.d >= payments.d",
    "SELECT strftime(d, '%Y-%m') AS month, date_trunc('month', d) AS m, year(d), d + INTERVAL 1 MONTH FROM orders",
    "SELECT strptime(status, '%d/%m/%Y')::DATE, TRY_CAST(status AS DATE), DATE '2026-01-31', last_day(d) FROM orders",
    "SELECT coalesce(a, b), nullif(a, 0), greatest(a, b), least(a, b), ifnull(a, 0), if(a > 1, 2, 3) FROM orders",
    "SELECT CASE WHEN a IS NULL THEN error('no a') ELSE a END, a IS NOT DISTINCT FROM b FROM orders",
    "SELECT arg_max(a, d), median(a), quantile_cont(a, 0.9), stddev(a), string_agg(a, ',' ORDER BY d) FROM orders",
    "SELECT upper(trim(a)), a || b, concat_ws(' ', a, b), split_part(a, '-', 1), lpad(a, 8, '0'), a ILIKE 'x%' FROM orders",
    "SELECT regexp_replace(a, '[^0-9]', '', 'g'), regexp_extract(a, '(\\d+)', 1), a ~ 'x', starts_with(a, 'b') FROM orders",
    "SELECT lag(a) OVER w, sum(a) OVER (ORDER BY d ROWS 6 PRECEDING) FROM orders WINDOW w AS (PARTITION BY b ORDER BY d)",
    "SELECT list(a), [1, 2], {'k': a}, MAP {'k': a}, a[1], len(a), list_contains(a, 1), unnest(a) FROM orders",
    "SELECT a ->> '$.x', json_extract_string(a, '$.y') FROM orders",
    "SELECT sum(a) FILTER (WHERE b > 1), count_if(a > 1), bool_or(a > 1), any_value(a) FROM orders",
    "SELECT a, (SELECT max(b) FROM payments p WHERE p.order_id = o.id) FROM orders o WHERE EXISTS (SELECT 1 FROM payments)",
    "SELECT * FROM (VALUES (1, 'a')) v(k, name) JOIN orders ON k = id",
    "SELECT unnest(generate_series(DATE '2024-01-01', DATE '2024-12-01', INTERVAL 1 MONTH)) AS month",
    "SELECT r.i FROM range(10) r(i) LEFT JOIN orders ON id = i",
    "SELECT list_transform(a, x -> x + 1), [x * 2 FOR x IN a IF x > 1] FROM orders",
    "SELECT a, b, sum(c) FROM orders GROUP BY GROUPING SETS ((a), (b), ())",
    "FROM orders SELECT id LIMIT 5 OFFSET 5",
    "SELECT 'DROP TABLE orders; now()' AS harmless -- random()\nFROM orders",
    "SELECT age(a, b), date_diff('day', a, b), epoch_ms(a), a AT TIME ZONE 'UTC' FROM orders",
]

HOSTILE = [
    ("DROP TABLE orders", "DROP"),
    ("CREATE TABLE x AS SELECT 1", "CREATE"),
    ("INSERT INTO orders VALUES (1)", "INSERT"),
    ("UPDATE orders SET a = 1", "UPDATE"),
    ("DELETE FROM orders", "DELETE"),
    ("ALTER TABLE orders ADD COLUMN x INT", "ALTER"),
    ("TRUNCATE orders", "TRUNCATE"),
    ("COPY orders TO 'x.csv'", "COPY"),
    ("COPY (SELECT 1) TO '/tmp/x'", "COPY"),
    ("ATTACH 'x.db'", "ATTACH"),
    ("DETACH x", "DETACH"),
    ("USE main", "USE"),
    ("SET memory_limit = '1TB'", "SET"),
    ("PRAGMA database_list", "PRAGMA"),
    ("INSTALL httpfs", ""),
    ("LOAD httpfs", ""),
    ("CALL pragma_version()", ""),
    ("EXPORT DATABASE 'x'", ""),
    ("CHECKPOINT", ""),
    ("EXPLAIN ANALYZE SELECT 1", ""),
    ("BEGIN", ""),
    ("VALUES (1)", "VALUES"),
    ("PIVOT orders ON a USING sum(b)", "PIVOT"),
    ("SELECT 1; SELECT 2", "several statements"),
    ("SELECT 1; DROP TABLE orders", "several statements"),
    ("SELECT 1;", "several statements"),
    ("", ""),
    ("WITH x AS (INSERT INTO orders VALUES (1) RETURNING *) SELECT * FROM x", "INSERT"),
    ("WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x", "DELETE"),
    ("SELECT * INTO x FROM orders", "INTO"),
    ("SELECT * FROM orders FOR UPDATE", "LOCK"),
    ("SELECT * FROM 'secret.csv'", "table secret.csv"),
    ('SELECT * FROM "secret.parquet"', "table secret.parquet"),
    ("SELECT * FROM '/etc/passwd'", "table /etc/passwd"),
    ("SELECT * FROM read_csv('/etc/passwd')", "table function read_csv"),
    ("SELECT * FROM read_text('/etc/passwd')", "table function read_text"),
    ("SELECT * FROM glob('/*')", "table function glob"),
    ("SELECT * FROM query('SELECT 1')", "table function query"),
    ("SELECT * FROM query_table('orders')", "table function query_table"),
    ("SELECT * FROM duckdb_secrets()", "table function duckdb_secrets"),
    ("SELECT * FROM sniff_csv('x')", "table function sniff_csv"),
    ("SELECT * FROM checkpoint()", "table function checkpoint"),
    ("SELECT * FROM information_schema.tables", "table information_schema.tables"),
    ("SELECT * FROM main.orders", "table main.orders"),
    ("SELECT * FROM customers", "table customers"),
    ("SELECT * FROM duckdb_settings", "table duckdb_settings"),
    ("SELECT * FROM orders AT (VERSION => 3)", ""),
    ('SELECT * FROM (WITH "x.csv" AS (SELECT 1) SELECT * FROM "x.csv") a, "x.csv"', "table x.csv"),
    ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "table b"),
    ("SELECT getenv('HOME')", "function getenv"),
    ("SELECT 'x'.getenv()", "function getenv"),
    ("SELECT current_setting('secret_directory')", "function current_setting"),
    ("SELECT getvariable('x')", "function getvariable"),
    ("SELECT read_text('/etc/passwd')", "function read_text"),
    ("SELECT nextval('s')", "nextval()"),
    ("SELECT sleep_ms(100000)", "function sleep_ms"),
    ("SELECT pg_sleep(100)", "function pg_sleep"),
    ("SELECT write_log('x')", "function write_log"),
    ("SELECT json_execute_serialized_sql('x')", "function json_execute_serialized_sql"),
    ("SELECT lpad(a, 1000000000, 'x') FROM orders", "function"),
    ("SELECT lpad(a, b, 'x') FROM orders", "function"),
    ("SELECT repeat(repeat('x', 10000), 10000)", "function repeat"),
    ("SELECT $1", "PLACEHOLDER"),
    ("SELECT random()", "rand()"),
    ("SELECT now() - d FROM orders", "now()"),
    ("SELECT current_date", "current_date()"),
    ("SELECT * FROM orders WHERE d < today()", "current_date()"),
    ("SELECT uuid() AS id FROM orders", "uuid()"),
    ("SELECT age(d) FROM orders", "age() of one argument"),
    ("SELECT * FROM orders USING SAMPLE 10%", "SAMPLE"),
    ("SELECT * FROM orders TABLESAMPLE 5 ROWS", "SAMPLE"),
    ("SELECT (((", "unreadable SQL"),
    ("SELECT " + "(" * 5000 + "1" + ")" * 5000, ""),
    ("SELECT '" + "x" * 100_001 + "'", "text"),
    ("SELECT 1\0", "text"),
]


@pytest.mark.parametrize("sql", GOOD)
def test_ordinary_analytics_pass(sql: str) -> None:
    """SQL that a data engineer writes for a transform is let through."""
    assert check_select(sql, STEPS).sql("duckdb")


@pytest.mark.parametrize(("sql", "construct"), HOSTILE)
def test_everything_else_is_named_and_stopped(sql: str, construct: str) -> None:
    """SQL that writes, reads outside the plan, waits, bombs or changes from run to run is refused by its construct."""
    with pytest.raises(GuardError) as refusal:
        check_select(sql, STEPS)
    assert construct.lower() in str(refusal.value.fields["construct"]).lower()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT $x$ ' $x$ || getenv('HOME') || $x$ ' $x$ FROM orders",
        "SELECT 1 FROM orders, glob('/*')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT current_setting('threads')",
    ],
)
def test_duckdbs_own_parser_is_asked_too(sql: str) -> None:
    """A text that the two parsers could read differently is judged by DuckDB's own reading as well."""
    with Sandbox() as sandbox, pytest.raises(GuardError):
        sandbox.confirm(sql)


def test_good_queries_pass_both_parsers() -> None:
    """DuckDB's parser agrees with the guard about every good query."""
    with Sandbox() as sandbox:
        for sql in GOOD:
            sandbox.confirm(sql)


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/x.csv'", "SELECT * FROM glob('/*')"],
)
def test_the_dry_run_is_locked(sql: str) -> None:
    """Even unchecked SQL cannot reach a file from the dry-run connection."""
    with Sandbox() as sandbox:
        columns, problem = sandbox.describe(sql)
    assert columns == ()
    assert problem is not None
    assert "disabled" in problem


def test_the_dry_run_cannot_write() -> None:
    """A writing CTE that DuckDB calls a SELECT changes nothing in the sandbox."""
    with Sandbox() as sandbox:
        sandbox.create("orders", (Column("id", "BIGINT"),))
        _, problem = sandbox.describe("WITH x AS (INSERT INTO orders VALUES (1) RETURNING *) SELECT * FROM x")
        again, fine = sandbox.describe("SELECT count(*) AS n FROM orders")
    assert problem is not None
    assert (again, fine) == ((Column("n", "BIGINT"),), None)


@pytest.mark.parametrize(
    "text", ["amount > 3", "status IN ('a', 'b') OR d IS NULL", "lower(status) LIKE 'x%' AND NOT paid"]
)
def test_row_conditions_pass(text: str) -> None:
    """A condition over one row's columns is let through."""
    assert check_expression(text, ("amount", "status", "d", "paid"))


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("1) FROM secrets --", ""),
        ("amount > 1 -- all", "comment"),
        ("amount > 1 /* all */", "comment"),
        ("amount > 1; DROP TABLE x", ""),
        ("amount > (SELECT 1)", "SELECT 1"),
        ("EXISTS (SELECT 1)", ""),
        ("SELECT 1", "SELECT"),
        ("sum(amount) > 1", "SUM(amount)"),
        ("row_number() OVER () = 1", "OVER"),
        ("orders.amount > 1", "orders.amount"),
        ("amont > 1", "column amont"),
        ("d < now()", "now()"),
        ("getenv('x') = 'y'", "function getenv"),
        ("unnest([1]) = 1", ""),
        ("*", ""),
        ("", ""),
    ],
)
def test_row_conditions_see_one_row(text: str, construct: str) -> None:
    """A condition cannot leave its parentheses, see other rows, hide text in comments or name unknown columns."""
    with pytest.raises(GuardError) as refusal:
        check_expression(text, ("amount", "d"))
    assert construct in str(refusal.value.fields["construct"])
