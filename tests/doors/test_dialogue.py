"""Questions at a terminal and the command that answers them from elsewhere."""

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from agent_etl.dialogue import ask, decide, resume_command
from agent_etl.engine.goal import Option, Question

QUESTION = Question(
    id="column_date",
    text="Which column is meant?",
    quote="the date",
    span=(0, 8),
    options=(Option("order date", "when it was ordered"), Option("paid_on", "when it was paid")),
)


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def shown(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_the_printed_command_is_one_that_a_shell_reads() -> None:
    """Run id, every open question, home and decision stand in it, quoted as a shell needs it."""
    command = resume_command("r-1", [QUESTION], home=Path("my home"), approval=False)
    assert shlex.split(command) == [
        "agent-etl",
        "resume",
        "r-1",
        "--answer",
        "column_date=order date",
        "--home",
        "my home",
    ]
    assert resume_command("r-1", [], approval=True) == "agent-etl resume r-1 --approve"


def test_the_printed_command_never_holds_a_url() -> None:
    """A connection that came on the command line is named without its URL."""
    command = resume_command("r-1", [], connections={"crm": "postgresql://etl:hunter2@db/crm"})
    assert "hunter2" not in command
    assert "crm=URL" in command


def test_an_answer_that_is_no_option_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a grounded option is accepted, and the words of the goal are shown with it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("yesterday\npaid_on\n"))
    screen = console()
    assert ask([QUESTION], screen) == {"column_date": "paid_on"}
    assert "the date" in shown(screen)
    assert "when it was paid" in shown(screen)


@pytest.mark.parametrize(("typed", "decision"), [("y\n", "approve"), ("n\n", "reject"), ("\n", "reject")])
def test_a_plan_runs_only_after_a_clear_yes(monkeypatch: pytest.MonkeyPatch, typed: str, decision: str) -> None:
    """Return alone rejects."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert decide(console()) == decision
