"""The run store: runs, their documents, task outcomes, the audit, and the mirror of what was loaded."""

import secrets
import weakref
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Table, and_, delete, insert, select, update

from agent_etl.engine import database as db
from agent_etl.engine.errors import UnknownRun
from agent_etl.engine.lease import free, lease
from agent_etl.engine.records import AuditRecord, LoadRecord, RunRecord, TaskRecord
from agent_etl.engine.settings import is_home_here
from agent_etl.engine.tasks import StepFailure, TaskResult

__all__ = ["RunStore", "new_run_id", "set_aside"]

_ALPHABET = "abcdefghjkmnpqrstvwxyz23456789"


def new_run_id() -> str:
    """A new run's id, such as `20261123-184501-k3f9`: it sorts by the time it was made."""
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{tail}"


def set_aside(home: Path) -> Path:
    """Rename a state.db that cannot be used, with what belongs to it, so that a new one can be made; its new place.

    Side effects: renames files of the home.
    """
    new = home / f"state.db.damaged-{new_run_id()}"
    for suffix in ("", "-wal", "-shm"):
        old = home / f"state.db{suffix}"
        if old.exists():
            old.rename(home / f"{new.name}{suffix}")
    return new


class RunStore:
    """The store of one home. Safe to use from many threads; every call is one transaction that is on disk when it ends.

    Raises, from every call: Busy, DiskFull, ConnectionLost. Side effects of opening: creates the home and its state.db.
    """

    def __init__(self, home: Path, *, url: str | None = None) -> None:
        self.home = home
        self._engine = db.opened(home, url)
        self._finalizer = weakref.finalize(self, self._engine.dispose)

    def close(self) -> None:
        """Close the store's connections. It may be called twice."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def lease(self, run_id: str) -> AbstractContextManager[None]:
        """Hold the run while the block lasts. Raises: Busy naming the holder's process id."""
        return lease(self.home / "runs", run_id)

    def free(self, run_id: str) -> bool:
        """Whether no process holds the run now."""
        return free(self.home / "runs", run_id)

    # Runs

    def create_run(self, run_id: str, goal: str, request: Mapping[str, Any], *, status: str = "started") -> RunRecord:
        """A new run. A run of that id that is there already stays as it is and is returned."""
        now = _now()
        with db.transaction(self._engine) as connection:
            # The update takes the write lock before the read, so two creators cannot both find nothing.
            found = connection.execute(update(db.runs).where(db.runs.c.run_id == run_id).values(run_id=run_id))
            if found.rowcount == 0:
                connection.execute(
                    insert(db.runs).values(
                        run_id=run_id,
                        goal=goal,
                        status=status,
                        created_at=now,
                        updated_at=now,
                        request=dict(request),
                        fields={},
                    )
                )
        return self.get_run(run_id)

    def get_run(self, run_id: str) -> RunRecord:
        """The run. Raises: UnknownRun."""
        with db.transaction(self._engine) as connection:
            row = connection.execute(select(db.runs).where(db.runs.c.run_id == run_id)).mappings().first()
        if row is None:
            elsewhere = "" if is_home_here(self.home) else f" --home {quote(str(self.home))}"
            hint = f"agent-etl runs{elsewhere} lists those that are there"
            raise UnknownRun("This home holds no such run", run=run_id, home=str(self.home), hint=hint)
        return RunRecord(**row)

    def list_runs(self, limit: int | None = None) -> tuple[RunRecord, ...]:
        """The home's runs, newest first."""
        query = select(db.runs).order_by(db.runs.c.created_at.desc(), db.runs.c.run_id.desc()).limit(limit)
        with db.transaction(self._engine) as connection:
            return tuple(RunRecord(**row) for row in connection.execute(query).mappings())

    def set_status(self, run_id: str, status: str, **fields: Any) -> None:
        """Change a run's status; `fields` (JSON-able) are merged into its fields. Raises: UnknownRun."""
        with db.transaction(self._engine) as connection:
            where = db.runs.c.run_id == run_id
            changed = connection.execute(update(db.runs).where(where).values(status=status, updated_at=_now()))
            if changed.rowcount == 0:
                raise UnknownRun("This home holds no such run", run=run_id, home=str(self.home))
            if fields:
                known = connection.execute(select(db.runs.c.fields).where(where)).scalar_one()
                connection.execute(update(db.runs).where(where).values(fields={**known, **fields}))

    # Documents

    def put(self, run_id: str, kind: str, key: str, text: str) -> None:
        """Keep a document (JSON text) of a run under its kind and key, in the place of the one before."""
        with db.transaction(self._engine) as connection:
            _upsert(connection, db.documents, {"run_id": run_id, "kind": kind, "key": key}, {"text": text})

    def get(self, run_id: str, kind: str, key: str) -> str | None:
        """The document of that kind and key, or None."""
        table = db.documents
        where = and_(table.c.run_id == run_id, table.c.kind == kind, table.c.key == key)
        with db.transaction(self._engine) as connection:
            found: str | None = connection.execute(select(table.c.text).where(where)).scalar()
        return found

    # Tasks

    def record_task(self, run_id: str, result: TaskResult) -> None:
        """Keep what a task did, in the place of its earlier outcome."""
        values = {"kind": result.kind, "status": "done", "at": _now(), "outcome": asdict(result)}
        with db.transaction(self._engine) as connection:
            _upsert(connection, db.tasks, {"run_id": run_id, "step": result.step}, values)

    def record_failure(self, run_id: str, failure: StepFailure) -> None:
        """Keep a task's failure, in the place of its earlier outcome."""
        values = {"kind": failure.kind, "status": "failed", "at": _now(), "outcome": _plain(failure.to_dict())}
        with db.transaction(self._engine) as connection:
            _upsert(connection, db.tasks, {"run_id": run_id, "step": failure.step}, values)

    def tasks(self, run_id: str) -> tuple[TaskRecord, ...]:
        """The newest outcome of each step, in the order in which they came."""
        query = select(db.tasks).where(db.tasks.c.run_id == run_id).order_by(db.tasks.c.at, db.tasks.c.step)
        with db.transaction(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(_task(row) for row in rows)

    def task(self, run_id: str, step: str) -> TaskRecord | None:
        """The newest outcome of one step, or None."""
        query = select(db.tasks).where(db.tasks.c.run_id == run_id, db.tasks.c.step == step)
        with db.transaction(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _task(row)

    # Audit

    def audit(self, run_id: str, actor: str, action: str, detail: Mapping[str, Any] | None = None) -> None:
        """Add one row to the run's audit. There is no way to change or remove one."""
        with db.transaction(self._engine) as connection:
            connection.execute(
                insert(db.audit).values(
                    run_id=run_id, at=_now(), actor=actor, action=action, detail=_plain(dict(detail or {}))
                )
            )

    def audit_rows(self, run_id: str) -> tuple[AuditRecord, ...]:
        """The run's audit, oldest first."""
        query = select(db.audit).where(db.audit.c.run_id == run_id).order_by(db.audit.c.number)
        with db.transaction(self._engine) as connection:
            return tuple(AuditRecord(**row) for row in connection.execute(query).mappings())

    # Loads

    def mirror_load(self, load: LoadRecord) -> None:
        """Keep what a committed marker says, in the place of what was known of that load."""
        keys = {"run_id": load.run_id, "step": load.step, "load_id": load.load_id}
        values = {**asdict(load), "table_name": load.table}
        for name in (*keys, "table"):
            del values[name]
        with db.transaction(self._engine) as connection:
            _upsert(connection, db.loads, keys, values)

    def loads(self, run_id: str) -> tuple[LoadRecord, ...]:
        """The loads of a run, oldest first."""
        query = select(db.loads).where(db.loads.c.run_id == run_id).order_by(db.loads.c.at, db.loads.c.step)
        with db.transaction(self._engine) as connection:
            return tuple(_load(row) for row in connection.execute(query).mappings())

    def loads_into(self, target: str, table: str) -> tuple[LoadRecord, ...]:
        """What every run has loaded into that table, oldest first. `target` is `Connection.url`."""
        where = and_(db.loads.c.target == target, db.loads.c.table_name == table)
        with db.transaction(self._engine) as connection:
            found = connection.execute(select(db.loads).where(where).order_by(db.loads.c.at)).mappings()
            return tuple(_load(row) for row in found)

    def places(self) -> tuple[tuple[str, str], ...]:
        """Every (target, table) that was loaded into, sorted."""
        columns = (db.loads.c.target, db.loads.c.table_name)
        with db.transaction(self._engine) as connection:
            return tuple(
                (str(row[0]), str(row[1])) for row in connection.execute(select(*columns).distinct().order_by(*columns))
            )

    def forget_loads(self, target: str, table: str, load_ids: Collection[str]) -> None:
        """Remember those loads no longer: a person accepts that the target has lost them."""
        where = and_(db.loads.c.target == target, db.loads.c.table_name == table, db.loads.c.load_id.in_(load_ids))
        with db.transaction(self._engine) as connection:
            connection.execute(delete(db.loads).where(where))

    def knows(self, run_id: str) -> bool:
        """Whether a run of that id lives in this home."""
        with db.transaction(self._engine) as connection:
            return connection.execute(select(db.runs.c.run_id).where(db.runs.c.run_id == run_id)).first() is not None

    def loads_of_goal(self, goal: str) -> tuple[LoadRecord, ...]:
        """What every run of those words has loaded, oldest first."""
        query = select(db.loads).join(db.runs, db.runs.c.run_id == db.loads.c.run_id).where(db.runs.c.goal == goal)
        with db.transaction(self._engine) as connection:
            return tuple(_load(row) for row in connection.execute(query.order_by(db.loads.c.at)).mappings())

    def has_written(self, target: str, table: str) -> bool:
        """Whether a run of this home loaded into that table. `target` is `Connection.url`; a name may move."""
        query = select(db.loads.c.run_id).where(db.loads.c.target == target, db.loads.c.table_name == table).limit(1)
        with db.transaction(self._engine) as connection:
            return connection.execute(query).first() is not None


def _upsert(connection: Connection, table: Table, keys: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    where = and_(*(table.c[name] == value for name, value in keys.items()))
    if connection.execute(update(table).where(where).values(**values)).rowcount == 0:
        connection.execute(insert(table).values(**keys, **values))


def _task(row: Mapping[Any, Any]) -> TaskRecord:
    outcome = row["outcome"]
    done = row["status"] == "done"
    return TaskRecord(
        step=row["step"],
        kind=row["kind"],
        status=row["status"],
        at=row["at"],
        result=TaskResult(**outcome) if done else None,
        failure=None if done else StepFailure.from_dict(outcome),
    )


def _load(row: Mapping[Any, Any]) -> LoadRecord:
    values = dict(row)
    return LoadRecord(table=values.pop("table_name"), **values)


def _plain(value: Any) -> Any:
    """The value with everything that JSON has no word for as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
