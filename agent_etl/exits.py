"""How a command ends: one message, one exit code, never a traceback that nobody asked for."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import wraps
from typing import Any, ParamSpec

import typer

from agent_etl.engine.errors import AgentEtlError, PlanError, UsageError

__all__ = ["Exit", "guarded", "terminable"]

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


class _Signals:
    terminated = False


@contextmanager
def terminable() -> Iterator[_Signals]:
    """Inside, SIGTERM stops the work as Ctrl-C does; what was yielded tells afterwards which of the two it was.

    Side effects: the process's SIGTERM handler, restored on leaving.
    """
    signals = _Signals()

    def stop(_number: int, _frame: object) -> None:
        signals.terminated = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before)


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
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)  # noqa: T201
                code = Exit.INTERRUPTED
            except BrokenPipeError:
                # The reader of our output has gone; the interpreter must not complain about it at shutdown.
                sys.stdout = None
                code = Exit.FAILED
            except Exception as error:
                code = _tell(error, as_json=bool(options.get("json")), verbose=bool(options.get("verbose")))
        if code is Exit.INTERRUPTED and signals.terminated:
            code = Exit.TERMINATED
        raise typer.Exit(code)

    return run


def _tell(error: Exception, *, as_json: bool, verbose: bool) -> Exit:
    if verbose:
        _trace(error)
    if not isinstance(error, AgentEtlError):
        # The text of a foreign exception may hold values of rows or a URL: only its type and place are shown.
        error = AgentEtlError(
            "Something went wrong that has no name here",
            type=type(error).__name__,
            at=_place(error),
            hint="run it again with -v and report what it prints",
        )
    if as_json:
        content = {"code": error.code, "message": error.message, "fields": error.fields, "hint": error.hint}
        print(json.dumps({"error": content}, default=str))  # noqa: T201
    else:
        fields = "".join(f"\n  {name}: {value}" for name, value in error.fields.items())
        hint = f"\n→ {error.hint}" if error.hint else ""
        print(f"error: {error.message}{fields}{hint}", file=sys.stderr)  # noqa: T201
    return Exit.USAGE if isinstance(error, UsageError | PlanError) else Exit.FAILED


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown"


def _trace(error: Exception) -> None:
    import traceback

    from agent_etl.engine.security.secrets import redact

    print(redact("".join(traceback.format_exception(error))), file=sys.stderr, end="")  # noqa: T201
