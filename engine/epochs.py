"""Fencing: a run that was overtaken writes nothing.

Each load of a table raises the table's epoch. A run notes the epochs of its targets before it reads anything and keeps
them in the run store, so that a process that wakes up late, or a run that is resumed late, does not put older rows over
what another run has loaded since.
"""

from collections.abc import Sequence
from contextlib import suppress
from threading import RLock

from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.plan import Load
from agent_etl.engine.ports import Connections
from agent_etl.engine.store import RunStore
from agent_etl.engine.tasks import fingerprint

__all__ = ["Epochs"]

_PIN = "epoch"


class Epochs:
    """The epochs of one run's target tables as the run knows them. Safe to use from many threads."""

    def __init__(self, run_id: str, connections: Connections, store: RunStore) -> None:
        self._run_id = run_id
        self._connections = connections
        self._store = store
        self._noted = False
        self._lock = RLock()

    def note(self, loads: Sequence[Load]) -> None:
        """Keep what the tables' epochs are now, once in a run. Side effects: the run store.

        A target that does not answer is asked again by its own load, whose failure it then is.
        """
        with self._lock:
            if self._noted:
                return
            self._noted = True
            for step in loads:
                with suppress(AgentEtlError):
                    self.seen(step)

    def seen(self, step: Load) -> int | None:
        """The newest epoch that the load may build upon; None for an append, which takes nothing from other runs.

        That is the epoch that the run noted, or the one of its own last load into that table.
        Raises: what the target raises. Side effects: the run store, when the table was not noted yet.
        """
        if step.mode == "append":
            return None
        with self._lock:
            url = self._connections[step.target].url
            own = [
                load.epoch for load in self._store.loads(self._run_id) if (load.target, load.table) == (url, step.table)
            ]
            return max([self._noted_of(step, url), *own])

    def _noted_of(self, step: Load, url: str) -> int:
        key = fingerprint(url, step.table)
        text = self._store.get(self._run_id, _PIN, key)
        if text is None:
            newest = self._connections[step.target].target().newest(step.table)
            text = str(newest.epoch if newest else 0)
            self._store.put(self._run_id, _PIN, key, text)
        return int(text)
