"""The command line's repeated `name=value` options, and its goal that may be a plan file."""

from collections.abc import Iterable
from pathlib import Path

from agent_etl.engine.errors import PlanError, UsageError
from agent_etl.engine.plan import Plan

__all__ = ["goal_or_plan", "pairs", "read_plan"]

PLAN_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def pairs(option: str, values: Iterable[str]) -> dict[str, str]:
    """`["a=1", "b=x=y"]` as a mapping; the first `=` separates.

    Raises: UsageError for a value without `=`, an empty name or a name given twice.
    """
    found: dict[str, str] = {}
    for value in values:
        name, separator, content = value.partition("=")
        if not separator or not name.strip():
            # The value is not repeated in the message: it may be a URL with a password.
            raise UsageError(f"{option} takes name=value", hint=f"write {option} name=value")
        if name.strip() in found:
            raise UsageError(f"{option} names one thing twice", name=name.strip(), hint="keep one of them")
        found[name.strip()] = content
    return found


def goal_or_plan(text: str) -> str | Plan:
    """The plan in the file of that name when there is one, else the goal as it is.

    Raises: PlanError when the file is no plan; UsageError for a lone path that is not there and for no words at all.
    """
    goal = text.strip()
    if not goal:
        raise UsageError("The goal is empty", hint='write what to load, e.g. agent-etl run "Load orders.csv"')
    path = Path(goal)
    if path.suffix.lower() not in PLAN_SUFFIXES:
        return text
    if path.exists() or not any(character.isspace() for character in goal):
        return read_plan(path)
    return text


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises: UsageError for a file that is not there or cannot be read; PlanError naming the step, the field and what is
    valid.
    """
    try:
        return Plan.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UsageError("The plan file is not UTF-8 text", path=str(path), hint="save it as UTF-8") from None
    except FileNotFoundError:
        hint = f"check the path; agent-etl plan GOAL > {path} writes one"
        raise UsageError("There is no plan file of that name", path=str(path), hint=hint) from None
    except OSError as error:
        raise UsageError(
            "The plan file cannot be read", path=str(path), reason=error.strerror, hint="check the path and its rights"
        ) from None
    except PlanError as error:
        error.fields = {"file": str(path), **error.fields}
        raise
