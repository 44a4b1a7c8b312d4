"""`agent-etl run` and `agent-etl resume`: a run with its live progress, its questions and its outcome."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agent_etl import get_run, resume_pipeline, run_pipeline
from agent_etl.arguments import goal_or_plan, pairs, read_plan
from agent_etl.dialogue import answer_command, ask, attended, decide
from agent_etl.display import consoles, finding_line, question_view, rows_view
from agent_etl.drawing import show_plan
from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.plan import Plan
from agent_etl.engine.security.secrets import redact
from agent_etl.exits import Exit, Interrupted
from agent_etl.graphs.result import Run
from agent_etl.graphs.resuming import command, resume_command
from agent_etl.progress import Progress
from agent_etl.records import print_json

__all__ = ["Operation"]

SHOWN_ROWS = 10
READ_ROWS = 10_000
"""A larger result is not read back for the sake of its first rows."""

_CODES = {
    "succeeded": Exit.SUCCEEDED,
    "waiting": Exit.WAITING,
    "refused": Exit.REFUSED,
    "failed": Exit.FAILED,
    "interrupted": Exit.INTERRUPTED,
    "running": Exit.WAITING,
    "dead": Exit.FAILED,
}


class Operation:
    """One command that runs something: `json` for a machine, `quiet` for the outcome alone.

    On a terminal a question is asked at once; elsewhere the command that answers it is printed.
    """

    def __init__(self, home: Path | None, *, json: bool = False, quiet: bool = False) -> None:
        self._home = home
        self._json = json
        self._out, self._talk = consoles(silent=json)[0], consoles(silent=json or quiet)[1]
        self._connections: dict[str, str] = {}

    def run(
        self, goal: str, connections: Iterable[str], answers: Iterable[str], approve: str, run_id: str | None = None
    ) -> Exit:
        """Run a goal or a plan file. Side effects: those of the pipeline."""
        what = goal_or_plan(goal)
        self._connections = pairs("--connection", connections)
        given = pairs("--answer", answers)
        with self._progress() as progress, self._told_to_resume(progress):
            run = run_pipeline(
                what,
                connections=self._connections,
                approve=approve,
                answers=given,
                home=self._home,
                run_id=run_id,
                on_event=progress,
            )
        return self.follow(run)

    def resume(
        self,
        run_id: str,
        connections: Iterable[str],
        answers: Iterable[str],
        approve: bool | None = None,
        plan: Path | None = None,
        *,
        force: bool = False,
    ) -> Exit:
        """Continue a run. An edited plan is proved again before it runs."""
        self._connections = pairs("--connection", connections)
        decision: str | Plan | None = None if approve is None else "approve" if approve else "reject"
        if plan is not None:
            decision = read_plan(plan)
        return self.follow(self._resume(run_id, pairs("--answer", answers), decision, force=force))

    def follow(self, run: Run) -> Exit:
        """Ask whoever sits there until the run waits no more, then tell how it ended."""
        while run.status == "waiting" and attended() and not self._json:
            self._tell_findings(run)
            try:
                reply = self._asked(run)
            except EOFError:
                self._talk.print()
                break
            except KeyboardInterrupt as interruption:
                self._talk.print()
                raise Interrupted(run.run_id, self._command(run)) from interruption
            run = self._resume(run.run_id, *reply)
        self._tell(run)
        return _CODES[run.status]

    def _asked(self, run: Run) -> tuple[Mapping[str, str], str | None]:
        """The answers, or the decision, of whoever sits there."""
        if run.waits_for == "approval":
            return {}, decide(self._talk)
        return ask(run.questions, self._talk), None

    def _resume(
        self, run_id: str, answers: Mapping[str, str], decision: str | Plan | None, *, force: bool = False
    ) -> Run:
        with self._progress() as progress, self._told_to_resume(progress):
            return resume_pipeline(
                run_id,
                answers=answers or None,
                decision=decision,
                connections=self._connections or None,
                home=self._home,
                on_event=progress,
                force=force,
            )

    @contextmanager
    def _told_to_resume(self, progress: Progress) -> Iterator[None]:
        """Whoever interrupts a run, or gives it something wrong, is told how to go on; what was done is not lost."""
        try:
            yield
        except KeyboardInterrupt as interruption:
            if progress.run_id is None:
                raise
            raise Interrupted(progress.run_id, self._resume_command(progress.run_id)) from interruption
        except AgentEtlError as error:
            if progress.run_id is not None:
                error.fields.setdefault("run", progress.run_id)
                error.hint = f"{error.hint}; then: {self._resume_command(progress.run_id)}"
            raise

    def _resume_command(self, run_id: str) -> str:
        secret = [name for name, url in self._connections.items() if redact(url) != url]
        return resume_command(run_id, home=self._home, secret=secret)

    def _progress(self) -> Progress:
        return Progress(self._talk, on_plan=lambda run_id: show_plan(get_run(run_id, home=self._home), self._talk))

    def _tell_findings(self, run: Run) -> None:
        for finding in run.findings:
            self._talk.print(finding_line(finding), soft_wrap=True)

    def _tell(self, run: Run) -> None:
        if self._json:
            record = run.to_dict()
            if run.status in ("waiting", "interrupted"):
                record["resume"] = self._command(run)
            print_json(record)
            return
        if run.status == "waiting":
            self._tell_waiting(run)
            return
        self._out.print()
        self._out.print(run.report(), markup=False, soft_wrap=True, end="")
        for load in run.loads if run.status == "succeeded" else ():
            if 0 < load.rows <= READ_ROWS:
                self._out.print(rows_view(f"{load.target}.{load.table}", run.dataset(load.step), SHOWN_ROWS))

    def _tell_waiting(self, run: Run) -> None:
        for question in run.questions:
            self._out.print(question_view(question))
        if run.waits_for == "answers":
            self._say(f"run {run.run_id} waits for an answer:\n  {self._command(run)}")
            return
        for finding in run.findings:
            self._out.print(finding_line(finding), soft_wrap=True)
        reject = resume_command(run.run_id, "--reject", home=run.home, secret=run.secret)
        show = command("show", run.run_id, home=run.home)
        self._say(f"run {run.run_id} waits for approval:\n  {self._command(run)}\n  {reject}\n  {show}")

    def _say(self, text: str) -> None:
        self._out.print(text, markup=False, soft_wrap=True)

    def _command(self, run: Run) -> str:
        if run.waits_for == "approval":
            return resume_command(run.run_id, "--approve", home=run.home, secret=run.secret)
        return answer_command(run.run_id, run.questions, home=run.home, secret=run.secret)
