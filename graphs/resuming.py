"""The command that continues a run, as a shell reads it."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from agent_etl.engine.settings import is_home_here

__all__ = ["command", "resume_command"]


def command(name: str, run_id: str, *options: str, home: Path | None = None) -> str:
    """`agent-etl NAME RUN` with its options, and with `--home` where the command would look into another one."""
    parts = ["agent-etl", name, run_id, *options]
    if home is not None and not is_home_here(home):
        parts += ["--home", str(home)]
    return shlex.join(parts)


def resume_command(run_id: str, *options: str, home: Path | None = None, secret: Iterable[str] = ()) -> str:
    """The command that continues a run. `secret` are connections whose password was not kept: write their URL."""
    again = [part for name in secret for part in ("--connection", f"{name}=URL")]
    return command("resume", run_id, *options, *again, home=home)
