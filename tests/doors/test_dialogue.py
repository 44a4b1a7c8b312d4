"""Questions at a terminal and the command that answers them from elsewhere."""

import io
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from agent_etl.dialogue import answer_command, ask, decide
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
    """Run id and every open question stand in it, quoted as a shell needs it."""
    command = answer_command("r-1", [QUESTION, replace(QUESTION, id="other")], home=Path("my home"))
    answers = ["--answer", "column_date=order date", "--answer", "other=order date"]
    assert shlex.split(command)[:-1] == ["agent-etl", "resume", "r-1", *answers, "--home"]


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
