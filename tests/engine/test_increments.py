"""What a plan makes of a part of its source: which steps look at rows alone, and where the cursor goes."""

import pytest

from agent_etl.engine.dag import Dag
from agent_etl.engine.increments import carried, hazards
from agent_etl.engine.plan import Plan


def dag(sql: str, mode: str = "merge", key: str = "id") -> tuple[Dag, Plan]:
    plan = Plan.model_validate(
        {
            "name": "p",
            "extracts": [
                {"name": "o", "source": "s", "dataset": "o", "incremental": {"cursor": "at"}},
                {"name": "n", "source": "s", "dataset": "n", "incremental": {"cursor": "at"}},
                {"name": "c", "source": "s", "dataset": "c"},
            ],
            "transforms": [{"name": "made", "sql": sql}],
            "loads": [
                {"name": "l", "from": "made", "target": "t", "table": "x", "mode": mode, "key": [key] if key else []}
            ],
        }
    )
    return Dag(plan), plan


MERGED = {
    "SELECT * FROM o WHERE id > 5": 0,
    "WITH a AS (SELECT id, at FROM o) SELECT * FROM a": 0,
    "SELECT o.id, c.name FROM o LEFT JOIN c ON c.id = o.c": 0,
    "SELECT o.id, c.name FROM c JOIN o ON c.id = o.c": 0,
    "SELECT id, at FROM o UNION ALL SELECT id, at FROM n": 0,
    "SELECT * FROM o QUALIFY row_number() OVER (PARTITION BY id ORDER BY at DESC) = 1": 0,
    "SELECT DISTINCT id FROM o": 0,
    "SELECT id, (SELECT max(c.v) FROM c) AS v FROM o": 0,
    "SELECT id, count(*) AS n FROM c GROUP BY id": 0,
    "SELECT c AS id, count(*) AS n FROM o GROUP BY c": 1,
    "SELECT max(at) AS id FROM o": 1,
    "SELECT region AS id, sum(x) AS x FROM (SELECT * FROM o) GROUP BY region": 1,
    "SELECT id, sum(x) OVER (ORDER BY at) AS x FROM o": 1,
    "SELECT * FROM o ORDER BY at LIMIT 10": 1,
    "SELECT id FROM o EXCEPT SELECT id FROM c": 1,
    "SELECT o.id FROM o JOIN n ON n.id = o.id": 1,
    "SELECT c.id, o.x FROM c LEFT JOIN o ON o.c = c.id": 1,
    "SELECT o.id FROM o FULL JOIN c ON c.id = o.c": 1,
    "SELECT id FROM c WHERE id NOT IN (SELECT c FROM o)": 1,
}


@pytest.mark.parametrize("sql", MERGED)
def test_a_merge_may_look_at_rows_alone(sql: str) -> None:
    """Totals, ranks, limits and lost partners of a part are found; filters, lookups and a key's newest row pass."""
    graph, plan = dag(sql)
    assert bool(hazards(graph, plan.loads[0])) == bool(MERGED[sql])


APPENDED = {
    "SELECT * FROM o": "at",
    "SELECT id, at AS changed FROM o": "changed",
    "SELECT * RENAME (at AS changed) FROM o": "changed",
    "SELECT o.* FROM o": "at",
    "WITH a AS (SELECT id, at FROM o) SELECT b.at AS t FROM (SELECT * FROM a) AS b": "t",
    "SELECT o.at, c.name FROM o JOIN c ON c.id = o.c": "at",
    "SELECT at, name FROM o JOIN c USING (id)": None,
    "SELECT * EXCLUDE (at) FROM o": None,
    "SELECT * REPLACE (at + 1 AS at) FROM o": None,
    "SELECT id, CAST(at AS DATE) AS at FROM o": None,
    "SELECT c.at, o.id FROM o JOIN c ON c.id = o.c": None,
    "SELECT * FROM o AS x (at, id)": None,
}


@pytest.mark.parametrize("sql", APPENDED)
def test_the_cursor_is_followed_to_the_load_only_where_it_is_unchanged(sql: str) -> None:
    """Renamed and passed on it is followed; computed, left out or of another table it is not."""
    graph, plan = dag(sql, "append")
    assert carried(graph, plan.loads[0]) == APPENDED[sql]


@pytest.mark.parametrize(("key", "count"), [("id", 0), ("", 1)])
def test_a_joined_append_needs_a_key(key: str, count: int) -> None:
    """A row that is read again may be joined with other values, so only a key tells that it is there."""
    graph, plan = dag("SELECT o.id, o.at, c.name FROM o JOIN c ON c.id = o.c", "append", key)
    assert len(hazards(graph, plan.loads[0])) == count
