"""The demo: a real pipeline over an example shop that is made on the spot."""

from contextlib import chdir
from pathlib import Path

from agent_etl.commands.execute import Operation
from agent_etl.display import consoles
from agent_etl.engine.errors import UsageError
from agent_etl.example import make_shop
from agent_etl.exits import Exit

__all__ = ["GOAL", "demo"]

GOAL = (
    "Load orders.csv and customers.csv, keep only rows where status is paid, drop duplicate orders, "
    "join on customer_id, compute the total amount rounded to 2 decimals per region and month of ordered_on, "
    "sort by month and region, and replace monthly_revenue"
)

_MARK = ".agent-etl-demo"


def demo(folder: Path, *, json: bool = False, quiet: bool = False) -> Exit:
    """Make the shop in `folder`, run GOAL over it with a home inside it, show everything.

    Raises: UsageError when the folder holds something else. Side effects: only inside `folder`, made anew each time.
    """
    if folder.exists() and not (folder / _MARK).exists() and any(folder.iterdir()):
        raise UsageError(
            "The folder holds something else", folder=str(folder), hint="name a new one: agent-etl demo FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    make_shop(folder)
    out, talk = consoles(silent=json or quiet)
    files = ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))
    talk.print(f"An example shop in {folder}/: {files}", markup=False, soft_wrap=True)
    talk.print(f'\n$ agent-etl run "{GOAL}"\n', markup=False, soft_wrap=True, style="bold")
    with chdir(folder):
        code = Operation(Path(".agent_etl"), json=json, quiet=quiet).run(GOAL, (), (), "risky")
    there = f"\nAll of it is in {folder}/. There: agent-etl runs, agent-etl inspect warehouse"
    out.print(there, markup=False, soft_wrap=True)
    return code
