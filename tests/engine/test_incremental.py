"""What a plan may say of an incremental extract."""

import pytest
from pydantic import ValidationError

from agent_etl.engine.incremental import Incremental, number, span


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"chunk": 5}, "start and end"),
        ({"chunk": 5, "start": 0}, "start and end"),
        ({"start": 0, "end": 9, "lag": 1}, "lag"),
        ({"lag": "two days"}, "2 days"),
        ({"lag": "1 fortnight"}, "2 days"),
        ({"lag": -1}, "0 or more"),
        ({"lag": float("nan")}, "0 or more"),
        ({"start": 0, "end": 9, "chunk": 0}, "more than 0"),
        ({"start": 0, "end": 9, "chunk": "0 days"}, "more than 0"),
        ({"nulls": "skip"}, "exclude"),
        ({"start": True}, "valid"),
        ({"cursor": ""}, "at least 1"),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_is_valid(fields: dict[str, object], word: str) -> None:
    """A range that cannot be read is named when the plan is read, not when it runs."""
    with pytest.raises(ValidationError, match=word):
        Incremental.model_validate({"cursor": "changed", **fields})


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        ("2 days", "time", True),
        ("2 days", "instant", True),
        (2, "time", False),
        ("2 days", "number", False),
        (0.5, "number", True),
        (2, "text", False),
    ],
)
def test_a_lag_must_be_a_distance_of_the_cursors_kind(value: str | float, kind: str, fits: bool) -> None:
    """Days for times, numbers for numbers; a text has no distance."""
    assert (span(value, kind) is None) is fits


def test_a_date_is_cut_by_whole_days() -> None:
    """Six hours are no step between two dates."""
    assert span("6 hours", "time", whole_days=True) is not None
    assert span("1 month", "time", whole_days=True) is None


def test_a_number_is_exact() -> None:
    """What a plan writes is taken digit by digit; what is no number is None."""
    assert str(number(0.1)) == "0.1"
    assert number("nan") is None and number("x") is None
