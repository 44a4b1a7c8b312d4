"""What a run is told besides its state: where its home is. Live objects never enter the state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_etl.graphs.session import Session

__all__ = ["LiveContext", "RunContext", "entered"]


@dataclass
class RunContext:
    """JSON-able, with defaults: LangGraph Studio shows it as a form. It is not stored: pass it again to resume."""

    home: str = ""
    connections: dict[str, str] = field(default_factory=dict)


@dataclass
class LiveContext(RunContext):
    """The context of a run inside this process: its session is open already."""

    session: "Session | None" = None


@contextmanager
def entered(context: RunContext | None, run_id: str) -> Iterator["Session"]:
    """The run's session: the one that is open in this process, else one for this block alone."""
    if isinstance(context, LiveContext) and context.session is not None:
        yield context.session
        return
    from agent_etl.graphs.session import open_session

    context = context or RunContext()
    session = open_session(run_id, home=context.home or None, connections=context.connections)
    try:
        yield session
    finally:
        session.close()
