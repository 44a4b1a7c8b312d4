"""Named fault points next to every durable step; inert unless AGENT_ETL_FAULT names one.

`AGENT_ETL_FAULT="load.after_commit:2:kill"` ends the process by SIGKILL at the second hit of that point. Actions: kill,
raise (InjectedFault), sleep (60 s), stop (SIGSTOP). Only tests set it.
"""

import signal
from collections import Counter
from threading import Lock, get_ident

from agent_etl.engine.errors import ConnectionLost, SettingsError
from agent_etl.engine.interruption import pause
from agent_etl.engine.settings import environment

__all__ = ["POINTS", "InjectedFault", "point"]

POINTS = frozenset(
    {
        "checkpoint.saved",
        "checkpoint.written",
        "stage.part_written",
        "stage.before_seal",
        "stage.sealed",
        "task.before_record",
        "task.recorded",
        "load.begin",
        "load.staged",
        "load.before_commit",
        "load.after_commit",
        "load.mirrored",
        "backfill.chunk",
    }
)
"""Every fault point of the house."""

_ACTIONS = frozenset({"kill", "raise", "sleep", "stop"})
_hits: Counter[str] = Counter()
_lock = Lock()


class InjectedFault(ConnectionLost):
    """A fault that AGENT_ETL_FAULT asked for."""


def point(name: str) -> None:
    """Mark a place where a crash must be survived.

    Raises: InjectedFault when the action is raise; SettingsError for a wrong AGENT_ETL_FAULT; ValueError for a name
    that is not in POINTS. Side effects: none unless AGENT_ETL_FAULT names this point.
    """
    if name not in POINTS:
        raise ValueError(f"no fault point is named {name!r}; add it to POINTS")
    setting = environment("AGENT_ETL_FAULT")
    if not setting:
        return
    wanted, at, action = _parse(setting)
    if wanted != name:
        return
    with _lock:
        _hits[name] += 1
        if _hits[name] != at:
            return
    _act(action, name)


def _parse(setting: str) -> tuple[str, int, str]:
    name, _, rest = setting.partition(":")
    at, _, action = rest.partition(":")
    if name not in POINTS or not at.isdigit() or action not in _ACTIONS:
        raise SettingsError(
            "AGENT_ETL_FAULT is not name:n:action",
            found=setting,
            names=sorted(POINTS),
            actions=sorted(_ACTIONS),
        )
    return name, int(at), action


def _act(action: str, name: str) -> None:
    # The signal goes to this thread: sent to the process, another thread may take it while this one passes the point.
    if action == "kill":
        signal.pthread_kill(get_ident(), signal.SIGKILL)
    elif action == "stop":
        signal.pthread_kill(get_ident(), signal.SIGSTOP)
    elif action == "sleep":
        pause(60)
    else:
        raise InjectedFault("A fault was injected", point=name)
