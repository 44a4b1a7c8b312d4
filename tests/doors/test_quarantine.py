"""`agent-etl quarantine` on the command line."""

import json
from pathlib import Path

import pytest
from harness.poison import Poison
from typer.testing import CliRunner

from agent_etl import Plan, run_pipeline
from agent_etl.cli import app


@pytest.fixture
def poison(tmp_path: Path, home: Path) -> Poison:
    made = Poison("duckdb", 0.05, rows=200)
    made.lay(tmp_path)
    done = run_pipeline(Plan.parse(Path("plan.yaml").read_text()), approve="auto", run_id="first")
    assert done.status == "succeeded", done.report()
    return made


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["quarantine", *arguments])
    return done.exit_code, done.stdout


def test_list_show_and_replay_go_together(poison: Poison) -> None:
    """What is listed can be shown and replayed; what stays open gives exit code 5, nothing open gives 0."""
    code, told = call("list")
    assert code == 0
    assert "wh:orders_out" in told and "positive" in told
    code, told = call("show", poison.named, "--limit", "3", "--json")
    assert (code, len(json.loads(told)["quarantined"])) == (0, 3)
    code, told = call("show", poison.named, "--reason", "unique")
    assert code == 0 and "once" in told and "positive" not in told
    code, told = call("replay", "first", "--plan", "fixed.yaml", "--json")
    assert (code, json.loads(told)["replayed"], json.loads(told)["open"]) == (5, 6, 4)
    code, told = call("replay", poison.named)
    assert code == 5 and "still open" in told
    assert call("list", "wh:elsewhere") == (0, "nothing was set aside\n")
    assert call("replay", "wh:elsewhere") == (0, "nothing is open\n")


def test_what_is_not_there_is_a_usage_error(poison: Poison) -> None:
    """An unknown run, or a place without a table, ends with exit code 2; a table without dead letters has none."""
    assert call("replay", "no-such-run")[0] == 2
    code, told = call("show", "wh:elsewhere", "--json")
    assert (code, json.loads(told)) == (0, {"quarantined": []})
    assert call("show", "wh")[0] == 2
