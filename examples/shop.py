"""Make the example shop in a folder and run a plan over it: `python examples/shop.py [FOLDER]`."""

import sys
from contextlib import chdir
from pathlib import Path

from agent_etl import run_pipeline
from agent_etl.engine.plan import Plan
from agent_etl.example import make_shop

PLAN = Path(__file__).with_name("monthly_revenue.yaml")


def main(folder: Path) -> None:
    """Write the shop and, beside it, monthly_revenue.csv."""
    make_shop(folder)
    plan = Plan.parse(PLAN.read_text(encoding="utf-8"))
    with chdir(folder):
        run = run_pipeline(plan, approve="auto")
    print(run.report())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "shop"))
