"""Pipelines in processes that are killed: forks of one warm process, so that a round costs no imports.

`Nursery` starts `python -m harness.nursery`, which imports the product once and forks a child for each `Job`. The child
runs or resumes as a person would, from the job's folder, and writes what came of it to a file.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Job", "Nursery", "Outcome", "Process", "resume_until_done"]

_TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Job:
    """Run `plan` (a plan file, or else a goal) in `folder` under the id `run_id`; with `resume` continue that run.

    A resumed run that was killed before it was written down is unknown: then it is run. `fault` is AGENT_ETL_FAULT.
    `alone`: the folder is a harness.shop, and the executor runs the plan there without graph or planner.
    """

    folder: str
    plan: str
    run_id: str
    resume: bool = False
    fault: str = ""
    alone: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a process ended: `signal` that killed it or 0; its run's `status`, or the error's text."""

    signal: int
    status: str = ""
    error: str = ""
    loads: tuple[dict[str, Any], ...] = ()
    tasks: tuple[dict[str, Any], ...] = ()


class Process:
    """One started job."""

    def __init__(self, nursery: "Nursery", pid: int, report: Path) -> None:
        self._nursery, self.pid, self._report = nursery, pid, report

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal. A process that has ended already is not an error."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def wait(self, seconds: float = 60.0) -> Outcome:
        """How it ended. Raises: TimeoutError after `seconds`; it is killed then."""
        code = self._nursery.ask({"wait": self.pid, "seconds": seconds})["code"]
        if code is None:
            self.kill()
            self._nursery.ask({"wait": self.pid, "seconds": 10})
            raise TimeoutError(f"the pipeline did not end within {seconds} s")
        if os.WIFSIGNALED(code):
            return Outcome(os.WTERMSIG(code))
        content = json.loads(self._report.read_text())
        return Outcome(0, content["status"], content["error"], tuple(content["loads"]), tuple(content["tasks"]))


class Nursery:
    """Starts jobs. Close it: its children end with it."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_ETL_")}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "harness.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "PYTHONPATH": str(_TESTS)},
        )
        self._jobs = 0
        self.ask({"ready": True})

    def start(self, job: Job) -> Process:
        """Fork a child for the job and return at once."""
        self._jobs += 1
        report = Path(job.folder) / f"report-{self._jobs}.json"
        answer = self.ask({"start": asdict(job), "report": str(report)})
        return Process(self, answer["pid"], report)

    def finish(self, job: Job, seconds: float = 60.0) -> Outcome:
        """Start the job and wait for its end."""
        return self.start(job).wait(seconds)

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """One question to the warm process and its answer."""
        if self._server.stdin is None or self._server.stdout is None:
            raise RuntimeError("the nursery has no pipes")
        self._server.stdin.write(json.dumps(message) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError(f"the nursery ended with {self._server.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the warm process and its children."""
        if self._server.stdin and self._server.stdout:
            self._server.stdin.close()
            self._server.stdout.close()
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def resume_until_done(nursery: Nursery, job: Job, attempts: int = 5) -> Outcome:
    """Resume a killed job until its run succeeded; the last outcome, whatever it is, after `attempts`."""
    outcome = Outcome(0, "not started")
    for _ in range(attempts):
        outcome = nursery.finish(Job(job.folder, job.plan, job.run_id, resume=True))
        if outcome.status == "succeeded":
            break
        time.sleep(0.05)
    return outcome
