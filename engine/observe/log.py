"""Logs: one event, one line, nothing secret. Imported only where logs are wanted, not by the command line's start."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

from agent_etl.engine.observe.events import Event, OnEvent
from agent_etl.engine.security.secrets import scrub

__all__ = ["Style", "logged"]

Style = Literal["json", "console"]

_LEVELS = {"task_failed": logging.WARNING, "repair": logging.WARNING, "task_progress": logging.DEBUG}


def logged(
    then: OnEvent | None = None, *, style: Style = "json", level: int | str = logging.INFO, stream: TextIO | None = None
) -> OnEvent:
    """A listener that writes each event of a run as a line to `stream` (None: standard error), then tells `then`.

    The process's own logging stays as it is.
    """
    render: structlog.types.Processor = (
        structlog.processors.JSONRenderer(sort_keys=True, default=str)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    log = structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stderr),
        processors=[structlog.processors.add_log_level, _scrubbed, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )

    def listen(happened: Event) -> None:
        fields = {**happened.fields, "run": happened.run_id, "step": happened.step, "at": happened.at.isoformat()}
        log.log(_LEVELS.get(happened.kind, logging.INFO), happened.kind, **fields)
        if then is not None:
            then(happened)

    return listen


def _scrubbed(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _masked(value) for name, value in fields.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        # A line break inside a value would make two lines of one event, or forge one.
        return scrub(value).replace("\r", "\\r").replace("\n", "\\n")
    if isinstance(value, dict):
        return {_masked(str(key)): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return value if isinstance(value, int | float | bool | None) else _masked(str(value))
