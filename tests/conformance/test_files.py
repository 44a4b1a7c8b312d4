"""The conformance kit over files."""

from pathlib import Path

import pytest

from agent_etl.connectors.conformance import Case, Subject, cases
from agent_etl.connectors.files import FilesConnection

ALL = tuple(cases(frozenset({"append", "replace", "merge", "scd2"})))
# JSON has no infinity and no NaN.
REFUSED = {".jsonl": frozenset({"DOUBLE:5", "DOUBLE:6"})}


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize("case", ALL, ids=named)
def test_files_conform(case: Case, suffix: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A folder of files keeps each promise of the kit."""
    if (suffix, case.name) == (".jsonl", "round_trip[JSON]"):
        reason = "a nested value is written as JSON itself: its spaces, its trailing zeros and a top-level null go"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    case.run(Subject(FilesConnection("f", tmp_path), suffix=suffix, refuses=REFUSED.get(suffix, frozenset())))
