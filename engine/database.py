"""The run store's database: its tables, how it is opened, its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    exc,
    insert,
    inspect,
    make_url,
    select,
)

from agent_etl.engine.errors import AgentEtlError, Busy, ConnectionLost, DiskFull, SettingsError
from agent_etl.engine.lease import Holder, held
from agent_etl.engine.security.paths import prepare_home, private_file
from agent_etl.engine.security.secrets import redact, resolve

__all__ = ["VERSION", "audit", "documents", "loads", "opened", "runs", "tasks", "transaction"]

_PATIENCE = 30.0

VERSION = 1
"""The version of the tables below; a store that a newer agent-etl made is not opened."""

_metadata = MetaData()

meta = Table("etl_meta", _metadata, Column("version", Integer, nullable=False))

runs = Table(
    "etl_runs",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("goal", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("updated_at", String(40), nullable=False),
    Column("request", JSON, nullable=False),
    Column("fields", JSON, nullable=False),
)

documents = Table(
    "etl_documents",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("text", Text, nullable=False),
)

tasks = Table(
    "etl_tasks",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("step", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("at", String(40), nullable=False),
    Column("outcome", JSON, nullable=False),
)

audit = Table(
    "etl_audit",
    _metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False),
    Column("at", String(40), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("etl_audit_run", "run_id"),
    sqlite_autoincrement=True,
)

loads = Table(
    "etl_loads",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("step", String(64), primary_key=True),
    Column("load_id", String(64), primary_key=True),
    Column("target", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("at", String(40), nullable=False),
    Column("reconciled", Boolean, nullable=False),
    Index("etl_loads_target", "target", "table_name"),
)


def opened(home: Path, url: str | None) -> Engine:
    """The engine over `home/state.db`, or over the database at `url`, with its tables.

    Raises: SettingsError when the store is newer than this code or cannot be opened. Side effects: creates the home,
    the file (0600) and the tables.
    """
    prepare_home(home)
    if url is None:
        engine = create_engine(f"sqlite:///{private_file(home / 'state.db')}", hide_parameters=True)
        event.listen(engine, "connect", _pragmas)
    else:
        try:
            parsed = make_url(resolve(url))
            if parsed.drivername in ("postgresql", "postgres"):
                parsed = parsed.set(drivername="postgresql+psycopg")
            engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
        except (exc.ArgumentError, ImportError, ValueError):
            raise SettingsError(
                "The run store's URL leads to no database that is known here",
                store_url=redact(url),
                valid=["sqlite", "postgresql"],
                hint="correct store_url in agent_etl.toml or AGENT_ETL_STORE_URL",
            ) from None
    try:
        # SQLite makes each table by itself: two processes that open a new store must not both begin.
        with held(home / "state.lock", _refused, patience=_PATIENCE), transaction(engine) as connection:
            _prepare(connection, redact(url) if url else str(home / "state.db"))
    except BaseException:
        engine.dispose()
        raise
    return engine


def _refused(holder: Holder) -> Busy:
    return Busy("Another process makes the run store", holder=holder.pid, host=holder.host)


def _prepare(connection: Connection, where: str) -> None:
    version = None
    if inspect(connection).has_table(meta.name):
        version = connection.execute(select(meta.c.version)).scalar()
    if version is None:
        # The version is written last: tables that a killed process has half made are completed.
        _metadata.create_all(connection)
        connection.execute(insert(meta).values(version=VERSION))
    elif version > VERSION:
        raise SettingsError(
            "A newer agent-etl made this run store",
            store=where,
            found=version,
            valid=VERSION,
            hint="upgrade agent-etl, or use another home",
        )


def _pragmas(connection: Any, _record: object) -> None:
    # WAL lets readers watch a run; FULL brings every commit to the disk before the next step relies on it.
    for pragma in ("busy_timeout = 30000", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction of the store. Raises: Busy, DiskFull, ConnectionLost, SettingsError for a broken file."""
    try:
        with engine.begin() as connection:
            yield connection
    except exc.DBAPIError as error:
        raise _translate(error, engine) from error


def _translate(error: exc.DBAPIError, engine: Engine) -> AgentEtlError:
    text = str(error.orig).lower()
    store = redact(str(engine.url))
    if "locked" in text or "busy" in text:
        return Busy("The run store is locked", store=store, holder="unknown")
    if "disk is full" in text or "no space" in text:
        return DiskFull("No space left for the run store", path=store, hint="free space and resume the run")
    if "not a database" in text or "malformed" in text or "unable to open" in text or "readonly" in text:
        return SettingsError(
            "The run store cannot be used", store=store, problem=text, hint="agent-etl doctor --rebuild"
        )
    return ConnectionLost("The run store did not answer", connection=store, error=type(error.orig).__name__)
