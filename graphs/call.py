"""What a caller gives to the public functions, held to what is valid before anything begins."""

from collections.abc import Mapping
from pathlib import Path

from agent_etl.agents.orchestrator import POLICIES
from agent_etl.engine.errors import SettingsError, UsageError
from agent_etl.engine.plan import Plan
from agent_etl.engine.settings import is_text

__all__ = ["check_goal", "check_planner", "policy", "texts"]


def check_goal(goal: object) -> None:
    """Raises: UsageError for a goal that says nothing or is no text, SettingsError for a folder whose path is none."""
    folder = str(Path.cwd())
    if not is_text(folder):
        hint = "rename it, or run from another folder"
        raise SettingsError("The current folder's path holds bytes that are not UTF-8", folder=folder, hint=hint)
    if isinstance(goal, Plan):
        return
    if not isinstance(goal, str):
        hint = "write the goal in words, or read a plan file: Plan.parse(Path(…).read_text())"
        raise UsageError("The goal is neither words nor a Plan", got=type(goal).__name__, hint=hint)
    if not goal.strip():
        raise UsageError("The goal is empty", hint="say what to load, what to do with it and where to write it")
    if not is_text(goal):
        hint = "write it as UTF-8; rename a file whose name is not"
        raise UsageError("The goal holds bytes that are not UTF-8", hint=hint)


def policy(approve: object) -> str:
    """The policy that the run remembers; of a callable, which is asked at each approval, it is "ask".

    Raises: UsageError for anything else.
    """
    if callable(approve):
        return "ask"
    if not isinstance(approve, str) or approve not in POLICIES:
        hint = f"write one of {', '.join(POLICIES)}"
        raise UsageError("approve is not a policy", got=approve, valid=[*POLICIES, "a callable"], hint=hint)
    return approve


def texts(name: str, values: object) -> dict[str, str]:
    """The named values, each as text: a path or a number is written out. Nothing when there are none.

    Raises: UsageError for what is no mapping, and for a value that is none; a value is not repeated, it may be secret.
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        hint = f"write {name}={{name: value}}"
        raise UsageError(f"{name} is not a mapping of names to values", got=type(values).__name__, hint=hint)
    for key, value in values.items():
        if value is None or not str(value):
            raise UsageError(f"{name} has a name without a value", name=str(key), hint="give it one, or leave it out")
    return {str(key): str(value) for key, value in values.items()}


def check_planner(planner: object) -> None:
    """Raises: UsageError for a planner that cannot plan; its name alone is none."""
    if planner is not None and not callable(getattr(planner, "plan", None)):
        hint = "leave it out for the rules planner"
        raise UsageError("The planner cannot plan", got=type(planner).__name__, hint=hint)
