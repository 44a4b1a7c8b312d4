"""The corpus as a table: `python tests/goals/score.py [--record] [--all] [word…]`; words choose cases by id or goal.

Ends with 1 when a result is wrong. `--record` rewrites not_yet.txt from what happened.
"""

import os
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from goals.corpus import Case, cases
from goals.judge import Verdict, accepted, judge
from harness.postgres import PostgresServer
from rich.console import Console
from rich.table import Table

_NOT_YET = Path(__file__).parent / "not_yet.txt"


def main(arguments: list[str]) -> int:
    """Run the chosen cases, print what became of each; 1 when any is wrong."""
    words = [argument for argument in arguments if not argument.startswith("--")]
    chosen = [case for case in cases() if not words or any(word in f"{case.id} {case.goal}" for word in words)]
    server = PostgresServer.start()
    try:
        verdicts = {case.id: _score(case, server) for case in chosen}
    finally:
        server.stop()
    _print(chosen, verdicts, everything="--all" in arguments)
    if "--record" in arguments and not words:
        open_cases = [f"{c.id} {verdicts[c.id].outcome}" for c in chosen if verdicts[c.id].outcome not in accepted(c)]
        _NOT_YET.write_text("".join(f"{line}\n" for line in open_cases if not line.endswith((" wrong", " raised"))))
    return int(any(verdict.outcome in ("wrong", "raised") for verdict in verdicts.values()))


def _score(case: Case, server: PostgresServer) -> Verdict:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, server.database() as name:
        os.chdir(folder)
        try:
            return judge(case, Path(folder), Path(folder) / "home", server.url(name))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return Verdict("raised", f"{type(error).__name__} at {where.filename}:{where.lineno}: {error}"[:300])
        finally:
            os.chdir(before)


def _print(chosen: list[Case], verdicts: dict[str, Verdict], *, everything: bool) -> None:
    table = Table("case", "expected", "outcome", "goal", "detail")
    for case in chosen:
        verdict = verdicts[case.id]
        if everything or verdict.outcome not in accepted(case):
            table.add_row(case.id, case.expect, verdict.outcome, case.goal, verdict.detail)
    console = Console(markup=False, width=200 if not sys.stdout.isatty() else None)
    console.print(table)
    good = sum(verdicts[case.id].outcome in accepted(case) for case in chosen)
    console.print(
        f"{good} of {len(chosen)} as expected; outcomes {dict(Counter(v.outcome for v in verdicts.values()))}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
