"""What a run tells, to whoever listens and to the log that the settings ask for."""

import json

import pytest

from agent_etl import Plan, run_pipeline
from agent_etl.engine.errors import SettingsError
from agent_etl.engine.settings import load_settings

PLAN = """
name: copy
extracts: [{name: orders, source: here, dataset: orders.csv}]
loads: [{name: keep, from: orders, target: warehouse, table: orders}]
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "orders.csv").write_text("id,amount\n1,5\n2,7\n")
    return Plan.parse(PLAN)


def test_the_settings_turn_the_log_on(plan, monkeypatch, capsys):
    """With AGENT_ETL_LOG=json each event that a listener hears is one line of JSON on standard error."""
    monkeypatch.setenv("AGENT_ETL_LOG", "json")
    monkeypatch.setenv("AGENT_ETL_LOG_LEVEL", "DEBUG")
    heard = []
    run = run_pipeline(plan, approve="auto", on_event=heard.append)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["step"]) for line in lines] == [(told.kind, told.step) for told in heard]
    assert ("task_done", "keep") in {(line["event"], line["step"]) for line in lines}
    assert {line["run"] for line in lines} == {run.run_id}


def test_without_the_setting_nothing_is_logged(plan, capsys):
    """A run in a library's hands writes nothing to standard error."""
    run_pipeline(plan, approve="auto")
    assert capsys.readouterr().err == ""


def test_a_style_that_is_none_is_named(monkeypatch):
    """A wrong AGENT_ETL_LOG is refused with the setting's name."""
    monkeypatch.setenv("AGENT_ETL_LOG", "xml")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.fields["setting"] == "log"
