"""Typed errors that cross a foreign stream: Arrow and DuckDB hand on nothing but the text of a reader's failure."""

import json
import re

from agent_etl.engine import errors
from agent_etl.engine.errors import AgentEtlError

__all__ = ["Relayed", "complaint", "received"]

_LETTER = re.compile(r"agent-etl-relay:((?:[0-9a-f]{2})+);")


class Relayed(Exception):
    """Raised inside a reader in place of `error`; `received` finds the error again in any text that quotes this one."""

    def __init__(self, error: AgentEtlError) -> None:
        content = [type(error).__name__, error.message, error.hint, error.fields]
        # Hex survives every layer: no quote, newline or length of line changes it.
        super().__init__(f"agent-etl-relay:{json.dumps(content, default=str).encode().hex()};")


def complaint(error: AgentEtlError) -> str:
    """An SQL expression by which DuckDB ends a query with that error."""
    return f"error('{Relayed(error)}')"


def received(text: str) -> AgentEtlError | None:
    """The typed error that a reader raised as Relayed, when the text quotes one."""
    letter = _LETTER.search(text)
    if letter is None:
        return None
    name, message, hint, fields = json.loads(bytes.fromhex(letter.group(1)))
    kind = getattr(errors, name, AgentEtlError)
    found: AgentEtlError = kind(message, hint=hint, **fields)
    return found
