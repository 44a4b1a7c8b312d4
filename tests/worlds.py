"""Small worlds to plan over: real DuckDB tables behind a catalogue and a measuring prober; plans are executed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

import duckdb

from agent_etl.agents.planner import PlanDraft, PlanRequest
from agent_etl.agents.rules.planner import RulesPlanner
from agent_etl.engine.duck import quote
from agent_etl.engine.plan import Plan
from agent_etl.engine.ports import KeyFacts, Overlap, ValueFacts
from agent_etl.engine.schema import Catalogue, Column, ForeignKey, Table


@cache
def _duck() -> duckdb.DuckDBPyConnection:
    """The one DuckDB that all worlds are databases of: each of its own would take longer to start than its test."""
    return duckdb.connect(config={"python_enable_replacements": "false"})


_numbers = count(1)


class World:
    """A DuckDB database as sources. Each dataset is `connection.dataset`; the prober measures it for real."""

    def __init__(self) -> None:
        self._name = f"world_{next(_numbers)}"
        self.con = _duck().cursor()
        self.con.execute(f"ATTACH ':memory:' AS {self._name}; USE {self._name}")
        self.tables: dict[tuple[str, str], Table] = {}
        self.connections: dict[str, str] = {"here": "files", "warehouse": "duckdb"}
        self.missing: tuple[str, ...] = ()

    def close(self) -> None:
        """Forget the database."""
        self.con.execute(f"USE memory; DETACH {self._name}")
        self.con.close()

    def add(
        self,
        name: str,
        sql: str,
        *,
        key: Sequence[str] = (),
        references: Mapping[str, tuple[str, str]] | None = None,
        connection: str = "here",
        kind: str = "files",
    ) -> "World":
        """A table from SQL (`VALUES …` or a SELECT) under `connection` and dataset `name`."""
        self.connections.setdefault(connection, kind)
        where = quote(f"{connection}:{name}")
        self.con.execute(f"CREATE TABLE {where} AS {sql}")
        described = self.con.execute(f"DESCRIBE {where}").fetchall()
        columns = tuple(Column(row[0], row[1]) for row in described)
        keys = tuple(ForeignKey((a,), t, (b,)) for a, (t, b) in (references or {}).items())
        rows = self.con.execute(f"SELECT count(*) FROM {where}").fetchall()[0][0]
        table = Table(connection, name, columns, primary_key=tuple(key), foreign_keys=keys, rows=rows)
        self.tables[(connection, name)] = table
        return self

    def at(self, table: Table) -> str:
        """The quoted name of the table here."""
        return quote(f"{table.connection}:{table.dataset}")

    @property
    def catalogue(self) -> Catalogue:
        """What a survey would see."""
        return Catalogue(tuple(self.tables.values()), dict(self.connections), missing=self.missing)

    # -- the prober -------------------------------------------------------------------------------------------------

    def keys(self, table: Table, columns: Sequence[str]) -> KeyFacts:
        """Measured."""
        names = ", ".join(quote(one) for one in columns)
        present = " AND ".join(f"{quote(one)} IS NOT NULL" for one in columns)
        row = self.con.execute(
            f"SELECT (SELECT count(*) FROM {self.at(table)}),"
            f" (SELECT count(*) FROM (SELECT DISTINCT {names} FROM {self.at(table)} WHERE {present})),"
            f" (SELECT count(*) FROM {self.at(table)} WHERE NOT ({present}))"
        ).fetchall()[0]
        return KeyFacts(*row)

    def overlap(self, left: Table, left_on: Sequence[str], right: Table, right_on: Sequence[str]) -> Overlap:
        """Measured, keys compared as text."""
        on = " AND ".join(
            f"l.{quote(a)}::VARCHAR = r.{quote(b)}::VARCHAR" for a, b in zip(left_on, right_on, strict=True)
        )
        row = self.con.execute(
            f"SELECT (SELECT count(*) FROM {self.at(left)}),"
            f" (SELECT count(*) FROM {self.at(left)} l WHERE NOT EXISTS (SELECT 1 FROM {self.at(right)} r WHERE {on})),"
            f" (SELECT count(*) FROM {self.at(right)}),"
            f" (SELECT count(*) FROM {self.at(right)} r WHERE NOT EXISTS (SELECT 1 FROM {self.at(left)} l WHERE {on}))"
        ).fetchall()[0]
        return Overlap(*row)

    def values(self, table: Table, column: str, top: int = 20) -> ValueFacts:
        """Measured."""
        name = quote(column)
        rows, nulls, distinct, low, high = self.con.execute(
            f"SELECT count(*), count(*) - count({name}), count(DISTINCT {name}), min({name})::VARCHAR,"
            f" max({name})::VARCHAR FROM {self.at(table)}"
        ).fetchall()[0]
        found = self.con.execute(
            f"SELECT {name}::VARCHAR v, count(*) n FROM {self.at(table)} WHERE {name} IS NOT NULL GROUP BY 1"
            f" ORDER BY n DESC, v LIMIT {top}"
        ).fetchall()
        return ValueFacts(rows, nulls, distinct, low, high, tuple((str(v), int(n)) for v, n in found))

    def count(self, table: Table, column: str, value: str, *, fold: bool = False) -> int:
        """Measured."""
        name = f"{quote(column)}::VARCHAR"
        test = f"lower(trim({name})) = lower(trim(?))" if fold else f"{name} = ?"
        found = self.con.execute(f"SELECT count(*) FROM {self.at(table)} WHERE {test}", [value]).fetchall()
        return int(found[0][0])

    # -- planning and running ---------------------------------------------------------------------------------------

    def plan(self, goal: str, **answers: str) -> PlanDraft:
        """The draft of a goal; answers by question id, with `-` written as `_` or as given."""
        return RulesPlanner().plan(PlanRequest(goal, self.catalogue, self, answers))

    def answered(self, goal: str, *values: str) -> PlanDraft:
        """The draft after answering each question as it comes with the next value."""
        answers: dict[str, str] = {}
        draft = self.plan(goal)
        for value in values:
            assert draft.questions, f"nothing was asked about {goal!r}: {draft.refusals}"
            answers[draft.questions[0].id] = value
            draft = RulesPlanner().plan(PlanRequest(goal, self.catalogue, self, answers))
        return draft

    def run(self, plan: Plan) -> list[tuple[Any, ...]]:
        """The rows that the plan's load receives, in order: every step is executed by DuckDB."""
        con = self.con.cursor()
        con.execute(f"USE {self._name}; DROP SCHEMA IF EXISTS run_ CASCADE; CREATE SCHEMA run_; USE {self._name}.run_")
        for one in plan.extracts:
            table = self.tables[(one.source, one.dataset)]
            names = ", ".join(quote(name) for name in (one.columns or [c.name for c in table.columns]))
            where = f" WHERE {one.where}" if one.where else ""
            con.execute(f"CREATE VIEW run_.{quote(one.name)} AS SELECT {names} FROM main.{self.at(table)}{where}")
        for step in plan.transforms:
            con.execute(f"CREATE VIEW run_.{quote(step.name)} AS {step.sql}")
        cursor = con.execute(f"SELECT * FROM run_.{quote(plan.loads[0].from_)}")
        self.columns = [item[0] for item in cursor.description]
        rows = cursor.fetchall()
        con.close()
        return rows

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of hand-written SQL; `{name}` stands for the table of that bare name."""
        names = {table.name: self.at(table) for table in self.tables.values()}
        return self.con.execute(sql.format(**names)).fetchall()

    def without(self, name: str) -> "World":
        """Forget a table."""
        self.tables = {at: table for at, table in self.tables.items() if table.name != name}
        return self

    def typed(self, name: str, column: str, type_: str) -> "World":
        """Declare another type for a column."""
        for at, table in self.tables.items():
            if table.name == name:
                columns = tuple(replace(one, type=type_) if one.name == column else one for one in table.columns)
                self.tables[at] = replace(table, columns=columns)
        return self

    def agrees(self, goal: str, sql: str) -> Plan:
        """The goal's plan, after its rows were found to be those of hand-written SQL, in order when the plan orders."""
        draft = self.plan(goal)
        assert draft.plan is not None, (goal, draft.questions, draft.refusals)
        found, wanted = self.run(draft.plan), self.rows(sql)
        if "ORDER BY" not in sql:
            found, wanted = sorted(found, key=repr), sorted(wanted, key=repr)
        assert found == wanted, (goal, found, wanted)
        return draft.plan
