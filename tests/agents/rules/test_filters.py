"""Conditions, states and de-duplication in words: each plan is executed and compared with hand-written SQL."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from worlds import World


@pytest.fixture
def club() -> Iterator[World]:
    """Bookings with a mark, dates of what happened, a value in two spellings, and a year as a number."""
    world = World()
    world.add(
        "bookings.csv",
        """SELECT * FROM (VALUES
          (1, 'web', true, DATE '2024-01-05', NULL::DATE, 90, 2, NULL, true, 2.5), (2, 'desk', false, DATE '2024-02-05',
          DATE '2024-02-09', 150, 1, 'late', NULL, NULL), (3, 'web', true, DATE '2023-12-31', DATE '2024-01-02', 30, 4,
          'Late', false, 5), (4, 'phone', false, DATE '2024-02-29', NULL, 240, 3, 'vip', true, 1), (4, 'phone', false,
          DATE '2024-02-29', NULL, 240, 3, 'vip', true, 1)
        ) t(booking_no, channel, paid, booked_on, cancelled_on, minutes, seats, remark, starred, rating)""",
    )
    world.add(
        "marks.csv",
        "SELECT * FROM (VALUES (1, 40, 2023), (1, 70, 2024), (2, 90, 2024), (3, 55, 2022)) t(pupil_no, mark, year)",
    )
    yield world
    world.close()


def rows_of(found: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """Rows without order."""
    return Counter(found)


KEPT = [
    ("Load bookings.csv, keep paid bookings", "paid"),
    ("Load bookings.csv, keep unpaid bookings", "NOT paid"),
    ("bookings that are not paid", "NOT paid"),
    ("bookings booked in February 2024", "booked_on >= '2024-02-01' AND booked_on < '2024-03-01'"),
    ("bookings booked on or after 2024-02-05", "booked_on >= '2024-02-05'"),
    ("bookings that were booked in 2023 or 2022", "year(booked_on) IN (2022, 2023)"),
    ("cancelled bookings", "cancelled_on IS NOT NULL"),
    ("Load open bookings of bookings.csv (cancelled_on is null)", "cancelled_on IS NULL"),
    ("Load bookings.csv, keep the bookings that were never cancelled (cancelled_on is empty)", "cancelled_on IS NULL"),
    ("Load bookings.csv, leave out web bookings", "channel <> 'web'"),
    ("Load bookings.csv, throw away the unpaid bookings", "paid"),
    ("bookings with minutes over 60 and below 200", "minutes > 60 AND minutes < 200"),
    ("bookings longer than 2 hours", "minutes > 120"),
    ("bookings longer than 2 hours by minutes", "minutes > 120"),
    ("Load bookings.csv, keep at least 3 seats", "seats >= 3"),
    ("Load bookings.csv, skip bookings with three seats", "seats <> 3"),
    ("bookings where channel is either web or desk", "channel IN ('web', 'desk')"),
    ("bookings where remark = 'late'", "remark = 'late'"),
    ("bookings where cancelled_on is empty", "cancelled_on IS NULL"),
    ("bookings where minutes is not over 90", "minutes <= 90"),
    ("bookings where minutes is not between 60 and 200", "minutes NOT BETWEEN 60 AND 200"),
    ("bookings where rating is not more than 2.5", "rating <= 2.5"),
    ("bookings where booked_on is not before 2024-02-05", "booked_on >= '2024-02-05'"),
    ("bookings where starred is false", "starred = false"),
    ("bookings where starred is unknown", "starred IS NULL"),
    ("bookings where starred is not missing", "starred IS NOT NULL"),
]


@pytest.mark.parametrize(("goal", "where"), KEPT)
def test_keeps(club: World, goal: str, where: str) -> None:
    """States, participles, units and comparisons in words keep exactly the rows that they say."""
    draft = club.plan(goal)
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert rows_of(club.run(draft.plan)) == rows_of(club.rows(f"SELECT * FROM {{bookings}} WHERE {where}"))


MARKS = [
    ("Load marks.csv, keep 2023 only", "SELECT * FROM {marks} WHERE year = 2023"),
    ("marks above 50 and below 80", "SELECT * FROM {marks} WHERE mark > 50 AND mark < 80"),
    ("Load marks.csv, keep only the highest mark per pupil_no", None),
    ("Load marks.csv, keep one row per pupil_no, the one with the highest mark",
     "SELECT pupil_no, max(mark), max(year) FROM {marks} GROUP BY 1"),
    ("Load bookings.csv, duplicates dropped first", "SELECT DISTINCT * FROM {bookings}"),
    ("Load bookings.csv, then drop exact duplicates", "SELECT DISTINCT * FROM {bookings}"),
    ("Total seats per channel from bookings.csv after dropping full duplicates",
     "SELECT channel, sum(seats) FROM (SELECT DISTINCT * FROM {bookings}) GROUP BY 1"),
    ("Load bookings.csv and keep only the latest booking per channel by booked_on",
     "SELECT DISTINCT * FROM {bookings} WHERE booking_no IN (1, 2, 4)"),
    ("Load bookings.csv and keep the most recent one (booked_on) per channel",
     "SELECT DISTINCT * FROM {bookings} WHERE booking_no IN (1, 2, 4)"),
    ("From bookings.csv write distinct channel values", "SELECT DISTINCT channel FROM {bookings}"),
    ("From bookings.csv write distinct remark values, without the empty ones",
     "SELECT DISTINCT remark FROM {bookings} WHERE remark IS NOT NULL"),
    ("De-duplicate bookings.csv on channel and count the bookings per channel",
     "SELECT DISTINCT channel, 1 FROM {bookings}"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "sql"), MARKS)
def test_duplicates(club: World, goal: str, sql: str | None) -> None:
    """One row a key is the row that the goal describes; a total is not taken for a row."""
    draft = club.plan(goal)
    if sql is None:
        assert draft.plan is None
        return
    assert draft.plan is not None, (draft.questions, draft.refusals)
    assert rows_of(club.run(draft.plan)) == rows_of(club.rows(sql))


EXCLUSIVE = [
    "bookings where channel = web and channel = desk",
    "bookings where seats > 5 and seats < 3",
    "bookings with seats over 5 and below 3",
    "bookings where seats is between 2 and 3 and seats = 4",
    "bookings where booked_on is after 2024-03-01 and before 2024-02-01",
    "Load bookings.csv, keep only channel web, keep only channel desk",
    "bookings where remark is null and remark = 'vip'",
]


@pytest.mark.parametrize("goal", EXCLUSIVE)
def test_excludes(club: World, goal: str) -> None:
    """Conditions that no row can meet give a refusal that quotes the clause, not an empty table."""
    draft = club.plan(goal)
    assert draft.plan is None
    assert draft.refusals and all(one.quote in goal for one in draft.refusals)


OPEN = [
    ("bookings where remark is late", "late"),
    ("bookings where homeroom is 12B", "homeroom"),
    ("bookings where bonus is over 1000", "bonus"),
    ("bookings where channel is fax", "fax"),
    ("bookings where remark is not vip", "vip"),
    ("bookings where remark does not contain vip", "does not contain vip"),
    ("bookings where cancelled_on is not 2024-02-09", "2024-02-09"),
    ("bookings where cancelled_on is not before 2024-01-03", "is not before"),
    ("bookings where not (cancelled_on is after 2024-01-03)", "not (cancelled_on"),
    ("bookings where starred is not true", "starred is not true"),
    ("bookings that are not starred", "not starred"),
    ("bookings where rating is not over 3", "is not over 3"),
    ("bookings where rating is not between 2 and 4", "is not between"),
    ("bookings where rating * 2 is not 4", "is not 4"),
    ("Load bookings.csv, keep frobbed bookings", "frobbed"),
    ("bookings that are frobbed", "frobbed"),
    ("bookings frobbed in March 2024", "frobbed"),
    ("Load bookings.csv, dedupe by channel", "dedupe by channel"),
    ("bookings where seats is more than 3 hours", "3 hours"),
]


@pytest.mark.parametrize(("goal", "quote"), OPEN)
def test_stops(club: World, goal: str, quote: str) -> None:
    """What the data does not settle ends in a question or refusal that quotes the words."""
    draft = club.plan(goal)
    assert draft.plan is None
    assert any(quote in one.quote for one in (*draft.questions, *draft.refusals)), (draft.questions, draft.refusals)


def test_spellings(club: World) -> None:
    """A value in two spellings may mean both."""
    draft = club.answered("bookings where remark is late", "all")
    assert draft.plan is not None
    assert len(club.run(draft.plan)) == 2


UNLIKE = [
    ("bookings where starred is not true", "starred IS DISTINCT FROM true", "starred = false"),
    ("bookings where rating is not over 3", "NOT coalesce(rating > 3, false)", "rating <= 3"),
    ("bookings where remark does not contain vip", "remark IS DISTINCT FROM 'vip'", "remark <> 'vip'"),
    ("bookings where not (paid is true and rating is over 3)", "NOT coalesce(paid AND rating > 3, false)",
     "NOT (paid AND rating > 3)"),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "kept", "dropped"), UNLIKE)
def test_unknown_values_and_not(club: World, goal: str, kept: str, dropped: str) -> None:
    """Whether rows without a value fail a test is asked, and the answer is followed."""
    for answer, where in (("keep", kept), ("drop", dropped)):
        draft = club.answered(goal, answer)
        assert draft.plan is not None, draft.refusals
        assert rows_of(club.run(draft.plan)) == rows_of(club.rows(f"SELECT * FROM {{bookings}} WHERE {where}"))


def test_unknown_column(club: World) -> None:
    """The column chosen for an unknown name takes its place in the condition."""
    draft = club.answered("bookings where chairs is over 2", "bookings.seats")
    assert draft.plan is not None
    assert rows_of(club.run(draft.plan)) == rows_of(club.rows("SELECT * FROM {bookings} WHERE seats > 2"))
