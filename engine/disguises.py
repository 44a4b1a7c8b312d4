"""Texts that are numbers, times or dates in disguise: ordered by their letters, 10 comes before 9."""

import re
from collections.abc import Sequence

__all__ = ["KNOWN", "disguise"]

KNOWN = 200
"""So many of a column's most frequent values tell what it holds."""
_MOST = 0.8
"""So many of them must look like it: among names and codes a few that are digits change no order."""
_NUMBER = re.compile(r"([-+]?)[$€£¥]?\s*(\d[\d,'\s]*(?:\.\d+)?)\s*(?:%|[a-zA-Z]{1,3}|[$€£¥])?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?")
_DATE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[ -][A-Za-z]{3,9}[ ,-]+\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}"
)
_ABSENT = frozenset({"", "n/a", "na", "nan", "null", "none", "nil", "-", "--", "?", "unknown", "missing"})


def disguise(values: Sequence[str]) -> str:
    """`numbers`, `times` or `dates` when the values are that and their letters order them otherwise; else empty."""
    known = [value.strip() for value in values if value.strip().lower() not in _ABSENT]
    for what, worth in (("numbers", _numbers(known)), ("times", _clocks(known))):
        if len(worth) >= _MOST * len(known) and sorted(worth) != sorted(worth, key=lambda one: (one[1], one[0])):
            return what
    dates = [value for value in known if _DATE.fullmatch(value)]
    return "dates" if len(dates) > 1 and len(dates) >= _MOST * len(known) else ""


def _numbers(known: Sequence[str]) -> list[tuple[str, float]]:
    """The values that are numbers, each with what it is worth."""
    found = [(value, _NUMBER.fullmatch(value)) for value in known]
    return [(value, float(match[1] + re.sub(r"[,'\s]", "", match[2]))) for value, match in found if match]


def _clocks(known: Sequence[str]) -> list[tuple[str, float]]:
    found = [(value, _CLOCK.fullmatch(value)) for value in known]
    return [(value, float(60 * int(match[1]) + int(match[2]))) for value, match in found if match]
