"""Runs read back from their home."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from agent_etl.engine.errors import UnknownRun
from agent_etl.engine.goal import Refusal
from agent_etl.engine.observe.events import Event
from agent_etl.engine.records import RunRecord
from agent_etl.engine.security.paths import standing
from agent_etl.engine.settings import Settings
from agent_etl.engine.store import RunStore
from agent_etl.graphs.archive import Archive
from agent_etl.graphs.phases import PROVES
from agent_etl.graphs.request import Request
from agent_etl.graphs.result import Run, RunSummary, Status

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EVENT", "opened_store", "read_run", "status_of", "summary"]

EVENT = "event"
"""The audit's actor of what a run told."""

_ENDED = frozenset({"succeeded", "refused", "failed"})


def opened_store(settings: Settings, run_id: str = "") -> RunStore:
    """The store of a home that is there; looking for runs makes none.

    Raises: UnknownRun when there is no home yet; SettingsError for one that cannot be used.
    """
    if settings.store_url is None and not standing(settings.home):
        named = {"run": run_id} if run_id else {}
        raise UnknownRun(
            "There is no home yet, so no runs",
            **named,
            home=str(settings.home),
            hint="start a run: agent-etl run GOAL; or name another home: --home, AGENT_ETL_HOME",
        )
    return RunStore(settings.home, url=settings.store_url)


def status_of(store: RunStore, row: RunRecord) -> Status:
    """The truth about a run: one that says it is running, but that nobody holds, was interrupted."""
    if row.status in _ENDED or row.status in ("waiting", "interrupted", "dead"):
        return cast(Status, row.status)
    return "interrupted" if store.free(row.run_id) else "running"


def summary(store: RunStore, row: RunRecord) -> RunSummary:
    """One line about a run."""
    status = status_of(store, row)
    started, ended = _times(row, status)
    return RunSummary(row.run_id, status, row.goal, started, ended)


def read_run(store: RunStore, row: RunRecord, connections: Mapping[str, str], status: Status | None = None) -> Run:
    """A run with everything that it has written down. `connections` are kept in memory, to read its datasets."""
    archive = Archive(store, row.run_id)
    status = status or status_of(store, row)
    request = Request.of(row)
    plan_hash = str(row.fields.get("plan") or request.plan)
    plan = archive.plan(plan_hash) if plan_hash else None
    draft = archive.draft()
    waits_for = cast(Literal["", "answers", "approval"], row.fields.get("waits_for", "") if status == "waiting" else "")
    refusals = draft.refusals if draft and status == "refused" else ()
    if status == "refused" and not refusals:
        refusals = (Refusal("", (0, 0), "the plan was rejected"),)
    names = {step.name for step in plan.steps()} if plan else set()
    failure = row.fields.get("failure")
    found = [finding for phase in PROVES for finding in archive.findings(plan_hash, phase)] if plan_hash else []
    drafted = draft.findings if draft and (draft.plan is None or draft.plan.hash == plan_hash) else ()
    home = store.home
    started, ended = _times(row, status)
    return Run(
        run_id=row.run_id,
        status=status,
        goal=row.goal,
        approve=request.approve,
        started=started,
        ended=ended,
        plan=plan,
        plan_hash=plan_hash,
        draft=draft,
        waits_for=waits_for,
        questions=archive.questions() if waits_for == "answers" else (),
        refusals=refusals,
        findings=(*drafted, *found),
        failure=archive.failure(failure) if failure and status == "failed" else None,
        repairs=tuple(archive.applied()),
        tasks=tuple(task.result for task in store.tasks(row.run_id) if task.result is not None and task.step in names),
        home=home,
        secret=request.secret,
        read_events=lambda: _events(home, row.run_id),
        read_dataset=lambda step: _dataset(home, row.run_id, connections, plan_hash, step),
        read_quarantined=lambda: _quarantined(home, row.run_id, connections, plan_hash),
    )


def _times(row: RunRecord, status: Status) -> tuple[datetime, datetime | None]:
    ended = datetime.fromisoformat(row.updated_at) if status in _ENDED else None
    return datetime.fromisoformat(row.created_at), ended


def _events(home: Path, run_id: str) -> tuple[Event, ...]:
    from agent_etl.engine.settings import load_settings

    with RunStore(home, url=load_settings(home=home).store_url) as store:
        return tuple(Event.from_dict(row.detail) for row in store.audit_rows(run_id) if row.actor == EVENT)


def _dataset(home: Path, run_id: str, connections: Mapping[str, str], plan_hash: str, step: str) -> "pa.Table":
    from agent_etl.graphs.session import open_session

    session = open_session(run_id, home=home, connections=connections)
    try:
        found: Any = session.rows(plan_hash, step)
        return found
    finally:
        session.close()


def _quarantined(home: Path, run_id: str, connections: Mapping[str, str], plan_hash: str) -> "pa.Table":
    from agent_etl.graphs.session import open_session

    session = open_session(run_id, home=home, connections=connections)
    try:
        return session.quarantined(plan_hash)
    finally:
        session.close()
