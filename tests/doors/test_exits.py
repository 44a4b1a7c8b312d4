"""How commands end."""

import json
import os
import signal
import subprocess
import sys

import pytest
import typer

from agent_etl.engine.errors import ConnectionLost, PlanError, UsageError
from agent_etl.exits import Exit, Interrupted, guarded, terminable


def ending(error: BaseException | None, **options: bool) -> int:
    def command(json: bool = False, verbose: bool = False) -> Exit:
        if error is not None:
            raise error
        return Exit.WAITING

    with pytest.raises(typer.Exit) as caught:
        guarded(command)(**options)
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 3),
        (UsageError("no"), 2),
        (PlanError("no"), 2),
        (ConnectionLost("no"), 5),
        (ZeroDivisionError("no"), 5),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_end_has_its_code(error: BaseException | None, code: int) -> None:
    """A script can tell apart usage, waiting, failure and interruption."""
    assert ending(error) == code


def test_an_error_is_one_message_with_its_fields_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong, where, and the next thing to do; no traceback."""
    ending(ConnectionLost("The server refused", connection="crm", hint="start it"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: The server refused\n  connection: crm\n→ start it\n"


def test_a_machine_gets_the_error_as_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout holds one object with the error's code, message, fields and hint."""
    ending(ConnectionLost("The server refused", connection="crm", hint="start it"), json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"] == {
        "code": "connection_lost",
        "message": "The server refused",
        "fields": {"connection": "crm"},
        "hint": "start it",
    }
    assert shown.err == ""


def test_a_foreign_error_shows_its_place_and_not_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of an unexpected exception may hold a row; only its type and line are told."""
    ending(ValueError("row 17: alice@example.com"))
    shown = capsys.readouterr().err
    assert "ValueError" in shown
    assert "test_exits.py:" in shown
    assert "alice" not in shown


def test_verbose_adds_a_traceback_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """With -v the traceback is there, and a password in a URL is not."""
    ending(ValueError("postgresql://etl:hunter2@db/crm"), verbose=True)
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "hunter2" not in shown


def test_sigterm_stops_like_an_interrupt_and_is_told_apart() -> None:
    """Work ends through the same path as Ctrl-C; the handler before is restored."""
    before = signal.getsignal(signal.SIGTERM)
    with terminable() as signals:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.terminated
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_that_a_library_swallows_is_still_one(
    number: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that turns Ctrl-C into an error of its own does not make the command a failed one."""

    def command(json: bool = False, verbose: bool = False) -> Exit:
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as interruption:
            raise RuntimeError("Query interrupted") from interruption
        return Exit.SUCCEEDED

    with pytest.raises(typer.Exit) as caught:
        guarded(command)()
    assert caught.value.exit_code == code
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupted_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that continues is told to a person on stderr, and to a machine as an object."""
    ending(Interrupted("r-1", "agent-etl resume r-1"))
    assert capsys.readouterr().err == "interrupted\n→ continue with: agent-etl resume r-1\n"
    ending(Interrupted("r-1", "agent-etl resume r-1"), json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"status": "interrupted", "run_id": "r-1", "resume": "agent-etl resume r-1"}
    assert shown.err == ""


def test_a_path_that_the_system_refuses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Which path, why, and what to do; it is no unnamed error."""
    ending(PermissionError(13, "Permission denied", "/data/orders.csv"))
    shown = capsys.readouterr().err
    for word in ("/data/orders.csv", "Permission denied", "→"):
        assert word in shown
    assert "no name here" not in shown


@pytest.mark.parametrize(
    ("before", "last"),
    [
        ("atexit.register(print, 'the handler')", "the handler"),
        ("threading.Thread(target=lambda: (time.sleep(2), print('the thread'))).start()", "the thread"),
    ],
)
def test_a_command_ends_when_all_that_is_its_own_is_done(before: str, last: str) -> None:
    """What a command printed is written, exit handlers run, and a thread that is at work is waited for."""
    script = f"import atexit, sys, threading, time\n{before}\nsys.argv = ['agent-etl', '--version']\n"
    command = [sys.executable, "-c", f"{script}from agent_etl.cli import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line[0].isdigit()] == [last]
    assert len(lines) == 2


def test_an_error_keeps_its_code_when_a_command_ends() -> None:
    """The process ends with the code of its command."""
    command = [sys.executable, "-m", "agent_etl", "run", ""]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == Exit.USAGE
