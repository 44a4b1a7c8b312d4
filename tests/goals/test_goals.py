"""Goals in words against hand-written SQL: a goal becomes exactly these rows, or it is asked about; nothing else.

not_yet.txt lists the cases that stop today though they should run (or stop in another way than they should), each with
what happens. A case that changes either way fails until that list says so: `python tests/goals/score.py --record`.
"""

from pathlib import Path

import pytest
from goals.corpus import Case, cases
from goals.judge import accepted, judge

_CASES = cases()
_NOT_YET = dict(line.split(" ", 1) for line in (Path(__file__).parent / "not_yet.txt").read_text().splitlines() if line)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_a_goal_becomes_exactly_its_rows_or_a_question(
    case: Case, home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The target holds the rows that hand-written SQL gives, or nothing was touched and the words are quoted."""
    pg_url = request.getfixturevalue("pg_url") if case.needs_postgres else None
    verdict = judge(case, tmp_path, home, pg_url)
    assert verdict.outcome != "wrong", verdict.detail
    if case.id in _NOT_YET:
        assert verdict.outcome not in accepted(case), f"{case.id} is right now: take it off not_yet.txt"
        assert verdict.outcome == _NOT_YET[case.id], verdict.detail
    else:
        assert verdict.outcome in accepted(case), verdict.detail


def test_the_corpus_is_broad() -> None:
    """At least 80 goals that run and 20 that must stop, over at least 15 schemas."""
    assert sum(case.expect == "run" for case in _CASES) >= 80
    assert sum(case.must_stop for case in _CASES) >= 20
    assert len({case.id.split("-")[0] for case in _CASES}) >= 15


def test_the_open_cases_are_a_real_list() -> None:
    """not_yet.txt names only cases of the corpus, and never a wrong result."""
    assert set(_NOT_YET) <= {case.id for case in _CASES}
    assert "wrong" not in _NOT_YET.values()
