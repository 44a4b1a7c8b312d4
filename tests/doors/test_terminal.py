"""The command line at a real terminal: what is asked is asked there."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

GOAL = "Load orders.csv into the orders table."


def at_terminal(*arguments: str, prompt: str, typed: str) -> tuple[int, str]:
    """Run a command on a pseudo-terminal, type when the prompt appears; gives exit code and all that was shown."""
    ours, theirs = os.openpty()
    terminal = os.ttyname(theirs)
    # The first of a new session that opens a terminal is controlled by it: Ctrl-C reaches it as a signal.
    opened = f'exec "$0" "$@" <{terminal} >{terminal} 2>&1'
    command = ["sh", "-c", opened, sys.executable, "-m", "agent_etl", *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        shown, answered, deadline = "", False, time.monotonic() + 80
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                shown += os.read(ours, 65536).decode(errors="replace")
            except OSError:  # Linux: the other side has closed
                break
            if prompt in shown and not answered:
                os.close(theirs)
                os.write(ours, typed.encode())
                answered = True
        else:
            process.kill()
        code = process.wait(timeout=30)
    os.close(ours)
    return code, shown


@pytest.mark.parametrize(("typed", "code", "outcome"), [("y\n", 0, "succeeded"), ("n\n", 4, "refused")])
def test_an_approval_is_asked_on_the_spot(home: Path, typed: str, code: int, outcome: str) -> None:
    """The plan is shown and one key decides; no second command is needed."""
    Path("orders.csv").write_text("order_id,amount\n1,2.50\n2,3.50\n")
    ended, shown = at_terminal("run", GOAL, "--approve", "ask", prompt="run this plan?", typed=typed)
    assert ended == code, shown
    assert outcome in shown
    assert "extract" in shown


def test_a_closed_input_leaves_the_run_waiting(home: Path) -> None:
    """Ctrl-D at a question answers nothing: the run waits, and the command that answers is told."""
    Path("orders.csv").write_text("order_id,amount\n1,2.50\n2,3.50\n")
    ended, shown = at_terminal("run", "Load orders.csv and upsert it into known.", prompt="answer", typed="\x04")
    assert ended == 3, shown
    assert "agent-etl resume" in shown
    assert "no name here" not in shown


def test_an_interruption_at_a_question_says_how_to_answer_it(home: Path) -> None:
    """Ctrl-C at a question ends with 130 and the command that answers it later."""
    Path("orders.csv").write_text("order_id,amount\n1,2.50\n2,3.50\n")
    ended, shown = at_terminal("run", "Load orders.csv and upsert it into known.", prompt="answer", typed="\x03")
    assert ended == 130, shown
    assert "continue with: agent-etl resume" in shown
    assert "--answer" in shown
