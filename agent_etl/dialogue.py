"""Questions and approvals asked of a person at a terminal, and the command that answers them from elsewhere."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.prompt import Confirm, Prompt

from agent_etl.display import question_view
from agent_etl.engine.goal import Question

__all__ = ["ask", "attended", "decide", "resume_command"]


def attended() -> bool:
    """Whether a person can be asked: stdin and stderr are both a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(questions: Iterable[Question], console: Console) -> dict[str, str]:
    """Each question's answer, by its id. An answer that is not among the options is asked for again."""
    answers = {}
    for question in questions:
        console.print(question_view(question))
        choices = [option.value for option in question.options]
        answers[question.id] = Prompt.ask(
            "answer",
            console=console,
            choices=None if question.free or not choices else choices,
            show_choices=False,
        )
    return answers


def decide(console: Console) -> Literal["approve", "reject"]:
    """The decision about the plan that was just shown. Without one it is rejected."""
    return "approve" if Confirm.ask("run this plan?", console=console, default=False) else "reject"


def resume_command(
    run_id: str,
    questions: Iterable[Question],
    *,
    home: Path | None = None,
    connections: Mapping[str, str] | None = None,
    approval: bool = False,
) -> str:
    """The exact command that answers; a question's first option stands for the answer.

    Connections that came with the command are named without their URL, which may hold a password.
    """
    parts = ["agent-etl", "resume", run_id]
    for question in questions:
        value = question.options[0].value if question.options else "VALUE"
        parts += ["--answer", f"{question.id}={value}"]
    if approval:
        parts.append("--approve")
    for name in connections or {}:
        parts += ["--connection", f"{name}=URL"]
    if home is not None:
        parts += ["--home", str(home)]
    return shlex.join(parts)
