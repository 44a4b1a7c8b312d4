"""The recorder that keeps an agent's calls in the run's append-only audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agent_etl.tools.base import Call

__all__ = ["Audit"]


class _Store(Protocol):
    def audit(self, run_id: str, actor: str, action: str, detail: Mapping[str, Any] | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Audit:
    """Calls of one actor of one run. Side effects of `called`: one row of the audit table."""

    store: _Store
    run_id: str
    actor: str

    def called(self, call: Call) -> None:
        """Keep one call as a row of the audit."""
        detail = {
            "effect": call.effect.value,
            "arguments": dict(call.arguments),
            "outcome": call.outcome,
            "seconds": call.seconds,
        }
        self.store.audit(self.run_id, self.actor, call.verb, detail)
