"""Periods in words over days and moments: each plan keeps the rows that hand-written SQL keeps."""

from collections.abc import Iterator

import pytest
from worlds import World


@pytest.fixture
def clinic() -> Iterator[World]:
    """Visits at moments around midnight and noon, and people with a date of birth."""
    world = World()
    moments = [
        "2024-03-31 11:59:59",
        "2024-03-31 12:00",
        "2024-03-31 23:59:59",
        "2024-04-01",
        "2024-04-02 12:30",
        "2024-04-02 12:31",
    ]
    rows = ", ".join(f"({number}, TIMESTAMP '{moment}')" for number, moment in enumerate(moments))
    world.add("visits.csv", f"SELECT * FROM (VALUES {rows}, (6, NULL)) t(visit, seen_at)")
    world.add("people.csv", "SELECT * FROM (VALUES (1, DATE '1980-05-01'), (2, DATE '1975-12-31')) t(person, dob)")
    yield world
    world.close()


PERIODS = [
    ("visits where seen_at is between 2024-03-31 12:00 and 2024-04-02 12:30", [1, 2, 3, 4]),
    ("visits seen from 2024-03-31 12:00 to 2024-04-02 12:30", [1, 2, 3, 4]),
    ("visits from 2024-03-31 12:00 to 2024-04-01", [1, 2, 3]),
    ("visits between 2024-03-31 and 2024-04-02 12:30", [0, 1, 2, 3, 4]),
    ("visits since 2024-04-02 12:30", [4, 5]),
    ("visits after 2024-04-02 12:30", [5]),
    ("visits before 2024-03-31 12:00", [0]),
    ("visits until 2024-03-31 12:00", [0, 1]),
    ("visits after 2024-03-31", [3, 4, 5]),
    ("visits until 2024-03-31", [0, 1, 2]),
    ("visits seen on 2024-03-31", [0, 1, 2]),
    ("visits where seen_at is 2024-03-31 12:00", [1]),
    ("visits in March 2024", [0, 1, 2]),
]


@pytest.mark.parametrize(("goal", "numbers"), PERIODS)
def test_periods(clinic: World, goal: str, numbers: list[int]) -> None:
    """Both ends of a range count: a day to its end, a moment to the second that is said."""
    draft = clinic.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert sorted(row[0] for row in clinic.run(draft.plan)) == numbers


def test_born(clinic: World) -> None:
    """An abbreviated date of birth is the date at which somebody was born."""
    clinic.agrees("people born before 1980", "SELECT * FROM {people} WHERE dob < '1980-01-01'")
