"""Whatever joins a plan makes, a sum that grain lets through counts no row twice."""

from collections.abc import Iterator

import duckdb
import pytest
from harness.measuring import MeasuringProber, catalogue, measuring
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


@pytest.fixture(scope="module")
def prober() -> Iterator[MeasuringProber]:
    """A prober over the three tables, which each example fills anew."""
    with measuring("".join(f"CREATE TABLE {name} (rid BIGINT, k BIGINT, m BIGINT);" for name in TABLES)) as prober:
        yield prober


def filled(connection: duckdb.DuckDBPyConnection, data: tuple[list[tuple[int | None, int | None]], ...]) -> None:
    for name, rows in zip(TABLES, data, strict=True):
        values = ", ".join(f"({rid}, {_literal(k)}, {_literal(m)})" for rid, (k, m) in enumerate(rows))
        connection.execute(f"TRUNCATE {name}; INSERT INTO {name} VALUES {values}")


def _literal(cell: int | None) -> str:
    return "NULL" if cell is None else str(cell)


@settings(max_examples=150, deadline=None)
@given(data=st.tuples(ROWS, ROWS, ROWS), joined=joins())
def test_a_sum_that_passes_counts_each_row_once(
    prober: MeasuringProber,
    data: tuple[list[tuple[int | None, int | None]], ...],
    joined: tuple[str, tuple[str, ...]],
) -> None:
    """When no error is found for a source's sum, its rows each stand at most once in what is summed."""
    clause, aliases = joined
    filled(prober.connection, data)
    plan = Plan(
        name="p",
        extracts=tuple(Extract(name=name, source="db", dataset=name) for name in TABLES),
        transforms=tuple(
            Transform(name=f"sum_{alias}", sql=f"SELECT sum({alias}.rid) AS s FROM {clause}") for alias in aliases
        ),
        loads=tuple(Load(name=f"l_{a}", from_=f"sum_{a}", target="warehouse", table=a) for a in aliases),
    )
    binding = bind(plan, catalogue(prober))
    assert binding.findings == ()
    stopped = {finding.step for finding in grain(plan, binding, prober).errors()}
    for alias in aliases:
        if f"sum_{alias}" not in stopped:
            counted = f"SELECT count({alias}.rid), count(DISTINCT {alias}.rid) FROM {clause}"
            row = prober.connection.execute(counted).fetchone()
            assert row is not None
            assert row[0] == row[1], counted
