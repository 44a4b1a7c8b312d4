"""Whatever joins a plan makes, a sum that grain lets through counts no row twice."""

from contextlib import closing

import duckdb
from harness.measuring import MeasuringProber, catalogue
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_etl.engine.bind import bind
from agent_etl.engine.grain import grain
from agent_etl.engine.plan import Extract, Load, Plan, Transform

TABLES = ("a", "b", "c")
CELL = st.one_of(st.none(), st.integers(0, 3))
ROWS = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5)
KEY = st.sampled_from(("k", "m"))

SOURCE = st.sampled_from(
    (
        "{t}",
        "{t}",
        "{t}",
        "(SELECT DISTINCT ON ({key}) * FROM {t} ORDER BY {key}, rid)",
        "(SELECT * FROM {t} QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY rid) = 1)",
        "(SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY rid) AS n FROM {t}) z WHERE n = 1)",
        "(SELECT {key}, min(k) AS k2, max(m) AS m2, min(rid) AS rid FROM {t} GROUP BY {key})",
        "(SELECT k, m, min(rid) AS rid FROM {t} GROUP BY ALL)",
        "(SELECT DISTINCT k, m, rid FROM {t})",
        "(SELECT x.k, x.m, x.rid FROM {t} x LEFT JOIN {t} y ON x.k = y.m)",
        "(SELECT x.k, x.m, x.rid FROM {t} x SEMI JOIN {t} y ON x.k = y.m)",
        "(SELECT * FROM {t} WHERE m = 1)",
    )
)


@st.composite
def joins(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """A FROM clause over two or three sources, and the aliases whose rows have an identity in it."""
    count = draw(st.integers(2, 3))
    used: list[tuple[str, str]] = []
    text = ""
    for number in range(count):
        key = draw(KEY)
        source = draw(SOURCE).format(t=draw(st.sampled_from(TABLES)), key=key)
        grouped = "k2" in source
        alias = f"s{number}"
        if number == 0:
            text = f"{source} {alias}"
        else:
            kind = draw(st.sampled_from(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")))
            other, their = draw(st.sampled_from(used))
            condition = f"{alias}.{key} = {other}.{their}"
            if draw(st.booleans()) and not grouped:
                condition += f" AND {alias}.{'m' if key == 'k' else 'k'} = {draw(st.sampled_from((0, 1)))}"
            text += f" {kind} {source} {alias} ON {condition}"
        used.append((alias, key))
    return text, tuple(alias for alias, _ in used)


@settings(max_examples=150, deadline=None)
@given(data=st.tuples(ROWS, ROWS, ROWS), joined=joins())
def test_a_sum_that_passes_counts_each_row_once(
    data: tuple[list[tuple[int | None, int | None]], ...], joined: tuple[str, tuple[str, ...]]
) -> None:
    """When no error is found for a source's sum, its rows each stand at most once in what is summed."""
    clause, aliases = joined
    with closing(duckdb.connect()) as connection:
        for name, rows in zip(TABLES, data, strict=True):
            connection.execute(f"CREATE TABLE {name} (rid BIGINT, k BIGINT, m BIGINT)")
            connection.executemany(
                f"INSERT INTO {name} VALUES (?, ?, ?)", [(rid, *row) for rid, row in enumerate(rows)]
            )
        prober = MeasuringProber(connection)
        known = catalogue(prober)
        for alias in aliases:
            step = Transform(name="s", sql=f"SELECT sum({alias}.rid) AS s FROM {clause}")
            plan = Plan(
                name="p",
                extracts=tuple(Extract(name=name, source="db", dataset=name) for name in TABLES),
                transforms=(step,),
                loads=(Load(name="l", from_="s", target="warehouse", table="t"),),
            )
            binding = bind(plan, known)
            assert binding.findings == ()
            if not grain(plan, binding, prober).errors():
                counted = connection.execute(f"SELECT count({alias}.rid), count(DISTINCT {alias}.rid) FROM {clause}")
                row = counted.fetchone()
                assert row is not None
                assert row[0] == row[1], step.sql
