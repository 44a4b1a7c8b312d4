"""Dead letters for people: what was set aside beside which table, and how it is replayed."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_etl.connectors.registry import Registry, open_connections
from agent_etl.connectors.reread import reread
from agent_etl.engine.duck import arrow_reader, attached, connected, literal, run
from agent_etl.engine.errors import AgentEtlError, UnknownRun, UsageError
from agent_etl.engine.plan import Load, Plan
from agent_etl.engine.replay import Group, Replay, Replayed, groups, letters_of
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore, new_run_id
from agent_etl.graphs.archive import Archive
from agent_etl.graphs.request import Request, settings_for

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LetterCount", "list_letters", "replay_letters", "show_letters"]

Home = Path | str | None
SHOWN = 20


@dataclass(frozen=True, slots=True)
class LetterCount:
    """So many rows were set aside beside `table` by one step of one run, for one reason. `check` None: by the read."""

    target: str
    table: str
    run_id: str
    step: str
    check: str | None
    reason: str
    state: str
    rows: int


def list_letters(
    place: str | None = None, *, home: Home = None, connections: Mapping[str, str] | None = None
) -> tuple[LetterCount, ...]:
    """What was set aside: beside one table (`target:table`), in one target, or (None) in every named connection.

    Raises: SettingsError for an unknown target, ConnectionLost. A connection that is no target, or cannot be reached
    and was not asked for by name, is left out.
    """
    with _opened(home, connections or {}) as desk:
        if place is not None:
            target, table = _place(place)
            return tuple(desk.counts(target, table))
        found: list[LetterCount] = []
        for name in desk.registry.names():
            try:
                found += desk.counts(name, None)
            except AgentEtlError:
                continue
        return tuple(found)


def show_letters(
    place: str,
    *,
    limit: int = SHOWN,
    reason: str | None = None,
    home: Home = None,
    connections: Mapping[str, str] | None = None,
) -> "pa.Table":
    """The dead letters beside `target:table`, the open ones first; `reason`: those whose reason holds that text."""
    target, table = _place(place)
    if table is None:
        raise UsageError("Name a table", got=place, hint="write TARGET:TABLE")
    having = f"contains(reason, {literal(reason)})" if reason else "true"
    with _opened(home, connections or {}) as desk, connected() as duck:
        tables = []
        for dataset in desk.registry[target].target().letters(table):
            with attached(duck, letters_of(desk.registry, target, dataset)) as select:
                own = f"{_same(table)} AND {having}"
                order = "\"state\" <> 'open', set_aside_at, load_id, step, number"
                wanted = f"SELECT * FROM ({select}) WHERE {own} ORDER BY {order} LIMIT {int(limit)}"
                tables.append(arrow_reader(duck, wanted).read_all())
        if not tables:
            raise UsageError("Nothing was set aside beside this table", target=target, table=table)
        found: pa.Table = tables[0]
        return found


def replay_letters(
    what: str, *, plan: Plan | None = None, home: Home = None, connections: Mapping[str, str] | None = None
) -> tuple[Replayed, ...]:
    """Replay the open letters of a run, or beside `target:table`: through `plan`, else through the plan of their run.

    What passes is loaded and closed, what does not stays open with its new reason. Doing it again does nothing twice.
    Raises: UnknownRun; UsageError when no plan is known; PlanError when the plan cannot take the rows alone; what
    loading raises: groups that were replayed before stay so. Side effects: targets, their dead letters, the audit.
    """
    target, table = _place(what)
    given = dict(connections or {})
    with _opened(home, given, run_id=None if table else what) as desk:
        done: list[Replayed] = []
        for name, group in desk.open(target, table) if table else desk.of_run(what, plan):
            chosen = plan or desk.plan(group.run_id)
            load = desk.load(chosen, name, group.table)
            done.append(desk.replay(chosen, load, group))
        return tuple(done)


@contextmanager
def _opened(home: Home, connections: Mapping[str, str], run_id: str | None = None) -> Iterator["_Desk"]:
    settings = load_settings(home=home, connections=connections)
    with RunStore(settings.home, url=settings.store_url) as store:
        folder = None
        if run_id is not None:
            request = Request.of(store.get_run(run_id))
            settings, folder = settings_for(request, home, connections), Path(request.folder)
        with closing(open_connections(settings, cwd=folder)) as registry:
            yield _Desk(settings, store, registry)


@dataclass(frozen=True)
class _Desk:
    """A home with its store and connections."""

    settings: Settings
    store: RunStore
    registry: Registry

    def counts(self, target: str, table: str | None) -> Iterator[LetterCount]:
        connection = self.registry[target]
        for dataset in connection.target().letters(table):
            with connected() as duck, attached(duck, letters_of(self.registry, target, dataset)) as select:
                key = '"table", run_id, step, check_name, reason, "state"'
                own = _same(table) if table else "true"
                counted = f"SELECT {key}, count(*) FROM ({select}) WHERE {own} GROUP BY ALL ORDER BY {key}"
                found = run(duck, counted).fetchall()
            yield from (LetterCount(target, *row) for row in found)

    def open(self, target: str, table: str) -> Iterator[tuple[str, Group]]:
        for dataset in self.registry[target].target().letters(table):
            for group in groups(letters_of(self.registry, target, dataset), _same(table)):
                yield target, group

    def of_run(self, run_id: str, plan: Plan | None) -> Iterator[tuple[str, Group]]:
        for load in (plan or self.plan(run_id)).loads:
            for target, group in self.open(load.target, load.table):
                if group.run_id == run_id:
                    yield target, group

    def plan(self, run_id: str) -> Plan:
        """The plan that a run worked with. Raises: UsageError when this home does not know the run."""
        try:
            row = self.store.get_run(run_id)
            return Archive(self.store, run_id).plan(str(row.fields.get("plan") or Request.of(row).plan))
        except UnknownRun as error:
            raise UsageError(
                "This home does not know the run that set these rows aside",
                run=run_id,
                home=str(self.store.home),
                hint="give its plan: --plan plan.yaml",
            ) from error

    def load(self, plan: Plan, target: str, table: str) -> Load:
        """The plan's load into that table. Raises: UsageError."""
        url = self.registry[target].url
        for load in plan.loads:
            mine = load.table.lower()
            if self.registry[load.target].url == url and table.lower() in (mine, mine.rpartition(".")[2]):
                return load
        raise UsageError(
            "The plan loads no such table",
            target=target,
            table=table,
            valid=[f"{load.target}:{load.table}" for load in plan.loads],
        )

    def replay(self, plan: Plan, load: Load, group: Group) -> Replayed:
        replay = Replay(
            plan,
            load,
            run_id=f"replay-{new_run_id()}",
            connections=self.registry,
            stage=Stage(self.settings.home / "stage"),
            store=self.store,
            settings=self.settings,
            reread=reread,
        )
        done = replay.run(group)
        counts = {"replayed": done.replayed, "loaded": done.loaded, "open": done.open}
        self.store.audit(group.run_id, "quarantine", "replayed", {"step": group.step, "table": group.table, **counts})
        return done


def _same(table: str) -> str:
    """The condition that a letter is of that table, however its schema and case are written."""
    spelled = {literal(name.lower()) for name in (table, table.rpartition(".")[2])}
    return f'lower("table") IN ({", ".join(sorted(spelled))})'


def _place(text: str) -> tuple[str, str | None]:
    """`target:table`, or a target alone; a URL's own colons are none."""
    head, colon, table = text.rpartition(":")
    if not colon or table.startswith("//") or ("://" in text and "://" not in head):
        return text, None
    return head, table or None
