"""The command line over real sources: every command, every exit code."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from agent_etl.cli import app
from agent_etl.engine.plan import Plan

GOAL = "Load orders.csv into the orders table."
REFUSED = "Load orders.csv into the orders table and email it to the sales team."
ASKED = "Load orders.csv and upsert it into known_orders."


@pytest.fixture(autouse=True)
def _orders(home: Path) -> None:
    lines = [f"{number},{number % 7},2024-01-{number % 28 + 1:02d},{number}.50" for number in range(1, 101)]
    Path("orders.csv").write_text("order_id,customer_id,ordered_on,amount\n" + "\n".join(lines) + "\n")


def call(*arguments: str, code: int = 0) -> Result:
    """Run one command in this process and hold it to its exit code; it never shows a traceback."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, f"{result.stdout}\n{result.stderr}\n{result.exception!r}"
    assert "Traceback" not in result.stderr
    return result


def record(*arguments: str, code: int = 0) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(call(*arguments, "--json", code=code).stdout)
    return content


def rows(home: Path, table: str) -> int:
    connection = duckdb.connect(str(home / "warehouse.duckdb"), read_only=True)
    try:
        return int(connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])
    finally:
        connection.close()


def test_a_goal_runs_and_shows_its_report(home: Path) -> None:
    """Exit 0; progress on stderr; the report and the first rows on stdout; the rows are in the target."""
    result = call("run", GOAL)
    assert rows(home, "orders") == 100
    assert "succeeded" in result.stdout
    assert "10 of 100 rows" in result.stdout
    assert "surveyed" in result.stderr
    assert "surveyed" not in result.stdout


def test_quiet_leaves_the_outcome_alone(home: Path) -> None:
    """With --quiet nothing but the outcome is written."""
    result = call("run", GOAL, "--quiet")
    assert "succeeded" in result.stdout
    assert result.stderr == ""


def test_a_machine_reads_one_object() -> None:
    """With --json stdout is one object that tells status, loads and markers, and stderr is empty."""
    result = call("run", GOAL, "--json")
    told = json.loads(result.stdout)
    assert told["status"] == "succeeded"
    assert [load["rows"] for load in told["loads"]] == [100]
    assert result.stderr == ""


def test_a_goal_that_asks_for_more_is_refused(home: Path) -> None:
    """Exit 4, the words that cannot be done are quoted, and nothing was written."""
    told = record("run", REFUSED, code=4)
    assert any("email" in refusal["quote"] for refusal in told["refusals"])
    assert not (home / "warehouse.duckdb").exists()


def test_a_question_is_answered_by_the_command_that_is_printed(home: Path) -> None:
    """Exit 3 with the exact command; running that command finishes the run."""
    result = call("run", ASKED, code=3)
    command = next(line.strip() for line in result.stdout.splitlines() if line.strip().startswith("agent-etl resume"))
    _, *arguments = shlex.split(command)
    assert "order_id" in result.stdout
    told = record(*arguments)
    assert told["plan"]["loads"][0]["key"] == ["order_id"]
    assert rows(home, "known_orders") == 100


def test_an_approval_is_given_from_another_command(home: Path) -> None:
    """With --approve ask nothing is written until somebody approves; afterwards everything is."""
    told = record("run", GOAL, "--approve", "ask", code=3)
    assert told["waits_for"] == "approval"
    assert "--approve" in told["resume"]
    assert not (home / "warehouse.duckdb").exists() or told["loads"] == []
    assert record("resume", told["run_id"], "--approve")["status"] == "succeeded"
    assert rows(home, "orders") == 100


def test_a_rejected_plan_touches_nothing(home: Path) -> None:
    """Exit 4 after --reject, and there is no table."""
    told = record("run", GOAL, "--approve", "ask", code=3)
    assert record("resume", told["run_id"], "--reject", code=4)["status"] == "refused"
    assert record("show", told["run_id"])["loads"] == []


def test_a_plan_is_a_file_to_edit_and_run(home: Path) -> None:
    """What `plan` prints is what `run` takes; an edit is what runs."""
    planned = call("plan", GOAL)
    assert not (home / "warehouse.duckdb").exists()
    Path("plan.yaml").write_text(planned.stdout.replace("table: orders", "table: orders_copy"))
    call("run", "plan.yaml")
    assert rows(home, "orders_copy") == 100


def test_a_wrong_plan_names_step_field_and_what_is_valid() -> None:
    """Exit 2, and the message holds all that is needed to mend the file."""
    Path("plan.yaml").write_text(call("plan", GOAL).stdout.replace("dataset:", "datset:"))
    error = record("run", "plan.yaml", code=2)["error"]
    assert error["code"] == "plan_error"
    assert error["fields"]["step"]
    assert "dataset" in error["fields"]["valid"]


def test_an_edited_plan_resumes_a_waiting_run(home: Path) -> None:
    """The plan that is handed in is proved and runs instead of the one that was shown."""
    told = record("run", GOAL, "--approve", "ask", code=3)
    Path("edited.yaml").write_text(call("plan", GOAL).stdout.replace("table: orders", "table: edited"))
    assert record("resume", told["run_id"], "--plan", "edited.yaml")["status"] == "succeeded"
    assert rows(home, "edited") == 100


def test_a_failed_run_exits_so(home: Path) -> None:
    """Exit 5 with the failed step and what to do, when a plan does not hold against its source."""
    Path("plan.yaml").write_text(
        "name: broken\n"
        "extracts: [{name: orders, source: here, dataset: orders.csv}]\n"
        "transforms: [{name: summed, sql: SELECT sum(no_such_column) AS s FROM orders}]\n"
        "loads: [{name: out, from: summed, target: warehouse, table: summed, mode: replace}]\n"
    )
    told = record("run", "plan.yaml", code=5)
    assert told["failure"]["step"] == "summed"
    assert "no_such_column" in json.dumps(told["failure"])


def test_runs_are_listed_and_shown(home: Path) -> None:
    """A finished run is found by its id, with its goal and its report."""
    told = record("run", GOAL)
    listed = record("runs")["runs"]
    assert [run["run_id"] for run in listed] == [told["run_id"]]
    assert told["run_id"] in call("runs").stdout
    shown = call("show", told["run_id"]).stdout
    assert "orders.csv" in shown
    assert "100 rows" in shown


def test_an_unknown_run_is_a_usage_error() -> None:
    """Exit 2 for an id that this home does not know."""
    call("run", GOAL)
    assert record("show", "nobody", code=2)["error"]["code"] == "unknown_run"
    assert record("resume", "nobody", code=2)["error"]["code"] == "unknown_run"


def test_a_source_is_inspected(home: Path) -> None:
    """A file shows its columns and types, a connection its tables."""
    shown = call("inspect", "orders.csv").stdout
    for word in ("order_id", "BIGINT", "ordered_on", "DATE", "100 rows"):
        assert word in shown
    assert "orders.csv" in record("inspect", "here")["tables"]
    call("run", GOAL)
    assert "orders" in record("inspect", "warehouse")["tables"]
    assert {"name": "order_id", "type": "BIGINT", "nullable": True} in record("inspect", "warehouse.orders")["columns"]
    assert record("inspect", "nowhere.csv", code=5)["error"]["code"] == "not_found"


def test_connections_are_listed_without_passwords() -> None:
    """Named and built-in connections appear, a password never."""
    result = call("connections", "-c", "crm=postgresql://etl:hunter2@127.0.0.1:1/crm")
    assert "hunter2" not in result.stdout
    assert "127.0.0.1" in result.stdout
    told = record("connections", "-c", "crm=postgresql://etl:hunter2@127.0.0.1:1/crm")
    assert {"crm", "here", "warehouse"} <= {connection["name"] for connection in told["connections"]}
    assert "hunter2" not in json.dumps(told)


def test_the_doctor_finds_what_is_wrong(home: Path) -> None:
    """Exit 0 when all is well; 5 with what to do for a server that is not there and a home that others can read."""
    assert record("doctor")["healthy"] is True
    call("run", GOAL)
    assert record("doctor")["healthy"] is True
    home.chmod(0o755)
    told = record("doctor", "-c", "crm=postgresql://etl@127.0.0.1:1/crm", code=5)
    wrong = {finding["what"]: finding["hint"] for finding in told["findings"] if not finding["ok"]}
    assert set(wrong) == {"home", "connection crm"}
    assert "chmod 700" in wrong["home"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", GOAL, "--no-such-option"),
        ("run", GOAL, "--approve", "maybe"),
        ("run", GOAL, "-a", "x"),
        ("run", " "),
    ],
)
def test_a_wrong_call_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    """Exit 2 for a missing goal, an unknown option or value, an answer without a name, an empty goal."""
    call(*arguments, code=2)


def test_sigterm_ends_a_run_that_resume_finishes(home: Path) -> None:
    """Exit 143 with the command that continues; that command ends with every row exactly once."""
    command = [sys.executable, "-m", "agent_etl", "run", GOAL, "--run-id", "stopped"]
    environment = {**os.environ, "AGENT_ETL_FAULT": "load.before_commit:1:sleep"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not list(home.glob("warehouse.duckdb*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "agent-etl resume stopped" in out + err
    assert "Traceback" not in err
    call("resume", "stopped")
    assert rows(home, "orders") == 100


@pytest.mark.parametrize(
    "command", [("runs",), ("doctor",), ("connections",), ("plan", GOAL), ("inspect", "orders.csv")]
)
def test_looking_makes_no_home(home: Path, command: tuple[str, ...]) -> None:
    """A command that runs nothing writes nothing: where no home was, none is afterwards."""
    call(*command)
    assert not home.exists()


@pytest.mark.parametrize("command", ["show", "resume"])
def test_an_unknown_run_makes_no_home(home: Path, command: str) -> None:
    """Asking for a run where there is no home is a usage error that says how a run begins."""
    error = record(command, "nobody", code=2)["error"]
    assert error["code"] == "unknown_run"
    assert "agent-etl run" in error["hint"]
    assert not home.exists()


def test_a_list_without_runs_says_so(home: Path) -> None:
    """Instead of an empty table there is the command that starts a run."""
    assert "agent-etl run" in call("runs").stdout


def test_a_run_gives_its_plan_to_edit(home: Path) -> None:
    """`show --plan` prints the plan that `resume --plan` and `run` take; a refused goal has none."""
    told = record("run", GOAL, "--approve", "ask", code=3)
    printed = call("show", told["run_id"], "--plan").stdout
    assert printed == Plan.parse(printed).to_yaml()
    Path("edited.yaml").write_text(printed.replace("table: orders", "table: edited"))
    call("resume", told["run_id"], "--plan", "edited.yaml")
    assert rows(home, "edited") == 100
    refused = record("run", REFUSED, code=4)
    call("show", refused["run_id"], "--plan", code=2)


def test_what_a_goal_was_understood_as_is_told(home: Path) -> None:
    """`run` shows the planner's reading of the goal before it runs, `show` shows it afterwards."""
    told = call("run", GOAL)
    understood = next(line for line in call("plan", GOAL).stderr.splitlines() if "warehouse" in line)
    assert understood in told.stderr
    assert understood in call("show", record("runs")["runs"][0]["run_id"]).stdout


def test_an_answer_that_does_not_fit_tells_the_run_and_the_command(home: Path) -> None:
    """A wrong answer with the goal leaves a run behind; its id and the command that continues it are told."""
    error = record("run", ASKED, "-a", "known_orders=x", "--run-id", "mine", code=2)["error"]
    assert error["fields"]["run"] == "mine"
    assert "agent-etl resume mine" in error["hint"]
    assert record("resume", "mine", code=3)["status"] == "waiting"


def test_a_source_that_is_not_there_is_not_empty(home: Path) -> None:
    """A misspelt database file is not found; one that a connection names may still be made, and is marked so."""
    assert record("inspect", "nowhere.db", code=5)["error"]["code"] == "not_found"
    assert "not there yet" in call("inspect", "crm", "-c", "crm=nowhere.db").stdout
    findings = {found["what"]: found["found"] for found in record("doctor", "-c", "crm=nowhere.db")["findings"]}
    assert "not there yet" in findings["connection crm"]
    assert not Path("nowhere.db").exists()


def test_a_name_that_leads_nowhere_says_what_is_near(home: Path) -> None:
    """A word that is no source lists the connections; a misspelt table names the nearest and how to list all."""
    error = record("inspect", "nowhere", code=5)["error"]
    assert "warehouse" in error["fields"]["connections"]
    call("run", GOAL)
    error = record("inspect", "warehouse.ordrs", code=5)["error"]
    assert "nearest: orders" in error["hint"]
    assert "agent-etl inspect warehouse" in error["hint"]


def test_the_doctor_says_why(home: Path) -> None:
    """A variable that is not set and a home that cannot be one are named with what to do."""
    Path("file").touch()
    told = record("doctor", "--home", "file/home", "-c", "crm=postgresql://u:${NOT_SET_HERE}@127.0.0.1:1/d", code=5)
    wrong = {finding["what"]: finding for finding in told["findings"] if not finding["ok"]}
    assert "not a folder" in wrong["home"]["found"]
    assert "NOT_SET_HERE" in wrong["connection crm"]["found"]
    assert all(finding["hint"] for finding in wrong.values())


def test_any_terminal_can_be_written_to(home: Path) -> None:
    """Where only ASCII can be written, what is not ASCII is escaped; no command fails for it."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for command, code in (["doctor"], 0), (["show", "nobody"], 2), (["run", ASKED], 3):
        done = subprocess.run(
            [sys.executable, "-m", "agent_etl", *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert "no name here" not in done.stderr


def test_a_name_that_is_no_text_does_not_break_json(home: Path) -> None:
    """A file whose name is not UTF-8 is listed in JSON that any reader takes."""
    Path(os.fsdecode(b"caf\xe9.csv")).write_text("a\n1\n")
    done = subprocess.run(
        [sys.executable, "-m", "agent_etl", "inspect", "here", "--json"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        check=True,
    )
    assert os.fsdecode(b"caf\xe9.csv") in json.loads(done.stdout)["tables"]


@pytest.mark.parametrize(
    "command", [("run", "Load caf\udce9.csv into t"), ("plan", "Load caf\udce9.csv"), ("inspect", "caf\udce9.csv")]
)
def test_a_name_that_is_no_text_is_refused(home: Path, command: tuple[str, ...]) -> None:
    """Bytes that are not UTF-8 end in a usage error that says so, not in an unnamed one; no run is begun."""
    assert "UTF-8" in record(*command, code=2)["error"]["message"]
    assert not home.exists()


@pytest.mark.parametrize("command", [("run", GOAL), ("plan", GOAL), ("inspect", "here"), ("doctor",)])
def test_a_folder_whose_name_is_no_text_is_refused(home: Path, command: tuple[str, ...]) -> None:
    """In such a folder no database file can be opened: that is said, with what to do, and no run is begun."""
    folder = Path(os.fsdecode(b"caf\xe9"))
    folder.mkdir()
    with chdir(folder):
        error = record(*command, code=2)["error"]
    assert "UTF-8" in error["message"]
    assert "rename" in error["hint"]
    assert not home.exists()


def test_a_home_whose_name_is_no_text_is_refused() -> None:
    """The setting is named and the folder is not made."""
    error = record("runs", "--home", os.fsdecode(b"caf\xe9"), code=2)["error"]
    assert (error["fields"]["setting"], "UTF-8" in error["fields"]["problem"]) == ("home", True)


@pytest.mark.parametrize("url", ["postgresql://u@127.0.0.1:1/d", "postgresql://u:${NOT_SET_HERE}@127.0.0.1:1/d"])
def test_a_connection_that_was_not_searched_is_told(home: Path, url: str) -> None:
    """A goal that does not name a connection that is down runs, and a note says that it was not searched."""
    for told in (record("run", GOAL, "-c", f"crm={url}"), record("plan", GOAL, "-c", f"crm={url}")):
        assert any("crm did not answer" in finding["message"] for finding in told["findings"])
    assert "crm did not answer" in call("show", record("runs")["runs"][0]["run_id"]).stdout


def test_a_file_that_is_not_there_says_what_is_near() -> None:
    """The refusal of a misspelt file names the one that was probably meant."""
    (refusal,) = record("run", "Load ordrs.csv into the orders table.", code=4)["refusals"]
    assert "orders.csv" in refusal["reason"]


def test_an_id_is_whole_on_a_narrow_screen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out of the list on a narrow screen is never a part of a run's id or its status."""
    run_id = record("run", GOAL)["run_id"]
    monkeypatch.setenv("COLUMNS", "50")
    (line,) = [line for line in call("runs").stdout.splitlines() if run_id[:12] in line]
    assert run_id in line
    assert "succeeded" in line


@pytest.mark.parametrize("command", [("runs",), ("show", "mine"), ("connections",)])
def test_a_command_that_looks_loads_no_state_machine(home: Path, command: tuple[str, ...]) -> None:
    """What neither plans nor runs imports no LangGraph, so that it answers at once."""
    call("run", GOAL, "--run-id", "mine")
    script = f"import sys; from agent_etl.cli import app; app({list(command)!r}, standalone_mode=False)"
    loaded = f"{script}; print('langgraph' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
