"""What the agents prove a plan with: the surveyed sources, measured facts, the targets; each plan is bound once."""

from dataclasses import dataclass, field
from threading import RLock
from typing import Protocol

from agent_etl.engine.bind import Binding
from agent_etl.engine.grain import Grain
from agent_etl.engine.plan import Plan
from agent_etl.engine.ports import Connection, Connections, Prober
from agent_etl.engine.schema import Catalogue
from agent_etl.engine.settings import Settings
from agent_etl.tools.base import Recorder
from agent_etl.tools.measure import RecordedProber
from agent_etl.tools.sql import dry_run_sql, measure_grain

__all__ = ["Ledger", "Workbench"]


class Ledger(Protocol):
    """What this home has loaded; engine/store.py is one."""

    def has_written(self, target: str, table: str) -> bool:
        """Whether a run of this home loaded into that table. `target` is `Connection.url`."""
        ...


@dataclass(frozen=True)
class Workbench:
    """Frozen, but it remembers what it found out about a plan. Without `store` nothing counts as loaded before.

    `catalogue` must hold the plan's sources. `recorder` keeps each tool call. Safe to use from several threads.
    """

    connections: Connections
    catalogue: Catalogue
    prober: Prober
    settings: Settings
    store: Ledger | None = None
    recorder: Recorder | None = None
    _lock: RLock = field(default_factory=RLock, repr=False, compare=False)
    _bindings: dict[str, Binding] = field(default_factory=dict, repr=False, compare=False)
    _grains: dict[str, Grain] = field(default_factory=dict, repr=False, compare=False)

    def binding(self, plan: Plan) -> Binding:
        """Every step's columns, and what does not bind."""
        with self._lock:
            if plan.hash not in self._bindings:
                self._bindings[plan.hash] = dry_run_sql.by(self.recorder)(plan, self.catalogue)
            return self._bindings[plan.hash]

    def grain(self, plan: Plan) -> Grain:
        """What one row of each step stands for. Side effects: measures in the sources."""
        binding = self.binding(plan)
        with self._lock:
            if plan.hash not in self._grains:
                prober = RecordedProber(self.prober, self.recorder)
                self._grains[plan.hash] = measure_grain.by(self.recorder)(plan, binding, prober)
            return self._grains[plan.hash]

    def has_written(self, connection: Connection, table: str) -> bool:
        """Whether a run of this home loaded into that table."""
        return self.store is not None and self.store.has_written(connection.url, table)
