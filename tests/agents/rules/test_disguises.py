"""Numbers, times and dates that a column holds as text are not ordered by their letters."""

from collections.abc import Iterator

import pytest
from worlds import World


@pytest.fixture
def depot() -> Iterator[World]:
    """Text columns that hold numbers, dates, times, codes of one length, and names."""
    world = World()
    world.add(
        "parts.csv",
        """SELECT * FROM (VALUES
          (1, 'a', '9', '05/03/2024', '9:30', '007', 'Ann'), (2, 'a', '10', '13/01/2024', '10:00', '008', 'bob'),
          (3, 'b', '1,200', '01/04/2023', '7:15', '010', 'Cid'), (4, 'b', 'n/a', NULL, NULL, '011', '4711')
        ) t(part_no, shelf, mileage, lent, opens, code, keeper)""",
    )
    yield world
    world.close()


DISGUISED = [
    ("Load parts.csv sorted by mileage descending, top 2", "sorted by mileage"),
    ("Load parts.csv, top 1 by mileage", "top 1 by mileage"),
    ("Load parts.csv, max mileage per shelf", "max mileage"),
    ("Load parts.csv, minimum mileage", "minimum mileage"),
    ("Load parts.csv, dedupe by shelf keeping the highest mileage", "keeping the highest mileage"),
    ("Load parts.csv, dedupe by shelf keeping the latest lent", "keeping the latest lent"),
    ("Load parts.csv sorted by lent", "sorted by lent"),
    ("Load parts.csv sorted by opens", "sorted by opens"),
]


@pytest.mark.parametrize(("goal", "quote"), DISGUISED)
def test_order_of_disguised_values_is_refused(depot: World, goal: str, quote: str) -> None:
    """An order, an extreme or a choice by text that holds numbers, times or dates is refused, quoting the words."""
    draft = depot.plan(goal)
    assert draft.plan is None
    assert any(quote in one.quote for one in draft.refusals), draft.refusals


PLAIN = [
    ("Load parts.csv sorted by code, part_no only", "SELECT part_no FROM {parts} ORDER BY code"),
    ("Load parts.csv sorted by keeper, part_no only", "SELECT part_no FROM {parts} ORDER BY keeper"),
    ("Load parts.csv, maximum code per shelf", "SELECT shelf, max(code) FROM {parts} GROUP BY 1"),
]


@pytest.mark.parametrize(("goal", "sql"), PLAIN)
def test_order_of_names_and_codes(depot: World, goal: str, sql: str) -> None:
    """Names, and codes whose letters stand in the order of their numbers, are sorted as text."""
    depot.agrees(goal, sql)


def test_cast_values_are_ordered(depot: World) -> None:
    """A column that the goal casts is ordered by what it then holds."""
    goal = "Load parts.csv where part_no is below 3, cast mileage to integer, maximum mileage per shelf"
    depot.agrees(goal, "SELECT 'a', 10")
