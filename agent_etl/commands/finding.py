"""What the doctor finds: one line each."""

from collections.abc import Callable
from dataclasses import dataclass

from agent_etl.engine.errors import AgentEtlError

__all__ = ["Finding", "tried"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; `hint` is what to do when it is not `ok`."""

    what: str
    ok: bool
    found: str
    hint: str = ""


def tried(what: str, look: Callable[[], str]) -> Finding:
    """What the look says, or why there is nothing to see."""
    try:
        return Finding(what, True, look())
    except AgentEtlError as error:
        reason = error.fields.get("reason") or error.fields.get("variable")
        return Finding(what, False, f"{error.message}: {reason}" if reason else error.message, error.hint)
    except OSError as error:
        return Finding(what, False, f"{error.filename}: {error.strerror}", "see that you may use it: ls -ld PATH")
