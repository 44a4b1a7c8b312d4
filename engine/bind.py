"""Binding: every step's output columns with types, found by DuckDB over empty tables; nothing is read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from agent_etl.engine.complaints import explain, nearest
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import GuardError
from agent_etl.engine.functions import NAMES
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Extract, Plan, Transform
from agent_etl.engine.sandbox import Sandbox, check_expression, check_select
from agent_etl.engine.schema import Catalogue, Column, Table

__all__ = ["Binding", "bind", "reads"]

_PLAIN = {
    "empty SQL": "its SQL is empty",
    "several statements": "its SQL holds several statements",
    "unreadable SQL": "its SQL cannot be read",
}
"""Refusals of the guard that are about no construct."""

_TEXT = {"VARCHAR", "JSON", "BLOB", "BIT"}


@dataclass(frozen=True, slots=True)
class Binding:
    """What each step gives: `columns` by step, the checked `queries` of transforms, the steps that each `reads`.

    `sources` are the surveyed tables of the extracts. A step that does not bind is in none of them and has a finding;
    steps that read it are left out without another one.
    """

    columns: Mapping[str, tuple[Column, ...]]
    queries: Mapping[str, exp.Query]
    reads: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, Table]
    findings: tuple[Finding, ...]

    def column(self, step: str, name: str) -> Column | None:
        """The output column of that name, ignoring case, or None."""
        for column in self.columns.get(step, ()):
            if column.name.lower() == name.lower():
                return column
        return None

    def unread(self, plan: Plan, steps: Sequence[Extract | Transform]) -> list[str]:
        """Names of those of `steps` that nothing in the plan reads; none while a step cannot be read yet."""
        if any(step.name not in self.reads for step in plan.transforms):
            return []
        read = {name for names in self.reads.values() for name in names}
        read |= {load.from_ for load in plan.loads} | {check.on for check in plan.checks}
        return [step.name for step in steps if step.name not in read]


def reads(query: exp.Expr, steps: Mapping[str, int]) -> tuple[str, ...]:
    """The steps that a query names, in their order; `steps` are the places of all that it may name.

    A CTE that has a step's name hides it only for the CTE.
    """
    named = {table.name.lower() for table in query.find_all(exp.Table) if not table.db}
    return tuple(sorted(named & steps.keys(), key=steps.__getitem__))


def bind(plan: Plan, catalogue: Catalogue) -> Binding:
    """Bind a whole plan: extracts to their surveyed tables, each transform's SQL in order, checks' expressions.

    A source that the catalogue does not hold is left to the extract agent. No side effects, no data is read.
    """
    with Sandbox() as sandbox:
        return _Binder(plan, catalogue, sandbox).run()


class _Binder:
    def __init__(self, plan: Plan, catalogue: Catalogue, sandbox: Sandbox) -> None:
        self.plan = plan
        self.catalogue = catalogue
        self.sandbox = sandbox
        self.columns: dict[str, tuple[Column, ...]] = {}
        self.queries: dict[str, exp.Query] = {}
        self.reads: dict[str, tuple[str, ...]] = {}
        self.sources: dict[str, Table] = {}
        self.findings: list[Finding] = []
        self.visible = {extract.name: place for place, extract in enumerate(plan.extracts)}

    def run(self) -> Binding:
        for extract in self.plan.extracts:
            self._extract(extract)
        for transform in self.plan.transforms:
            self._transform(transform)
            self.visible[transform.name] = len(self.visible)
        for check in self.plan.checks:
            if check.sql is not None and check.on in self.columns:
                self._expression(check.name, check.sql, check.on, "sql")
        return Binding(self.columns, self.queries, self.reads, self.sources, tuple(self.findings))

    def _extract(self, step: Extract) -> None:
        table = self.catalogue.get(step.source, step.dataset)
        if table is None:
            return
        self.sources[step.name] = table
        wanted = [column.name for column in table.columns] if step.columns is None else step.columns
        chosen = []
        for name in wanted:
            column = table.column(name)
            if column is None:
                self.findings.append(_no_column(step, name, table))
                return
            chosen.append(column)
        if step.where is not None:
            source = f"{step.name} source"
            self.sandbox.create(source, table.columns)
            if not self._expression(step.name, step.where, source, "where", shown=step.dataset):
                return
        self._made(step.name, tuple(chosen))

    def _transform(self, step: Transform) -> None:
        try:
            query = check_select(step.sql, self.visible)
            self.sandbox.confirm(step.sql)
        except GuardError as error:
            made = [*(other.name for other in self.plan.extracts), *(other.name for other in self.plan.transforms)]
            self.findings.append(_guarded(step.name, error, [*self.visible], made))
            return
        used = reads(query, self.visible)
        self.reads[step.name] = used
        if any(name not in self.columns for name in used):
            return
        columns, problem = self.sandbox.describe(step.sql)
        if problem:
            self.findings.append(explain(step.name, problem, self.columns, used))
            return
        self._constants(step.name, query, [self.columns[name] for name in used], "sql")
        twice = _repeated([column.name for column in columns])
        if twice:
            message = f"two of its columns are named {twice}"
            self.findings.append(Finding("error", "duplicate_column", step.name, message, "name them apart", "sql"))
            return
        self.queries[step.name] = query
        self._made(step.name, columns)

    def _expression(self, step: str, text: str, table: str, field: str, shown: str = "") -> bool:
        known = {shown or table: self.sandbox.tables[table]}
        try:
            parsed = check_expression(text)
        except GuardError as error:
            self.findings.append(_guarded(step, error, field=field))
            return False
        columns, problem = self.sandbox.describe(f"SELECT ({text}) AS held FROM {quote(table)}")
        if problem:
            self.findings.append(explain(step, problem, known, tuple(known), field=field))
            return False
        self._constants(step, parsed, [self.sandbox.tables[table]], field)
        if columns[0].type != "BOOLEAN":
            message = f"its condition is a {columns[0].type}, not true or false"
            self.findings.append(Finding("error", "type_mismatch", step, message, "write a comparison", field))
            return False
        return True

    def _constants(self, step: str, query: exp.Expr, tables: Sequence[Sequence[Column]], field: str) -> None:
        """Constants compared with a column must be values of its type; a name of several types is left alone."""
        types: dict[str, set[str]] = {}
        for known in (column for table in tables for column in table):
            types.setdefault(known.name.lower(), set()).add(known.type)
        for column, text in _compared(query):
            kinds = types.get(column.lower(), set())
            kind = next(iter(kinds), "VARCHAR")
            if len(kinds) == 1 and kind not in _TEXT and not self.sandbox.castable(text, kind):
                message = f"{column} is a {kind} and is compared with {literal(text[:60])}, which is none"
                hint = "write a constant of the column's type"
                self.findings.append(Finding("error", "type_mismatch", step, message, hint, field))

    def _made(self, name: str, columns: tuple[Column, ...]) -> None:
        self.columns[name] = columns
        self.sandbox.create(name, columns)


def _compared(query: exp.Expr) -> Iterator[tuple[str, str]]:
    """Each (column, text constant) that a comparison holds side by side."""
    for node in query.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between):
        parts = [part for part in node.iter_expressions() if isinstance(part, exp.Column | exp.Literal)]
        columns = [part.name for part in parts if isinstance(part, exp.Column)]
        if len(columns) == 1:
            yield from ((columns[0], part.name) for part in parts if isinstance(part, exp.Literal) and part.is_string)


def _no_column(step: Extract, name: str, table: Table) -> Finding:
    names = [column.name for column in table.columns]
    near = nearest(name, names)
    hint = f"nearest: {', '.join(near)}" if near else f"valid are {', '.join(names[:12])}"
    evidence = (("column", name), ("candidates", ", ".join(near)))
    message = f"{step.dataset} has no column {name}"
    return Finding("error", "unknown_column", step.name, message, hint, "columns", evidence)


def _guarded(
    step: str, error: GuardError, visible: Sequence[str] = (), order: Sequence[str] = (), *, field: str = "sql"
) -> Finding:
    """The guard's refusal as a finding; a table that is a later step, or a misspelt one, is said to be that."""
    construct = str(error.fields.get("construct", ""))
    kind, _, name = construct.partition(" ")
    evidence = (("construct", construct),)
    if kind == "table" and name in order:
        hint = f"write step {name} above this one" if name != step else "a step cannot read itself"
        return Finding("error", "unknown_table", step, f"{name} is not made yet", hint, field, evidence)
    if kind == "table" and re.fullmatch(r"\w+", name):
        near = nearest(name, visible)
        hint = f"nearest: {', '.join(near)}" if near else f"valid are {', '.join(visible)}"
        return Finding("error", "unknown_table", step, f"no earlier step is named {name}", hint, field, evidence)
    if kind == "function":
        near = nearest(name, NAMES)
        message = f"{name} is not among the functions that a plan may call"
        hint = f"nearest: {', '.join(near)}" if near else error.hint

        return Finding("error", "unknown_function", step, message, hint, field, evidence)
    if error.message.startswith("SQL whose result changes"):
        message = f"{construct} gives another result at every run"
        return Finding("error", "nondeterministic", step, message, error.hint, field, evidence)
    message = _PLAIN.get(construct, f"{construct} is outside the allowed SQL")
    return Finding("error", "guard", step, message, error.hint, field, evidence)


def _repeated(names: Sequence[str]) -> str:
    """The first name that occurs twice, ignoring case, or an empty string."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return ""
