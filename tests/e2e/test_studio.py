"""LangGraph Studio's server, started for real."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from langgraph_sdk import get_sync_client

from agent_etl import get_run, resume_pipeline

pytestmark = pytest.mark.studio

REPO = Path(__file__).resolve().parents[2]
GOAL = "Load sales.csv, compute the total amount per region and replace sales_per_region"
AGENTS = ("orchestrator", "extract", "transform", "load", "monitor")
KEYS = ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "LANGGRAPH_CLOUD_LICENSE_KEY", "OPENAI_API_KEY")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """`langgraph dev` over the project, in a folder with one file, without network and without key; its URL."""
    (tmp_path / "sales.csv").write_text("id,region,amount\n1,north,10\n2,south,20\n3,north,30\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in KEYS}
    quiet = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false", "AGENT_ETL_HOME": str(tmp_path / "home")}
    command = [str(Path(sys.executable).with_name("langgraph")), "dev", "--no-browser", "--no-reload"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--config", str(REPO / "langgraph.json")]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env={**environment, **quiet}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/ok", process, tmp_path / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server's own process group, by its id."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("langgraph dev did not start:\n" + log.read_text()[-4000:])


def _interrupted(client: Any, thread: str) -> dict[str, Any]:
    (found,) = client.threads.get_state(thread)["interrupts"]
    value: dict[str, Any] = found
    return value


def test_a_goal_typed_into_studio(server: str, tmp_path: Path) -> None:
    """A goal stops at its approval, refuses a wrong decision, resumes, and its rows are in the target."""
    with get_sync_client(url=server) as client:
        (assistant,) = client.assistants.search()
        drawn = client.assistants.get_graph(assistant["assistant_id"], xray=True)
        names = {node["id"].partition(":")[0] for node in drawn["nodes"] if ":" in node["id"]}
        assert names == set(AGENTS)

        thread = client.threads.create()["thread_id"]
        client.runs.wait(thread, "etl", input={"goal": GOAL, "approve": "ask"}, raise_error=False)
        waiting = _interrupted(client, thread)
        assert waiting["value"]["kind"] == "approval"
        assert waiting["value"]["loads"][0]["table"] == "sales_per_region"
        assert get_run(thread, home=tmp_path / "home").waits_for == "approval"

        client.runs.wait(thread, "etl", command={"resume": {waiting["id"]: {"decision": "maybe"}}}, raise_error=False)
        assert _interrupted(client, thread)["id"] == waiting["id"]

        client.runs.wait(thread, "etl", command={"resume": {waiting["id"]: {"decision": "approve"}}})
        assert client.threads.get_state(thread)["values"]["status"] == "succeeded"
    run = get_run(thread, home=tmp_path / "home")
    assert run.status == "succeeded"
    with duckdb.connect(str(tmp_path / "home" / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT region, CAST(sum(COLUMNS(* EXCLUDE region)) AS INT) FROM sales_per_region GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [("north", 40), ("south", 20)]


def test_a_run_of_studio_is_resumed_elsewhere(server: str, tmp_path: Path) -> None:
    """A run that waits in Studio is resumed by its id from another process: they share one home."""
    with get_sync_client(url=server) as client:
        thread = client.threads.create()["thread_id"]
        client.runs.wait(thread, "etl", input={"goal": GOAL, "approve": "ask"}, raise_error=False)
    run = resume_pipeline(thread, decision="approve", home=tmp_path / "home")
    assert run.status == "succeeded"
    assert run.dataset().num_rows == 2
