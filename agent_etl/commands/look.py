"""`agent-etl runs` and `agent-etl show`: runs as this home remembers them."""

import sys
from dataclasses import asdict
from pathlib import Path

from agent_etl import get_run, list_runs
from agent_etl.display import consoles, table_view
from agent_etl.engine.errors import UsageError
from agent_etl.exits import Exit
from agent_etl.records import print_json

__all__ = ["runs", "show"]

NARROW = 80


def runs(home: Path | None, *, json: bool) -> Exit:
    """List the runs, newest first, one line each."""
    found = list_runs(home=home)
    out, _ = consoles()
    if json:
        print_json({"runs": [asdict(summary) for summary in found]})
    elif not found:
        out.print('no runs yet: agent-etl run "Load FILE into TABLE" starts one', markup=False, soft_wrap=True)
    else:
        header = ["run", "status", "started (UTC)", "goal"]
        rows = [
            [one.run_id, one.status, f"{one.started:%Y-%m-%d %H:%M:%S}", one.goal or "a given plan"] for one in found
        ]
        if out.width < NARROW:  # an id that is cut is of no use
            for line in (header, *rows):
                del line[2]
        out.print(table_view("runs", header, rows, one_line=True))
    return Exit.SUCCEEDED


def show(run_id: str, home: Path | None, *, json: bool, plan: bool = False) -> Exit:
    """Show one run; with `plan` its plan alone, as YAML. Raises: UnknownRun; UsageError when it has no plan."""
    run = get_run(run_id, home=home)
    if plan:
        if run.plan is None:
            raise UsageError("The run has no plan", run=run_id, status=run.status, hint=f"agent-etl show {run_id}")
        sys.stdout.write(run.plan.to_yaml())
    elif json:
        print_json(run.to_dict())
    else:
        from agent_etl.drawing import show_plan

        out, _ = consoles()
        show_plan(run, out)
        out.print()
        sys.stdout.write(run.report())
    return Exit.SUCCEEDED
