"""The load agent proves that targets can take a plan's rows, and says what would be overwritten."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from agent_etl.agents.increments import load_findings
from agent_etl.agents.modes import mode_findings, written
from agent_etl.agents.places import unknown_connection
from agent_etl.agents.quarantine import asides
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.bind import Binding
from agent_etl.engine.complaints import nearest
from agent_etl.engine.errors import ReadError, SettingsError, Terminal, UsageError
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Load, Plan
from agent_etl.engine.ports import Capabilities, Connection
from agent_etl.engine.schema import Column, Table
from agent_etl.engine.security.secrets import redact
from agent_etl.tools.measure import capabilities, existing, fits, format_of, target_duplicates, writable

__all__ = ["prove"]

Evidence = tuple[tuple[str, str], ...]


def prove(plan: Plan, workbench: Workbench) -> tuple[Finding, ...]:
    """Findings about the loads: target, mode, key, columns, limits, and rows at stake.

    Side effects: looks at the targets and measures merge keys. Raises: ConnectionLost, ReadError.
    """
    findings: list[Finding] = []
    places: dict[tuple[str, str], str] = {}
    for step in plan.loads:
        try:
            connection = workbench.connections[step.target]
            known = capabilities.by(workbench.recorder)(workbench.connections, step.target)
        except UsageError as error:
            findings.append(_unusable(step, error, workbench))
            continue
        place = (connection.url, step.table.lower())
        if place in places:
            message = f"{places[place]} and {step.name} both write {step.table} in {step.target}"
            findings.append(Finding("error", "same_target", step.name, message, "load it once", "table"))
        places.setdefault(place, step.name)
        try:
            findings += _Proof(plan, step, connection, known, workbench).findings()
        except ReadError:
            raise  # rows of a source that do not fit are that source's failure, which can be repaired
        except Terminal as error:
            reason = f"{error.message[:1].lower()}{error.message[1:]}"
            findings.append(Finding("error", error.code, step.name, f"{step.table}: {reason}", error.hint, "table"))
    findings += load_findings(plan, workbench)
    return tuple(findings)


def _unusable(step: Load, error: UsageError, workbench: Workbench) -> Finding:
    if isinstance(error, SettingsError):
        return unknown_connection(step.name, "target", step.target, error, workbench.connections.names())
    message = f"{redact(step.target)} cannot be written: {error.message[:1].lower()}{error.message[1:]}"
    return Finding("error", "not_a_target", step.name, message, error.hint, "target")


def _verb(step: Load) -> str:
    """What a load does to the rows that are there."""
    verb = {"replace": "replaces", "merge": "merges into", "scd2": "closes versions among"}[step.mode]
    if step.delete_by:
        verb = f"deletes by {step.delete_by} from, and {verb},"
    if step.delete_missing:
        verb = f"{'retires' if step.mode == 'scd2' else 'deletes'} what the data lacks from, and {verb},"
    return verb


def _bare(name: str) -> str:
    return name.rsplit(".", 1)[-1]


@dataclass(frozen=True)
class _Proof:
    """One load, the system that it goes to, and what is known about both."""

    plan: Plan
    step: Load
    connection: Connection
    known: Capabilities
    bench: Workbench

    def findings(self) -> list[Finding]:
        step, known = self.step, self.known
        binding = self.bench.binding(self.plan)
        findings = [*self._stakes(binding), *self._format()]
        if step.mode not in known.modes:
            message = f"{step.target} ({known.kind}) cannot {step.mode}"
            hint = f"it can {', '.join(sorted(known.modes))}"
            findings.append(self._error("unsupported_mode", message, hint, "mode"))
        columns = binding.columns.get(step.from_)
        if columns is None:
            return findings
        findings += self._key(columns)
        findings += mode_findings(self.plan, step, columns, self._there, self.bench)
        findings += self._limits(columns)
        findings += self._shape(written(step, columns, self._there))
        return findings

    def _stakes(self, binding: Binding) -> list[Finding]:
        """What a person must know before rows are overwritten."""
        step, found = self.step, []
        if self.connection.protected:
            message = f"{step.target} is protected: {step.mode} into {step.table} needs approval"
            found.append(self._risk("protected_target", message, "target"))
        there = self._there
        rows = there.rows if there is not None else 0
        if there is not None and rows != 0 and step.mode != "append":
            some = "rows" if rows is None else f"{rows} rows"
            if not self.bench.has_written(self.connection, step.table):
                verb = _verb(step)
                message = f"it {verb} the {some} of {step.table} in {step.target}, which this project has not written"
                found.append(self._risk("overwrites_rows", message, "mode", (("rows", str(rows)),)))
        for extract in self.plan.extracts:
            same = self._same_place(extract.source, extract.dataset)
            if same and step.mode not in {"merge", "scd2"}:
                what = "replaces" if step.mode == "replace" else "appends to"
                message = (
                    f"it {what} {step.table} in {step.target}, which {extract.name} reads: a rerun reads its own rows"
                )
                found.append(self._risk("reads_its_target", message, "table"))
        return found

    def _same_place(self, source: str, dataset: str) -> bool:
        try:
            url = self.bench.connections[source].url
        except UsageError:
            return False
        one, other = dataset.lower(), self.step.table.lower()
        if "." not in one or "." not in other:
            # `orders` may be `public.orders`: a schema that is not said is the default one.
            one, other = (one, other) if self.known.dialect is None else (_bare(one), _bare(other))
        return url == self.connection.url and one == other

    @cached_property
    def _there(self) -> Table | None:
        """The target table as it is when the proof begins: counting its rows may take long."""
        return existing.by(self.bench.recorder)(self.bench.connections, self.step.target, self.step.table)

    def _format(self) -> list[Finding]:
        """A file has one format, and a place where it can be made; a table in a database has none."""
        step = self.step
        if self.known.dialect is not None:
            if step.format is None:
                return []
            message = f"{step.target} keeps tables, so the format {step.format} means nothing there"
            return [
                self._error("format_without_file", message, "load into a folder, or leave the format out", "format")
            ]
        named, found = format_of(step.table), []
        if named is not None and step.format not in (None, named):
            message = f"the name {step.table} says {named} and the format is {step.format}"
            found.append(self._error("format_contradiction", message, "let both say the same", "format"))
        if not writable.by(self.bench.recorder)(self.connection.url, step.table):
            message = f"the folder of {step.table} cannot be written to"
            found.append(self._error("folder_not_writable", message, "chmod it, or load elsewhere", "table"))
        return found

    def _key(self, columns: tuple[Column, ...]) -> list[Finding]:
        names = {column.name.lower() for column in columns}
        unknown = [name for name in self.step.key if name.lower() not in names]
        if unknown:
            near = nearest(unknown[0], [column.name for column in columns])
            message = f"{self.step.from_} has no column {unknown[0]} to use as a key"
            hint = f"nearest: {', '.join(near)}" if near else f"valid are {', '.join(c.name for c in columns[:12])}"
            evidence = (("column", unknown[0]), ("candidates", ", ".join(near)))
            return [self._error("unknown_column", message, hint, "key", evidence)]
        if self.step.mode == "merge":
            return [*self._unique(self.step.key), *self._unique_there()]
        time = [name for name in (self.step.effective,) if name is not None and name.lower() in names]
        return self._unique((*self.step.key, *time)) if self.step.mode == "scd2" else []

    def _unique(self, columns: tuple[str, ...]) -> list[Finding]:
        """The key identifies the rows: proven by groups or measured, else left to the load's own check."""
        step = self.step
        proof = self.bench.grain(self.plan).key(step.from_, columns)
        key = ", ".join(columns)
        facts = proof.facts
        counts = (
            (("rows", str(facts.rows)), ("keys", str(facts.distinct)), ("nulls", str(facts.nulls))) if facts else ()
        )
        # Which rows are left when others were set aside was not measured.
        whole = not asides(self.plan, step.from_, self.bench.binding(self.plan))
        repeats = step.effective is not None  # one state of a key at one time may stand in several rows
        if proof.unique is False and facts is not None and not repeats and whole:
            message = f"{key} does not identify a row of {step.from_}: {facts.rows} rows, {facts.distinct} keys"
            other = "name the time of change as effective" if step.mode == "scd2" else "merge by more columns"
            hint = f"keep one row per key, or {other}"
            return [self._error("merge_key_not_unique", message, hint, "key", counts)]
        if proof.filled is False and facts is not None and whole:
            message = f"{key} is missing in {facts.nulls} rows of what {step.from_} is made of"
            hint = "drop rows without a key before the load"
            return [self._error("merge_key_null", message, hint, "key", counts)]
        if proof.unique is not True:
            message = (
                f"that {key} identifies a row of {step.from_} is checked when it is loaded, before anything is written"
            )
            return [Finding("note", "merge_key_checked_at_load", step.name, message, "", "key")]
        return []

    def _unique_there(self) -> list[Finding]:
        step, there = self.step, self._there
        if there is None or any(there.column(name) is None for name in step.key):
            return []
        count = target_duplicates.by(self.bench.recorder)(self.bench.connections, step.target, step.table, step.key)
        if not count:
            return []
        message = f"{count} values of {', '.join(step.key)} stand in several rows of {step.table} already"
        hint = "choose a key that identifies a row, or remove the duplicates from the target"
        return [self._error("target_key_not_unique", message, hint, "key", (("duplicates", str(count)),))]

    def _limits(self, columns: tuple[Column, ...]) -> list[Finding]:
        step, known, found = self.step, self.known, []
        if known.max_columns is not None and len(columns) > known.max_columns:
            message = f"{len(columns)} columns are more than the {known.max_columns} that {step.target} can hold"
            found.append(self._error("too_many_columns", message, "select fewer columns", "from"))
        if known.max_identifier is not None:
            long = [
                name for name in (step.table, *(c.name for c in columns)) if len(name.encode()) > known.max_identifier
            ]
            for name in long[:3]:
                message = f"the name {name} is longer than the {known.max_identifier} bytes that {step.target} keeps"
                found.append(self._error("name_too_long", message, "rename it", "table"))
        if known.folds_case:
            folded = Counter(column.name.lower() for column in columns)
            for name in [name for name, count in folded.items() if count > 1][:3]:
                message = f"several columns are named {name} when case is ignored, as {step.target} does"
                found.append(self._error("name_collision", message, "rename one of them", "from"))
        return found

    def _shape(self, columns: tuple[Column, ...]) -> list[Finding]:
        """The table that is there has a place for every column, of a type that takes the values unchanged."""
        step, there, found = self.step, self._there, []
        if there is None or (self.known.dialect is None and step.mode == "replace"):
            return []
        lacking = [column for column in columns if there.column(column.name) is None and column.name not in step.evolve]
        if lacking:
            named = ", ".join(f"{column.name} {column.type}" for column in lacking)
            message = f"{step.table} in {step.target} has no column {', '.join(column.name for column in lacking)}"
            evidence = (("column", lacking[0].name), ("missing", named))
            hint = f"add evolve: {{{', '.join(f'{c.name}: {c.type}' for c in lacking)}}} to the load, or drop them"
            found.append(self._error("target_lacks_column", message, hint, "table", evidence))
        for column in columns:
            place = there.column(column.name)
            if place is not None and not fits(column.type, place.type):
                message = f"{column.name} is {column.type} and {step.table} in {step.target} keeps {place.type}"
                hint = f"cast it to {place.type} in the plan, or load into another table"
                kinds = (("column", column.name), ("data", column.type), ("target", place.type))
                found.append(self._error("type_not_lossless", message, hint, "table", kinds))
        given = {column.name.lower() for column in columns}
        for place in there.columns:
            if not place.nullable and place.name.lower() not in given:
                message = f"{place.name} of {step.table} must be filled, and the data has no such column"
                found.append(Finding("note", "target_column_unfilled", step.name, message, "", "table"))
        return found

    def _error(self, code: str, message: str, hint: str, field: str, evidence: Evidence = ()) -> Finding:
        return Finding("error", code, self.step.name, message, hint, field, evidence)

    def _risk(self, code: str, message: str, field: str, evidence: Evidence = ()) -> Finding:
        return Finding("risk", code, self.step.name, message, "", field, evidence)
