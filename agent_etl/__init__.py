"""A goal in plain words becomes a checked, executed, monitored and resumable data pipeline.

    from agent_etl import run_pipeline

    run = run_pipeline("Load orders.csv, drop duplicate rows and replace orders_clean")
    print(run.report())

Every name here is loaded when it is first used: importing the package alone is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_etl.agents.planner import PlanDraft
    from agent_etl.engine.errors import AgentEtlError
    from agent_etl.engine.plan import Plan
    from agent_etl.graphs.history import get_run, list_runs
    from agent_etl.graphs.result import Run
    from agent_etl.graphs.run import plan_pipeline, resume_pipeline, run_pipeline

    __version__: str

__all__ = [
    "AgentEtlError",
    "Plan",
    "PlanDraft",
    "Run",
    "__version__",
    "get_run",
    "list_runs",
    "plan_pipeline",
    "resume_pipeline",
    "run_pipeline",
]

_HOMES = {
    "AgentEtlError": "agent_etl.engine.errors",
    "Plan": "agent_etl.engine.plan",
    "PlanDraft": "agent_etl.agents.planner",
    "Run": "agent_etl.graphs.result",
    "get_run": "agent_etl.graphs.history",
    "list_runs": "agent_etl.graphs.history",
    "plan_pipeline": "agent_etl.graphs.run",
    "resume_pipeline": "agent_etl.graphs.run",
    "run_pipeline": "agent_etl.graphs.run",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("importlib.metadata").version("agent-etl")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
