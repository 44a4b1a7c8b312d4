"""Replay: rows that were set aside go through the plan again, from where they were, into the same target.

All letters that one load set aside at one step are one load of their own. Its rows, its marker and the letters' new
state are one transaction, so a replay that is killed or done twice loads nothing twice.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from agent_etl.engine.dag import Dag
from agent_etl.engine.deadletters import COLUMNS, empty
from agent_etl.engine.duck import Cursor, attached, columns_of, connected, literal, quote, run
from agent_etl.engine.errors import PlanError, Transient
from agent_etl.engine.executor import Executor
from agent_etl.engine.extraction import needed
from agent_etl.engine.loading import Errand, Rows, load, loaded_before, settle
from agent_etl.engine.plan import Check, Extract, Load, Plan, Transform
from agent_etl.engine.ports import Aside, Connections, Relation
from agent_etl.engine.quality import failing
from agent_etl.engine.rowwise import obstacle
from agent_etl.engine.sandbox import check_select
from agent_etl.engine.schema import Column
from agent_etl.engine.settings import Settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore
from agent_etl.engine.tasks import fingerprint

__all__ = ["Group", "Replay", "Replayed", "groups", "letters_of"]

NUMBER, WRONG = "agent_etl number", "agent_etl wrong"
_LETTERS, _WRONGS = '"agent_etl letters"', '"agent_etl wrongs"'
_ATTEMPTS = 3

Reread = Callable[[Mapping[str, Any], Mapping[str, Any], Sequence[str] | None, Iterable[tuple[int, str]]], Relation]
"""Makes rows of the raw texts of a read: connectors/reread.py."""


@dataclass(frozen=True, slots=True)
class Group:
    """Open letters of one table that one load set aside at one step, by its checks or (`checked` false) by the read."""

    table: str
    load_id: str
    step: str
    run_id: str
    checked: bool
    count: int

    @property
    def condition(self) -> str:
        """The condition, as SQL, that a letter is one of them."""
        texts = {"table": self.table, "load_id": self.load_id, "step": self.step, "state": "open"}
        equal = [f"{quote(name)} = {literal(text)}" for name, text in texts.items()]
        return " AND ".join([*equal, f"check_name IS {'NOT ' if self.checked else ''}NULL"])


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a group: `replayed` letters are closed, `loaded` rows came of them, `open` letters stay."""

    group: Group
    replayed: int
    loaded: int
    open: int


def letters_of(connections: Connections, target: str, dataset: str) -> Relation:
    """A dead-letter dataset as rows."""
    types = {column.name: column.type for column in COLUMNS}
    options = {"types": types, "keys": {name: name for name in types}}
    return connections[target].source().scan(dataset, options=options)


def groups(relation: Relation, where: str = "true") -> tuple[Group, ...]:
    """The groups of open letters, the oldest first."""
    key = '"table", load_id, step, run_id, check_name IS NOT NULL'
    with connected() as duck, attached(duck, relation) as select:
        found = run(
            duck,
            f"SELECT {key}, count(*) FROM ({select}) WHERE \"state\" = 'open' AND ({where}) GROUP BY ALL "
            f"ORDER BY min(set_aside_at), {key}",
        ).fetchall()
    return tuple(Group(*row) for row in found)


class _Settled(Exception):
    """None of the group's letters is open any more."""


class Replay:
    """Replays groups of letters beside the table of one load of a plan. Raises at making: PlanError, GuardError."""

    def __init__(
        self,
        plan: Plan,
        step: Load,
        *,
        run_id: str,
        connections: Connections,
        stage: Stage,
        store: RunStore,
        settings: Settings,
        reread: Reread,
    ) -> None:
        self._plan = plan
        self._step = step
        self._run_id = run_id
        self._connections = connections
        self._stage = stage
        self._store = store
        self._settings = settings
        self._reread = reread
        self._dag = Dag(plan)

    def run(self, group: Group) -> Replayed:
        """Replay the group. Raises: PlanError for a plan that cannot take its rows alone; what loading raises.

        Side effects: the target's rows, marker and letters, in one transaction; the mirror.
        """
        # Rows of a replaced table come back beside those that it has; a part of the rows says nothing of missing keys.
        mode = "append" if self._step.mode == "replace" else self._step.mode
        step = self._step.model_copy(update={"mode": mode, "delete_missing": False})
        load_id = fingerprint("replay", self._run_id, group.load_id, group.step, group.checked)
        errand = Errand(step, load_id, group.run_id, self._plan.hash)
        path = self._path(group)
        done: Replayed | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                connection = self._connections[step.target]
                # A commit whose reply was lost: the marker says whether it happened.
                if done is not None and loaded_before(errand, connection, self._store) is not None:
                    return done
                with self._prepared(group, path, load_id) as (rows, aside, done):
                    if not aside.count:
                        return done
                    outcome = load(errand, replace(rows, aside=aside), connection)
                    settle(errand, connection, self._store, done.loaded, outcome, aside.count)
                    return done
            except _Settled:
                return Replayed(group, 0, 0, 0)
            except Transient:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _path(self, group: Group) -> tuple[Transform, ...]:
        """The transforms between the group's step and the load, each of which must work row by row."""
        made = self._dag.steps.get(group.step)
        if not isinstance(made, Extract | Transform) or group.step not in self._dag.upstream(self._step.name):
            raise PlanError(
                "The plan has no such step on the way to this table", step=group.step, table=self._step.table
            )
        order = [task.name for task in self._dag.tasks()]
        way = [n for n in order if n in self._dag.upstream(self._step.name) and group.step in self._dag.upstream(n)]
        path: list[Transform] = []
        for name in way:
            step = self._dag.steps[name]
            if name == group.step or not isinstance(step, Transform):
                continue
            why = self._obstacle(step, way)
            if why:
                raise PlanError(
                    "Rows that were set aside cannot go through this step alone",
                    step=name,
                    problem=f"it {why}",
                    hint="mend the source or the plan and run the plan again as a whole",
                )
            path.append(step)
        return tuple(path)

    def _obstacle(self, step: Transform, way: Sequence[str]) -> str:
        """Why a transform on the way cannot take some rows alone; empty when it can."""
        inputs = [other for other in self._dag.inputs[step.name] if other in way]
        if len(inputs) != 1:
            return "reads the rows on two ways"
        beside = {
            name for other in self._dag.inputs[step.name] if other not in way for name in self._dag.upstream(other)
        }
        for extract in self._plan.extracts:
            if extract.name in beside and extract.incremental is not None:
                return f"joins {extract.name}, of which only new rows are read"
        return obstacle(check_select(step.sql, self._dag.inputs[step.name]), inputs[0])

    @contextmanager
    def _prepared(
        self, group: Group, path: Sequence[Transform], load_id: str
    ) -> Iterator[tuple[Rows, Aside, Replayed]]:
        with self._stage.scratch("replay") as folder, connected(temp=folder) as duck:
            run(duck, "SET GLOBAL arrow_lossless_conversion = true")
            self._take(group, duck)
            self._given(group, duck)
            last = self._through(group, path, duck)
            columns = tuple(c for c in columns_of(duck, f"FROM {quote(last)}") if c.name not in (NUMBER, WRONG))
            names = ", ".join(quote(column.name) for column in columns)
            good = f"SELECT {names} FROM {quote(last)} WHERE {quote(NUMBER)} NOT IN (SELECT number FROM {_WRONGS})"
            with self._stage.writer(load_id, columns) as writer:
                loaded = writer.write(duck, f"{good} ORDER BY {quote(NUMBER)}")
                manifest = writer.seal(rows_in=loaded)
            outcome = folder / "outcome.parquet"
            run(duck, f"COPY ({_outcome(group, load_id)}) TO {literal(str(outcome))} (FORMAT parquet)")
            count = _number(duck, f"SELECT count(*) FROM read_parquet({literal(str(outcome))})")
            still = _number(duck, f"SELECT count(*) FROM {_WRONGS}")
            settled = tuple(Column(name, _TYPES[name]) for name in _SETTLED)
            aside = Aside(Relation(settled, sql=f"read_parquet({literal(str(outcome))})"), count, settling=True)
            rows = Rows(self._stage.relation(manifest), manifest.digest)
            try:
                yield (
                    rows,
                    aside,
                    Replayed(group, _number(duck, f"SELECT count(*) FROM {_LETTERS}") - still, loaded, still),
                )
            finally:
                self._stage.discard(manifest.fingerprint)

    def _take(self, group: Group, duck: Cursor) -> None:
        """The group's letters as the table `letters`; those that cannot be replayed yet gather in `wrong`."""
        target = self._connections[self._step.target].target()
        names = "number, check_name, column_name, reason, raw, cut_bytes, row_schema"
        run(duck, f"CREATE TABLE {_LETTERS} AS SELECT {names} FROM {empty().sql}")
        run(duck, f"CREATE TABLE {_WRONGS} (number BIGINT, check_name VARCHAR, column_name VARCHAR, reason VARCHAR)")
        for dataset in target.letters(self._step.table):
            relation = letters_of(self._connections, self._step.target, dataset)
            with attached(duck, relation) as select:
                run(duck, f"INSERT INTO {_LETTERS} SELECT {names} FROM ({select}) WHERE {group.condition}")
        cut = f"SELECT number, check_name, NULL, 'only the beginning of the row was kept' FROM {_LETTERS}"
        run(duck, f"INSERT INTO {_WRONGS} {cut} WHERE cut_bytes IS NOT NULL")

    def _given(self, group: Group, duck: Cursor) -> None:
        """The letters as rows of their step, with their numbers, as the table named like the step."""
        schemas = run(duck, f"SELECT DISTINCT row_schema FROM {_LETTERS}").fetchall()
        if not schemas:
            raise _Settled
        how = json.loads(schemas[0][0])
        name = quote(group.step)
        if group.checked:
            types = tuple(Column(column, kind) for column, kind in how["types"].items())
            run(duck, f"CREATE TABLE {name} AS {_typed(types)}")
        else:
            self._again(group, how, duck)
        run(
            duck,
            f"INSERT INTO {_WRONGS} SELECT {quote(NUMBER)}, NULL, nullif(split_part({quote(WRONG)}, ': ', 1), ''), "
            f"split_part({quote(WRONG)}, ': ', 2) FROM {name} WHERE {quote(WRONG)} IS NOT NULL",
        )
        run(duck, f"DELETE FROM {name} WHERE {quote(WRONG)} IS NOT NULL")
        run(duck, f"ALTER TABLE {name} DROP COLUMN {quote(WRONG)}")
        step = self._dag.steps[group.step]
        if isinstance(step, Extract) and not group.checked:
            where = f" WHERE ({step.where}\n)" if step.where else ""
            found = columns_of(duck, f"FROM {name}")
            chosen = [NUMBER, *(step.columns or [column.name for column in found if column.name != NUMBER])]
            items = ", ".join(f"{quote(column)} AS {quote(column)}" for column in chosen)
            run(duck, f"CREATE OR REPLACE TABLE {name} AS SELECT {items} FROM {name}{where}", step=step.name)

    def _again(self, group: Group, how: Mapping[str, Any], duck: Cursor) -> None:
        step = self._dag.steps[group.step]
        assert isinstance(step, Extract)
        whole = f"SELECT number, raw FROM {_LETTERS} WHERE cut_bytes IS NULL ORDER BY number"
        raws = run(duck.cursor(), whole)

        def each() -> Iterator[tuple[int, str]]:
            while found := raws.fetchmany(500):
                yield from ((int(number), str(raw)) for number, raw in found)

        relation = self._reread(how, step.options, needed(step), each())
        with attached(duck, relation) as select:
            run(duck, f"CREATE TABLE {quote(group.step)} AS {select}")

    def _through(self, group: Group, path: Sequence[Transform], duck: Cursor) -> str:
        """Run the checks and the transforms on the way; the name of the last table."""
        self._judge(group.step, duck)
        if not path:
            return group.step
        with closing(self._executor()) as others:
            for step in path:
                for other in self._dag.inputs[step.name]:
                    if other not in _tables(duck):
                        with attached(duck, others.relation(other)) as select:
                            run(duck, f"CREATE TABLE {quote(other)} AS {select}", step=other)
                run(duck, f"CREATE TABLE {quote(step.name)} AS {self._numbered(step, duck)}", step=step.name)
                self._judge(step.name, duck)
        return self._step.from_

    def _executor(self) -> Executor:
        """Makes the rows that the plan's other sources have now."""
        return Executor(
            self._plan,
            run_id=self._run_id,
            connections=self._connections,
            stage=self._stage,
            store=self._store,
            settings=self._settings,
        )

    def _numbered(self, step: Transform, duck: Cursor) -> str:
        """The step's query with the number of the letter that each row came of."""
        if any(column.name == NUMBER for column in columns_of(duck, step.sql, step=step.name)):
            return step.sql
        query = check_select(step.sql, list(self._dag.inputs[step.name]))
        return str(query.select(quote(NUMBER), dialect="duckdb").sql(dialect="duckdb"))

    def _judge(self, name: str, duck: Cursor) -> None:
        """Rows of a step that fail a check are wrong again; checks of all rows together say nothing of a part."""
        columns = tuple(c for c in columns_of(duck, f"FROM {quote(name)}") if c.name != NUMBER)
        for check in self._plan.checks:
            if check.on != name or check.severity == "warn" or check.kind == "row_count":
                continue
            condition, expected = failing(check, f"SELECT * FROM {quote(name)}", columns)
            told = f"{literal(check.name)}, {_column(check)}, {literal(f'expected {expected}')}"
            found = f"SELECT DISTINCT {quote(NUMBER)}, {told} FROM {quote(name)} WHERE {condition}"
            new = f"{quote(NUMBER)} NOT IN (SELECT number FROM {_WRONGS})"
            run(duck, f"INSERT INTO {_WRONGS} {found} AND {new}", step=check.name)
        run(duck, f"DELETE FROM {quote(name)} WHERE {quote(NUMBER)} IN (SELECT number FROM {_WRONGS})")


_SETTLED = (
    "table", "load_id", "step", "number", "check_name", "column_name", "reason", "state", "settled_by", "settled_at",
)  # fmt: skip
_TYPES = {column.name: column.type for column in COLUMNS}


def _outcome(group: Group, load_id: str) -> str:
    """What changes of the letters: those that are replayed, and those that are wrong for another reason than before."""
    own = f'{literal(group.table)} AS "table", {literal(group.load_id)} AS load_id, {literal(group.step)} AS step'
    now = literal(datetime.now(UTC).isoformat(timespec="microseconds"))
    differs = " OR ".join(f"l.{name} IS DISTINCT FROM w.{name}" for name in ("check_name", "column_name", "reason"))
    closed = (
        f"SELECT {own}, number, check_name, column_name, reason, 'replayed' AS state, {literal(load_id)} AS settled_by"
        f", {now} AS settled_at FROM {_LETTERS} WHERE number NOT IN (SELECT number FROM {_WRONGS})"
    )
    still = (
        f"SELECT {own}, w.number, w.check_name, w.column_name, w.reason, 'open', NULL::VARCHAR, NULL::VARCHAR "
        f"FROM {_WRONGS} AS w JOIN {_LETTERS} AS l USING (number) WHERE {differs}"
    )
    return f"{closed} UNION ALL {still}"


def _typed(columns: Sequence[Column]) -> str:
    """Rows that failed a check, of their JSON text."""
    items, wrong = [], ["NULL"]
    for column in columns:
        pointer = literal("/" + column.name.replace("~", "~0").replace("/", "~1"))
        cell = f"(raw ->> {pointer})"
        items.append(f"TRY_CAST({cell} AS {column.type}) AS {quote(column.name)}")
        told = literal(f"{column.name}: does not fit the type")
        wrong.append(f"CASE WHEN {cell} IS NOT NULL AND TRY_CAST({cell} AS {column.type}) IS NULL THEN {told} END")
    told = f"coalesce({', '.join(wrong)})::VARCHAR AS {quote(WRONG)}"
    return f"SELECT number AS {quote(NUMBER)}, {told}, {', '.join(items)} FROM {_LETTERS} WHERE cut_bytes IS NULL"


def _tables(duck: Cursor) -> set[str]:
    return {str(row[0]) for row in run(duck, "SELECT table_name FROM duckdb_tables()").fetchall()}


def _column(check: Check) -> str:
    return literal(", ".join(check.columns)) if check.columns else "NULL"


def _number(duck: Cursor, sql: str) -> int:
    return int(run(duck, sql).fetchall()[0][0])
