"""How a command ends: one message, one exit code, never a traceback that nobody asked for."""

import atexit
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import typer

from agent_etl.engine.errors import AgentEtlError, PlanError, UsageError

__all__ = ["GRACE", "Exit", "Interrupted", "guarded", "leave", "terminable"]

GRACE = 8.0
"""Seconds in which stopped work may roll back; then the process ends."""

P = ParamSpec("P")


class Exit(IntEnum):
    """What a shell script can tell apart."""

    SUCCEEDED = 0
    USAGE = 2
    WAITING = 3
    REFUSED = 4
    FAILED = 5
    INTERRUPTED = 130
    TERMINATED = 143


class Interrupted(KeyboardInterrupt):
    """A run that Ctrl-C or SIGTERM broke off, and the command that continues it."""

    def __init__(self, run_id: str, resume: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id
        self.resume = resume


class _Signals:
    """What a command has heard: the first signal stops its work, a second one ends the process at once."""

    interrupted = False
    terminated = False
    _leaving: threading.Timer | None = None

    def hear(self, number: int, _frame: object) -> None:
        self.terminated = self.terminated or number == signal.SIGTERM
        code = Exit.TERMINATED if self.terminated else Exit.INTERRUPTED
        if self.interrupted:
            _leave(code)
        self.interrupted = True
        self._leaving = threading.Timer(GRACE, _leave, (code,))
        self._leaving.daemon = True
        self._leaving.start()
        raise KeyboardInterrupt

    def close(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()


def _leave(code: Exit) -> None:
    """End the process as a crash would, which loses nothing: targets roll back by themselves."""
    os.write(2, b"interrupted: the process ends now, and what was not committed is rolled back\n")
    os._exit(code)


@contextmanager
def terminable() -> Iterator[_Signals]:
    """Inside, SIGTERM stops the work as Ctrl-C does; what was yielded tells afterwards whether one of the two came.

    Work that has not stopped after GRACE seconds, or a second signal, ends the process. Side effects: the process's
    handlers of both, restored on leaving. An ignored SIGINT (nohup) stays ignored.
    """
    signals = _Signals()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signals.hear)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signals.close()


def guarded(command: Callable[P, Exit]) -> Callable[P, None]:
    """The command with its errors told in one message, on stderr or, with `--json`, as an object on stdout.

    `verbose` among its arguments adds a traceback, without local variables and without secrets.

    Raises: typer.Exit with the command's exit code.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        options: dict[str, Any] = dict(kwargs)
        with terminable() as signals:
            try:
                code = command(*args, **kwargs)
            except KeyboardInterrupt as interruption:
                code = _tell_interrupted(interruption, as_json=bool(options.get("json")))
            except BrokenPipeError:
                # The reader of our output has gone; the interpreter must not complain about it at shutdown.
                sys.stdout = None
                code = Exit.FAILED
            except Exception as error:
                if signals.interrupted:
                    # A library in whose middle the signal came tells of it by an error of its own.
                    code = _tell_interrupted(error, as_json=bool(options.get("json")))
                else:
                    code = _tell(error, as_json=bool(options.get("json")), verbose=bool(options.get("verbose")))
        if code is Exit.INTERRUPTED and signals.terminated:
            code = Exit.TERMINATED
        raise typer.Exit(code)

    return run


def leave(ended: SystemExit) -> NoReturn:
    """End the process as `ended` says, its exit handlers run and its output written, but nothing freed.

    Freeing all that was imported takes longer than a short command; the system does it at once. While a thread is at
    work, or when output cannot be written, the interpreter ends in its own way. Raises: `ended` then.
    """
    working = [thread for thread in threading.enumerate() if not thread.daemon]
    if working != [threading.main_thread()] or isinstance(ended.code, str):
        raise ended
    try:
        atexit._run_exitfuncs()
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except OSError:
        raise ended from None
    os._exit(ended.code or 0)


def _tell_interrupted(error: BaseException, *, as_json: bool) -> Exit:
    run = {"run_id": error.run_id, "resume": error.resume} if isinstance(error, Interrupted) else {}
    if as_json:
        print(json.dumps({"status": "interrupted", **run}))  # noqa: T201
    else:
        hint = f"\n→ continue with: {run['resume']}" if run else ""
        print(f"interrupted{hint}", file=sys.stderr)  # noqa: T201
    return Exit.INTERRUPTED


def _tell(error: Exception, *, as_json: bool, verbose: bool) -> Exit:
    if verbose:
        _trace(error)
    error = error if isinstance(error, AgentEtlError) else _named(error)
    if as_json:
        content = {"code": error.code, "message": error.message, "fields": error.fields, "hint": error.hint}
        print(json.dumps({"error": content}, default=str))  # noqa: T201
    else:
        fields = "".join(f"\n  {name}: {value}" for name, value in error.fields.items())
        hint = f"\n→ {error.hint}" if error.hint else ""
        print(f"error: {error.message}{fields}{hint}", file=sys.stderr)  # noqa: T201
    return Exit.USAGE if isinstance(error, UsageError | PlanError) else Exit.FAILED


def _named(error: Exception) -> AgentEtlError:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        hint = "see that it is there and that you may use it: ls -ld PATH"
        path = str(error.filename)
        return AgentEtlError("The operating system refuses a path", path=path, reason=error.strerror, hint=hint)
    # The text of a foreign exception may hold values of rows or a URL: only its type and place are shown.
    hint = "run it again with -v and report what it prints"
    kind = type(error).__name__
    return AgentEtlError("Something went wrong that has no name here", type=kind, at=_place(error), hint=hint)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown"


def _trace(error: Exception) -> None:
    import traceback

    from agent_etl.engine.security.secrets import redact

    print(redact("".join(traceback.format_exception(error))), file=sys.stderr, end="")  # noqa: T201
