"""`agent-etl quarantine`: rows that were set aside, listed, shown and replayed."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from agent_etl.arguments import pairs, read_plan
from agent_etl.display import WIDEST_CELL, consoles, table_view
from agent_etl.exits import Exit
from agent_etl.graphs.quarantine import list_letters, replay_letters, show_letters
from agent_etl.records import print_json

__all__ = ["listed", "replayed", "shown"]

_COLUMNS = ("number", "state", "step", "check_name", "reason", "line", "column_name", "raw", "run_id")


def listed(place: str | None, named: Iterable[str], home: Path | None, *, json: bool) -> Exit:
    """Show how many rows were set aside where and why."""
    found = list_letters(place, home=home, connections=pairs("--connection", named))
    if json:
        print_json({"quarantined": [asdict(count) for count in found]})
        return Exit.SUCCEEDED
    rows = [(f"{c.target}:{c.table}", c.run_id, c.step, c.check or "", c.reason, c.state, c.rows) for c in found]
    head = ("table", "run", "step", "check", "reason", "state", "rows")
    out = consoles()[0]
    out.print(table_view("set aside", head, rows) if rows else "nothing was set aside")
    return Exit.SUCCEEDED


def shown(place: str, limit: int, reason: str | None, named: Iterable[str], home: Path | None, *, json: bool) -> Exit:
    """Show rows that were set aside, with their raw text. Raises: UsageError when there are none."""
    rows = show_letters(place, limit=limit, reason=reason, home=home, connections=pairs("--connection", named))
    if json:
        print_json({"quarantined": rows.to_pylist()})
        return Exit.SUCCEEDED
    values = rows.select(list(_COLUMNS)).to_pylist()
    table = [[row[name] for name in _COLUMNS] for row in values]
    consoles()[0].print(table_view(f"set aside beside {place}", _COLUMNS, table, longest=WIDEST_CELL))
    return Exit.SUCCEEDED


def replayed(what: str, plan: Path | None, named: Iterable[str], home: Path | None, *, json: bool) -> Exit:
    """Replay open rows. The exit code is 5 when some stay open. Side effects: targets and their dead letters."""
    chosen = read_plan(plan) if plan is not None else None
    done = replay_letters(what, plan=chosen, home=home, connections=pairs("--connection", named))
    still = sum(each.open for each in done)
    if json:
        groups = [{**asdict(each.group), "replayed": each.replayed, "open": each.open} for each in done]
        print_json({"replayed": sum(each.replayed for each in done), "open": still, "groups": groups})
        return Exit.FAILED if still else Exit.SUCCEEDED
    rows = [(d.group.table, d.group.run_id, d.group.step, d.replayed, d.loaded, d.open) for d in done]
    head = ("table", "run", "step", "replayed", "rows loaded", "still open")
    out = consoles()[0]
    out.print(table_view("replay", head, rows) if rows else "nothing is open")
    return Exit.FAILED if still else Exit.SUCCEEDED
