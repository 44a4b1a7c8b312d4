"""`agent-etl runs` and `agent-etl show`: runs as this home remembers them."""

import sys
from dataclasses import asdict
from pathlib import Path

from agent_etl import get_run, list_runs
from agent_etl.display import consoles, table_view
from agent_etl.exits import Exit
from agent_etl.records import print_json

__all__ = ["runs", "show"]


def runs(home: Path | None, *, json: bool) -> Exit:
    """List the runs, newest first."""
    found = list_runs(home=home)
    if json:
        print_json({"runs": [asdict(summary) for summary in found]})
        return Exit.SUCCEEDED
    rows = [
        (summary.run_id, summary.status, f"{summary.started:%Y-%m-%d %H:%M:%S}", summary.goal or "a given plan")
        for summary in found
    ]
    consoles()[0].print(table_view("runs", ("run", "status", "started", "goal"), rows))
    return Exit.SUCCEEDED


def show(run_id: str, home: Path | None, *, json: bool) -> Exit:
    """Show one run. Raises: UnknownRun."""
    run = get_run(run_id, home=home)
    if json:
        print_json(run.to_dict())
        return Exit.SUCCEEDED
    from agent_etl.drawing import clauses_view, plan_view

    out, _ = consoles()
    if run.draft is not None and run.draft.clauses:
        out.print(clauses_view(run.draft))
    if run.plan is not None:
        out.print(plan_view(run.plan))
    out.print()
    sys.stdout.write(run.report())
    return Exit.SUCCEEDED
