"""The warm process behind harness.kill: reads one JSON question a line, answers one JSON line."""

import contextlib
import ctypes
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_SERVERS = ("agent_etl.connectors.postgres", "adbc_driver_postgresql.dbapi", "psycopg", "agent_etl.connectors.mysql")
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Import the product, then fork a child for each job until stdin closes."""
    _warm()
    for line in sys.stdin:
        message = json.loads(line)
        if "start" in message:
            answer: dict[str, Any] = {"pid": _fork(message["start"], Path(message["report"]))}
        elif "wait" in message:
            answer = {"code": _wait(message["wait"], message["seconds"])}
        else:
            answer = {"ready": True}
        print(json.dumps(answer), flush=True)


def _warm() -> None:
    """Import all that a run imports, also the late ones: a child tries one, and its modules' names come back.

    The run itself stays in the child: DuckDB's and Arrow's threads would not survive a fork.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "rows.csv").write_text("id\n1\n")
        extract = {"name": "read", "source": "here", "dataset": "rows.csv"}
        loads = [
            {"name": f"load_{number}", "from": "read", "target": target, "table": table}
            for number, (target, table) in enumerate(
                (("warehouse", "t"), ("sqlite:///w.sqlite", "t"), ("here", "t.parquet"))
            )
        ]
        (path / "plan.yaml").write_text(json.dumps({"name": "warm", "extracts": [extract], "loads": loads}))
        job = {"folder": folder, "plan": "plan.yaml", "run_id": "warm", "resume": False, "fault": "", "alone": False}
        _wait(_fork(job, path / "report.json"), 60)
        content = json.loads((path / "report.json").read_text())
        if content["status"] != "succeeded":
            raise RuntimeError(f"the warming run ended as {content['status']}: {content['error']}")
    for name in (*content["modules"], *_SERVERS):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _fork(job: dict[str, Any], report: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        code = _child(job, report)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _child(job: dict[str, Any], report: Path) -> int:
    """Run the job; what came of it goes to `report`, everything printed to a log beside it."""
    log = os.open(report.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(job["folder"])
    if job["fault"]:
        os.environ["AGENT_ETL_FAULT"] = job["fault"]
    content: dict[str, Any] = {"status": "raised", "error": "", "loads": [], "tasks": []}
    try:
        content |= _execute(job) if job["alone"] else _run(job)
    except Exception as error:
        traceback.print_exc()
        content["error"] = f"{type(error).__name__}: {error}"
    content["modules"] = [name for name in sys.modules if not name.startswith("_")]
    report.write_text(json.dumps(content, default=str))
    return 0


def _run(job: dict[str, Any]) -> dict[str, Any]:
    from agent_etl import Plan, resume_pipeline, run_pipeline
    from agent_etl.engine.errors import UnknownRun

    home = Path(job["folder"]) / "home"
    run = None
    if job["resume"]:
        with contextlib.suppress(UnknownRun):
            run = resume_pipeline(job["run_id"], home=home)
    if run is None:
        what = job["plan"]
        goal = Plan.parse(Path(what).read_text()) if what.endswith(".yaml") else what
        run = run_pipeline(goal, home=home, run_id=job["run_id"], approve="auto")
    record = run.to_dict()
    return {
        "status": run.status,
        "error": str(run.failure or ""),
        "loads": record["loads"],
        "tasks": record["tasks"],
    }


def _execute(job: dict[str, Any]) -> dict[str, Any]:
    from harness.shop import Shop

    Shop(Path(job["folder"])).run(Path(job["plan"]).read_text(), job["run_id"])
    return {"status": "succeeded"}


def _wait(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while True:
        found, code = os.waitpid(pid, os.WNOHANG)
        if found:
            return code
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


if __name__ == "__main__":
    main()
