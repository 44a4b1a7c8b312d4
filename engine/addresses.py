"""The address of each step's output: the hash of what makes it.

The version of a source is read once in a run and kept in the run store, so a run that is resumed works on with what it
has read, even when the source has changed since. A source without versions is read once in each run.
"""

import json
from threading import RLock
from typing import assert_never

from agent_etl.engine.dag import Dag
from agent_etl.engine.errors import SourceError
from agent_etl.engine.plan import Check, Extract, Load, Transform
from agent_etl.engine.ports import Connections
from agent_etl.engine.ranges import Ranges
from agent_etl.engine.store import RunStore
from agent_etl.engine.tasks import fingerprint

__all__ = ["Addresses"]

_PIN = "version"


class Addresses:
    """The fingerprints of one plan's steps in one run. Safe to use from many threads."""

    def __init__(
        self, dag: Dag, run_id: str, connections: Connections, store: RunStore, ranges: Ranges | None = None
    ) -> None:
        self._dag = dag
        self._run_id = run_id
        self._connections = connections
        self._store = store
        self._ranges = ranges
        self._known: dict[str, str] = {}
        self._lock = RLock()

    def of(self, name: str) -> str:
        """The fingerprint of a step's output; for a load it is the load's id.

        Names, reasons and expectations are no part of it: only what decides which rows go where.
        Raises: NotFound for a source that is not there. Side effects: keeps a source's version at its first use.
        """
        with self._lock:
            if name not in self._known:
                self._known[name] = self._make(name)
            return self._known[name]

    def _make(self, name: str) -> str:
        step = self._dag.steps[name]
        inputs = {other: self.of(other) for other in self._dag.inputs[name]}
        # A check that takes rows out is a part of what makes the step's rows; how many it may take is not.
        checks = [
            check.model_dump(mode="json", exclude={"on", "threshold", "why"}) for check in self._dag.quarantines(name)
        ]
        split = [checks] if checks else []
        if isinstance(step, Extract):
            span = self._ranges.of(step) if self._ranges else None
            read = [span.to_dict()] if span else []
            return fingerprint("extract", self._spec(step), self._pinned(step) or self._run_id, *split, *read)
        if isinstance(step, Transform):
            return fingerprint("transform", step.sql, inputs, *split)
        if isinstance(step, Check):
            return fingerprint("check", step.model_dump(mode="json", exclude={"name", "on", "why"}), inputs[step.on])
        if isinstance(step, Load):
            spec = step.model_dump(mode="json", include={"table", "mode", "key", "format"})
            spec |= step.model_dump(include={"delete_by", "delete_missing", "effective"}, exclude_defaults=True)
            return fingerprint("load", spec, inputs[step.from_])
        assert_never(step)

    def still(self, step: Extract) -> None:
        """See that the source is what this run has pinned; otherwise pin what it is now.

        Raises: SourceError when a target holds rows of the earlier version, loaded by this run.
        """
        with self._lock:
            now = self._version(step)
            if now == self._pinned(step):
                return
            for load in self._dag.loads_of(step.name):
                target = self._connections[load.target].target()
                if target.marker(load.table, self.of(load.name)) is not None:
                    raise SourceError(
                        "The source has changed since a part of this run was loaded",
                        step=step.name,
                        dataset=step.dataset,
                        loaded=load.name,
                        hint="start a new run",
                    )
            self._store.put(self._run_id, _PIN, fingerprint(self._spec(step)), json.dumps(now))
            self._known.clear()

    def unchanged(self, step: Extract) -> bool:
        """Whether the source still is what this run has pinned."""
        return self._version(step) == self._pinned(step)

    def _spec(self, step: Extract) -> dict[str, object]:
        where = self._connections[step.source].url
        spec = step.model_dump(mode="json", include={"dataset", "columns", "where", "options"})
        spec["options"].pop("max_rejects", None)
        return {**spec, "source": where}

    def _version(self, step: Extract) -> str | None:
        return self._connections[step.source].source().version(step.dataset, step.options)

    def _pinned(self, step: Extract) -> str | None:
        key = fingerprint(self._spec(step))
        text = self._store.get(self._run_id, _PIN, key)
        if text is None:
            text = json.dumps(self._version(step))
            self._store.put(self._run_id, _PIN, key, text)
        version: str | None = json.loads(text)
        return version
