"""Logs are one line an event and hold no secret."""

import io
import json
import subprocess
import sys

import pytest

from agent_etl.engine.observe.events import event
from agent_etl.engine.observe.log import logged


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_event_is_one_line_without_secrets(stream, style):
    """Whatever a field holds, the line holds no password and no break."""
    heard = []
    happened = event(
        "r1",
        "task_failed",
        "orders",
        message="postgresql://u:canary@h/d refused\nforged=1",
        nested={"password=canary": ["token=canary"]},
    )
    logged(heard.append, style=style, stream=stream)(happened)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert "canary" not in lines[0] and "task_failed" in lines[0] and "orders" in lines[0]
    assert heard == [happened]


def test_json_lines_are_json(stream):
    """A machine reads kind, run, step and fields back."""
    logged(stream=stream)(event("r1", "task_done", "orders", rows=5))
    line = json.loads(stream.getvalue())
    assert (line["event"], line["run"], line["step"], line["rows"], line["level"]) == (
        "task_done",
        "r1",
        "orders",
        5,
        "info",
    )


def test_progress_is_logged_only_when_asked(stream):
    """Progress events stay below the usual level."""
    logged(stream=stream)(event("r1", "task_progress", "orders", rows=5))
    assert stream.getvalue() == ""


def test_settings_do_not_import_the_log():
    """The command line does not pay for logging that it does not use."""
    code = "import sys, agent_etl.engine.settings, agent_etl.engine.executor; print('structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
