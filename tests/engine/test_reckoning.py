"""Reckoning with cursor values: exact for each type, at its edges too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_etl.engine.errors import SchemaChanged
from agent_etl.engine.reckoning import before, cut, fit, newest, oldest, readable
from agent_etl.engine.watermark import Watermark, decoded, encoded


def marks(kind: str, *texts: str) -> list[Watermark]:
    return [Watermark(kind, text) for text in texts]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("BIGINT", ("-10", "-9", "0", "9", "10", "9223372036854775807")),
        ("DECIMAL(38,9)", ("-0.000000001", "0.000000000", "12345678901234567890123456789.000000001")),
        ("DATE", ("0044-03-15 (BC)", "0001-01-01", "9999-12-31", "10000-01-01")),
        ("TIMESTAMP", ("1969-12-31 23:59:59.999999", "1970-01-01 00:00:00")),
        ("TIMESTAMP WITH TIME ZONE", ("2024-03-31 02:30:00+02", "2024-03-31 01:00:00+00")),
        ("VARCHAR", ("", "A", "a", "z", "é", "\U0001f600")),
    ],
)
def test_the_newest_and_the_oldest_are_those_of_the_type(kind: str, texts: tuple[str, ...]) -> None:
    """Numbers are compared as numbers, times as times, texts byte by byte."""
    assert newest(marks(kind, *reversed(texts))).text == texts[-1]
    assert oldest(marks(kind, *texts)).text == texts[0]


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_texts_are_kept_and_ordered_as_they_are(texts: list[str]) -> None:
    """Any text survives the way to the target and back; the newest is the one whose bytes come last."""
    found = newest(marks("VARCHAR", *texts))
    assert found.text.encode() == max(text.encode() for text in texts)
    assert decoded(encoded({"orders.read:0": found})) == {"orders.read:0": found}


def test_a_lag_reaches_back_over_months_and_zones() -> None:
    """Spans are the calendar's, numbers exact."""
    assert before(Watermark("TIMESTAMP", "2024-03-31 10:00:00"), "1 month").text == "2024-02-29 10:00:00"
    assert before(Watermark("DATE", "2024-03-01"), "2 days").text == "2024-02-28"
    assert (
        before(Watermark("TIMESTAMP WITH TIME ZONE", "2024-03-01 00:00:00+00"), "1 hour").text
        == "2024-02-29 23:00:00+00"
    )
    assert before(Watermark("DECIMAL(4,2)", "0.10"), 0.2).text == "-0.10"


def test_a_bound_between_two_values_becomes_the_upper_one() -> None:
    """`>=` and `<` mean the same then; a column of another kind is an error, not a guess."""
    assert fit(Watermark("", "1.005"), "DECIMAL(10,2)").text == "1.01"
    assert fit(Watermark("", "-1.5"), "BIGINT").text == "-1"
    with pytest.raises(SchemaChanged):
        fit(Watermark("BIGINT", "5"), "VARCHAR")


def test_only_values_of_the_type_are_readable() -> None:
    """A time of day is no date, a word no number."""
    assert readable("2024-01-01", "DATE") and not readable("2024-01-01 10:00", "DATE")
    assert readable(5, "BIGINT") and not readable("x", "BIGINT") and not readable("x", "TIMESTAMP")


def test_a_range_is_cut_without_gap_or_overlap() -> None:
    """Each chunk begins where the one before ends; months count from the beginning, the last chunk may be short."""
    chunks = cut("DATE", "2024-01-31", "2024-04-05", "1 month")
    assert [(low.text, high.text) for low, high in chunks] == [
        ("2024-01-31", "2024-02-29"),
        ("2024-02-29", "2024-03-31"),
        ("2024-03-31", "2024-04-05"),
    ]
    assert [low.text for low, _ in cut("BIGINT", -5, 5, 4)] == ["-5", "-1", "3"]
    assert cut("BIGINT", 5, 5, 4) == ()
