"""What a goal mentions, found without knowing any source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_etl.engine.mentions import mentions


def kinds(goal: str) -> dict[str, str]:
    return {mention.text: mention.kind for mention in mentions(goal)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("orders.csv", "file"),
        ("data/orders.csv.gz", "file"),
        ("/abs/o.parquet", "file"),
        ("chinook.sqlite", "file"),
        ("data/o*.csv", "glob"),
        ("events/*.jsonl.zst", "glob"),
        ("postgresql://u@h/db", "url"),
        ("s3://lake/x/*.parquet", "url"),
        ("events/", "path"),
        ("./out", "path"),
        ("crm.customers", "name"),
        ("raw_payments.amount", "name"),
        ("orders", "name"),
    ],
)
@pytest.mark.parametrize("frame", ["Load {} and stop", "load the result into {}.", "({}, then x)", "take {}; sort"])
def test_kind(text: str, kind: str, frame: str) -> None:
    """Punctuation around a place or a name does not change what it is."""
    assert kinds(frame.format(text))[text] == kind


def test_quoted_file_with_spaces() -> None:
    """A quoted file name with spaces is one file."""
    assert kinds("load 'my orders.csv' now")["my orders.csv"] == "file"


def test_arithmetic_is_no_path() -> None:
    """Slashes and stars between columns name no file."""
    found = kinds("margin = (unit_price - cost)/unit_price and quantity*unit_price")
    assert set(found.values()) == {"name"}


def test_possessive_is_no_quote() -> None:
    """An apostrophe inside a word does not open a quotation."""
    assert "orders.csv" in kinds("the order's id of orders.csv isn't 'x'")


@given(st.text(max_size=80))
def test_spans_hold(goal: str) -> None:
    """Spans lie inside the goal, in order, without overlap, whatever the text."""
    last = 0
    for mention in mentions(goal):
        assert last <= mention.span[0] < mention.span[1] <= len(goal)
        assert mention.text in goal[slice(*mention.span)]
        last = mention.span[1]
