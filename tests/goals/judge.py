"""Run one case through the front door and say what became of it."""

from dataclasses import dataclass
from pathlib import Path

from goals import world
from goals.corpus import Case, expected
from harness.rows import Rows, mismatch
from harness.targets import rows_of

from agent_etl import Run, run_pipeline

__all__ = ["Verdict", "accepted", "judge"]


@dataclass(frozen=True)
class Verdict:
    """`outcome`: right, wrong, asked, refused, failed, misquoted. `detail` says why in one line."""

    outcome: str
    detail: str = ""


def accepted(case: Case) -> frozenset[str]:
    """The outcomes that are right for a case."""
    if case.expect == "run":
        return frozenset({"right", "asked"}) if case.may_ask else frozenset({"right"})
    stops = {"ask": {"asked"}, "refuse": {"refused"}, "stop": {"asked", "refused", "failed"}}[case.expect]
    return frozenset(stops | {"right"} if case.may_run else stops)


def judge(case: Case, folder: Path, home: Path, pg_url: str | None) -> Verdict:
    """Build the case in `folder` (the current directory), run its goal, compare the target.

    `wrong` is the one outcome that may never be: it ran and the rows differ, it ran though it had to stop, or it
    stopped and yet touched something. Side effects: writes below `folder` and `home`.
    """
    connections = world.build(case, folder, pg_url)
    before = world.snapshot(folder, home)
    run = run_pipeline(case.goal, connections=connections, home=home, approve="auto")
    if run.status == "succeeded":
        return _ran(case, run, folder, home, pg_url)
    if world.snapshot(folder, home) != before:
        return Verdict("wrong", f"{run.status}, yet it left something behind")
    return _stopped(case, run)


def _ran(case: Case, run: Run, folder: Path, home: Path, pg_url: str | None) -> Verdict:
    if case.sql is None:
        return Verdict("wrong", "it ran; it had to stop")
    try:
        actual = rows_of(case.target, folder, home, pg_url) if case.target else _dataset(run)
    except LookupError as error:
        return Verdict("wrong", str(error))
    difference = mismatch(expected(case), actual, ordered=case.order)
    return Verdict("wrong", difference) if difference else Verdict("right")


def _stopped(case: Case, run: Run) -> Verdict:
    quotes = [item.quote for item in (*run.questions, *run.refusals)]
    outcome = {"waiting": "asked", "refused": "refused", "failed": "failed"}.get(run.status, "wrong")
    said = [item.text for item in run.questions] or [item.reason for item in run.refusals] or [str(run.failure)]
    detail = f"{quotes}: {said}"
    if case.must_stop and case.quote and outcome != "failed":
        folded = [quote.lower() for quote in quotes]
        if not any(case.quote.lower() in quote for quote in folded):
            return Verdict("misquoted", detail)
    return Verdict(outcome, detail)


def _dataset(run: Run) -> Rows:
    table = run.dataset()
    columns = [table.column(index).to_pylist() for index in range(table.num_columns)]
    return table.column_names, list(zip(*columns, strict=True))
