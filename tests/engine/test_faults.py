"""Fault points are inert unless a test asks for a fault."""

import signal
import subprocess
import sys

import pytest

from agent_etl.engine import faults
from agent_etl.engine.errors import SettingsError


def test_an_unknown_point_is_a_programming_error():
    """A point that is not in the list cannot be placed."""
    with pytest.raises(ValueError, match=r"stage\.nowhere"):
        faults.point("stage.nowhere")


def test_points_are_inert_without_the_variable(monkeypatch):
    """Nothing happens in ordinary life."""
    monkeypatch.delenv("AGENT_ETL_FAULT", raising=False)
    for name in faults.POINTS:
        faults.point(name)


def test_only_the_nth_hit_acts(monkeypatch):
    """The fault happens at the hit that was asked for, once."""
    monkeypatch.setenv("AGENT_ETL_FAULT", "stage.sealed:2:raise")
    monkeypatch.setattr(faults, "_hits", type(faults._hits)())
    faults.point("stage.sealed")
    with pytest.raises(faults.InjectedFault):
        faults.point("stage.sealed")
    faults.point("stage.sealed")


def test_a_wrong_setting_is_not_ignored(monkeypatch):
    """A misspelt fault is an error, so that no fault test passes for nothing."""
    monkeypatch.setenv("AGENT_ETL_FAULT", "load.after_comit:1:kill")
    with pytest.raises(SettingsError):
        faults.point("load.after_commit")


def test_kill_is_sigkill():
    """The action kill ends the process at once, without cleaning up."""
    code = "from agent_etl.engine.faults import point\ntry:\n  point('load.begin')\nfinally:\n  print('cleaned')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"AGENT_ETL_FAULT": "load.begin:1:kill"}, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""
