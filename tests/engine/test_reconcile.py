"""Reconciliation sees a single missing row."""

import pytest

from agent_etl.engine.errors import CheckFailed
from agent_etl.engine.plan import Load
from agent_etl.engine.ports import LoadResult, Marker
from agent_etl.engine.reconcile import reconcile_load, reconcile_read

MARKER = Marker("l1", "t", "append", 5, 1, "", "r1", "p1", "now")


def load(mode):
    return Load(name="keep", from_="s", target="w", table="t", mode=mode, key=("id",))


@pytest.mark.parametrize(
    ("mode", "result", "before", "after"),
    [
        ("append", LoadResult(MARKER, 5, 5), 10, 15),
        ("append", LoadResult(MARKER, 5, 5), 10, 17),
        ("append", LoadResult(MARKER, 5, 5), None, None),
        ("replace", LoadResult(MARKER, 5, 5, deleted=10), 10, 5),
        ("merge", LoadResult(MARKER, 5, 2, updated=3), 10, 12),
        ("merge", LoadResult(MARKER, 5, 2, updated=1), 10, 12),
        ("merge", LoadResult(MARKER, 5, 2, updated=1, deleted=4), 10, 8),
        ("scd2", LoadResult(MARKER, 5, 3, updated=7, deleted=1), 10, 12),
        ("scd2", LoadResult(MARKER, 5, 0), 10, 10),
        ("append", LoadResult(MARKER, 5, 0, already=True), None, None),
    ],
)
def test_counts_that_agree(mode, result, before, after):
    """A load whose counts agree passes; rows that others added meanwhile are not its concern."""
    reconcile_load(load(mode), 5, result, before, after)


@pytest.mark.parametrize(
    ("mode", "given", "result", "before", "after"),
    [
        ("append", 6, LoadResult(MARKER, 5, 5), 10, 15),
        ("append", 5, LoadResult(MARKER, 5, 4), 10, 14),
        ("append", 5, LoadResult(MARKER, 5, 5), 10, 14),
        ("replace", 5, LoadResult(MARKER, 5, 5, deleted=10), 10, 4),
        ("replace", 5, LoadResult(MARKER, 5, 5, deleted=10), 10, 6),
        ("merge", 5, LoadResult(MARKER, 5, 4, updated=3), 10, 14),
        ("merge", 5, LoadResult(MARKER, 5, 2, updated=3), 10, 11),
        ("merge", 5, LoadResult(MARKER, 5, 2, deleted=4), 10, 7),
        ("scd2", 5, LoadResult(MARKER, 5, 6), 10, 16),
        ("scd2", 5, LoadResult(MARKER, 5, 3, deleted=1), 10, 11),
        ("append", 6, LoadResult(MARKER, 5, 0, already=True), None, None),
    ],
)
def test_a_row_that_went_missing_is_seen(mode, given, result, before, after):
    """One row less or more than there should be fails the load, with both counts."""
    with pytest.raises(CheckFailed) as caught:
        reconcile_load(load(mode), given, result, before, after)
    assert caught.value.fields["expected"] != caught.value.fields["found"]


def test_every_row_that_was_read_is_accounted_for():
    """Rows in equal rows out, filtered and quarantined."""
    reconcile_read("orders", rows_in=10, rows_out=6, filtered=3, quarantined=1)
    for wrong in ({"rows_in": 11}, {"rows_out": 5}, {"rows_in": 9, "filtered": 2, "quarantined": 2}):
        with pytest.raises(CheckFailed):
            reconcile_read("orders", **{"rows_in": 10, "rows_out": 6, "filtered": 3, "quarantined": 1, **wrong})
