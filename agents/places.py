"""Where a plan reads and writes: what is said of a place that no connection leads to."""

from collections.abc import Sequence

from agent_etl.engine.complaints import nearest
from agent_etl.engine.errors import UsageError
from agent_etl.engine.goal import Finding
from agent_etl.engine.security.secrets import redact

__all__ = ["unknown_connection"]


def unknown_connection(step: str, field: str, wanted: str, error: UsageError, names: Sequence[str]) -> Finding:
    """The finding for a step's source or target that cannot be a connection, with the names that can."""
    valid = f"valid are {', '.join(names)}"
    if "name" in error.fields:
        near = nearest(wanted, names)
        hint = f"nearest: {', '.join(near)}; {valid}" if near else valid
        message = f"no connection is named {error.fields['name']}"
    else:
        message = f"{redact(wanted)} is no connection: {error.message[:1].lower()}{error.message[1:]}"
        schemes = error.fields.get("valid")
        hint = f"valid are {', '.join(schemes)}" if isinstance(schemes, list) else error.hint
    return Finding("error", "unknown_connection", step, message, hint, field)
