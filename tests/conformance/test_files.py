"""The conformance kit over folders of files."""

from pathlib import Path

import pytest

from agent_etl.connectors.conformance import Case, Subject, cases
from agent_etl.connectors.files import FilesConnection

ALL = tuple(cases(frozenset({"append", "replace", "merge"})))
SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl")
# JSON has no NaN and no infinity.
REFUSES = {".jsonl": frozenset({"DOUBLE:5", "DOUBLE:6"})}
NEVER = {
    (".jsonl", "round_trip[JSON]"): "a line holds JSON values, not their text: 1.10 is 1.1, and a JSON null is NULL",
}


def each() -> list[object]:
    """Every case for every kind of file; what a kind can never do is expected to fail, with its reason."""
    return [
        pytest.param(
            suffix,
            case,
            id=f"{case.name}-{suffix}",
            marks=[pytest.mark.xfail(reason=reason, strict=True)] if (reason := NEVER.get((suffix, case.name))) else [],
        )
        for suffix in SUFFIXES
        for case in ALL
    ]


@pytest.mark.parametrize(("suffix", "case"), each())
def test_files_conform(suffix: str, case: Case, tmp_path: Path) -> None:
    """Each kind of file keeps each promise of the kit."""
    case.run(Subject(FilesConnection("f", tmp_path), suffix=suffix, refuses=REFUSES.get(suffix, frozenset())))
