"""Which queries take some rows of a step alone."""

import pytest
import sqlglot

from agent_etl.engine.rowwise import obstacle


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, upper(name) AS name FROM a WHERE id > 1",
        "SELECT a.*, b.x FROM a JOIN b USING (id)",
        "SELECT a.id FROM b JOIN a ON a.id = b.id",
        "SELECT a.id, b.x FROM a LEFT JOIN b ON a.id = b.id LEFT JOIN c ON c.id = a.id",
        "SELECT id FROM a WHERE id IN (SELECT id FROM b GROUP BY id)",
        "SELECT id FROM a ORDER BY id",
        "SELECT a.id FROM a CROSS JOIN b",
    ],
)
def test_row_by_row(sql: str) -> None:
    """Projection, filter and joins that keep no row waiting for this step."""
    assert obstacle(sqlglot.parse_one(sql, dialect="duckdb"), "a") == ""


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT id, sum(x) AS x FROM a GROUP BY id", "groups rows"),
        ("SELECT sum(x) AS x FROM a", "aggregates rows"),
        ("SELECT id, row_number() OVER () AS n FROM a", "aggregates rows"),
        ("SELECT DISTINCT id FROM a", "drops repeated rows"),
        ("SELECT id FROM a LIMIT 3", "keeps a number of rows"),
        ("SELECT id FROM a QUALIFY row_number() OVER (PARTITION BY id) = 1", "ranks rows"),
        ("SELECT id FROM a UNION ALL SELECT id FROM b", "is no plain SELECT"),
        ("WITH t AS (SELECT * FROM a) SELECT * FROM t", "has a WITH"),
        ("SELECT x.id FROM a AS x JOIN a AS y USING (id)", "more than once"),
        ("SELECT id FROM (SELECT id FROM a)", "inside of another query"),
        ("SELECT id FROM b WHERE id NOT IN (SELECT id FROM a)", "inside of another query"),
        ("SELECT b.id FROM b LEFT JOIN a USING (id)", "without a partner"),
        ("SELECT a.id FROM a RIGHT JOIN b USING (id)", "without a partner"),
        ("SELECT a.id FROM a FULL JOIN b USING (id)", "without a partner"),
        ("SELECT b.id FROM b ANTI JOIN a USING (id)", "without a partner"),
        ("SELECT b.id FROM b SEMI JOIN a USING (id)", "without a partner"),
        ("SELECT b.id FROM b ASOF JOIN a ON a.id <= b.id", "without a partner"),
        ("SELECT b.id FROM b POSITIONAL JOIN a", "without a partner"),
        ("SELECT b.id FROM b LEFT JOIN c USING (id) LEFT JOIN a USING (id)", "without a partner"),
        ("SELECT a.id FROM a JOIN b USING (id) RIGHT JOIN c USING (id)", "without a partner"),
    ],
)
def test_all_rows_together(sql: str, why: str) -> None:
    """What counts, ranks or compares rows, or keeps rows without a partner, takes all rows or none."""
    assert why in obstacle(sqlglot.parse_one(sql, dialect="duckdb"), "a")
