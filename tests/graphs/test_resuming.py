"""The command that continues a run."""

import shlex
from pathlib import Path

from agent_etl.graphs.resuming import command, resume_command


def test_the_command_names_its_home_where_it_must(home: Path, tmp_path: Path) -> None:
    """A home that a command here finds by itself is not named; any other one is, quoted for a shell."""
    assert resume_command("r-1", home=home) == "agent-etl resume r-1"
    elsewhere = tmp_path / "my home"
    assert shlex.split(command("show", "r-1", home=elsewhere)) == ["agent-etl", "show", "r-1", "--home", str(elsewhere)]


def test_the_command_asks_for_what_was_not_kept() -> None:
    """A connection whose password was not kept is named, without a URL."""
    assert resume_command("r-1", "--approve", secret=("crm",)) == "agent-etl resume r-1 --approve --connection crm=URL"
