"""Questions and approvals asked of a person at a terminal, and the command that answers them from elsewhere."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.prompt import Confirm, Prompt

from agent_etl.display import question_view
from agent_etl.engine.goal import Question
from agent_etl.graphs.resuming import resume_command

__all__ = ["answer_command", "ask", "attended", "decide"]


def attended() -> bool:
    """Whether a person can be asked: stdin and stderr are both a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(questions: Iterable[Question], console: Console) -> dict[str, str]:
    """Each question's answer, by its id. An answer that is not among the options is asked for again.

    Raises: EOFError when whoever sits there has closed the input.
    """
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
    """The decision about the plan that was just shown. Return alone rejects. Raises: EOFError on a closed input."""
    return "approve" if Confirm.ask("run this plan?", console=console, default=False) else "reject"


def answer_command(
    run_id: str,
    questions: Iterable[Question],
    *,
    home: Path | None = None,
    secret: Iterable[str] = (),
) -> str:
    """The exact command that answers; a question's first option stands for the answer.

    Connections whose password was not kept are named without their URL.
    """
    answers = [(question.id, question.options[0].value if question.options else "VALUE") for question in questions]
    options = [part for name, value in answers for part in ("--answer", f"{name}={value}")]
    return resume_command(run_id, *options, home=home, secret=secret)
