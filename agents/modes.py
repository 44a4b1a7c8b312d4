"""What a load's mode needs of the data and of the target: flags, times of change, validity columns, whole sources."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent_etl.agents.workbench import Workbench
from agent_etl.engine.complaints import nearest
from agent_etl.engine.dag import Dag
from agent_etl.engine.goal import Finding
from agent_etl.engine.history import SINCE, UNTIL, is_flag, is_time
from agent_etl.engine.plan import Extract, Load, Plan
from agent_etl.engine.schema import Column, Table
from agent_etl.tools.measure import fits

__all__ = ["mode_findings", "written"]

_EXACT = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def written(step: Load, columns: tuple[Column, ...], there: Table | None) -> tuple[Column, ...]:
    """The columns of the data that the target gets as they are: a flag only where it has such a column."""
    steering = {step.effective.lower()} if step.effective else set()
    if step.delete_by and (there is None or there.column(step.delete_by) is None):
        steering.add(step.delete_by.lower())
    return tuple(column for column in columns if column.name.lower() not in steering)


def mode_findings(
    plan: Plan, step: Load, columns: tuple[Column, ...], there: Table | None, workbench: Workbench
) -> list[Finding]:
    """What is wrong with a load's delete_by, delete_missing, effective and history columns. Side effects: none."""
    return list(_Mode(plan, step, columns, there, workbench).findings())


@dataclass(frozen=True)
class _Mode:
    """One load with the columns of its data and its table, when that is there."""

    plan: Plan
    step: Load
    columns: tuple[Column, ...]
    there: Table | None
    bench: Workbench

    def findings(self) -> Iterator[Finding]:
        step = self.step
        if step.delete_by is not None:
            yield from self._column(step.delete_by, "delete_by", is_flag, "a BOOLEAN, or an integer of 0 and 1")
        if step.effective is not None:
            yield from self._column(step.effective, "effective", is_time, "a date or a time")
        if step.mode == "scd2":
            yield from self._own_columns()
            if self.there is not None:
                yield from self._validity(self.there)
        if step.delete_missing:
            yield from self._whole()

    def _column(self, name: str, field: str, suits: Callable[[str], bool], wanted: str) -> Iterator[Finding]:
        column = _named(self.columns, name)
        if column is None:
            near = nearest(name, [known.name for known in self.columns])
            valid = (
                f"nearest: {', '.join(near)}" if near else f"valid are {', '.join(c.name for c in self.columns[:12])}"
            )
            yield self._error("unknown_column", f"{self.step.from_} has no column {name}", valid, field)
        elif not suits(column.type):
            message = f"{column.name} is {column.type}, and {field} needs {wanted}"
            yield self._error("type_mismatch", message, "compute such a column in the plan", field)

    def _own_columns(self) -> Iterator[Finding]:
        for name in (SINCE, UNTIL):
            column = _named(self.columns, name)
            if column is not None and (self.step.effective or "").lower() != name:
                message = (
                    f"{self.step.from_} has a column {column.name}, which the history of {self.step.table} makes itself"
                )
                hint = f"rename it in the plan, or name it as effective when it is the {SINCE}"
                yield self._error("history_column_given", message, hint, "effective")

    def _validity(self, there: Table) -> Iterator[Finding]:
        """The table that is there keeps a history, and its times take those of the load."""
        step = self.step
        since, until = there.column(SINCE), there.column(UNTIL)
        if since is None or until is None:
            lacking = ", ".join(name for name, column in ((SINCE, since), (UNTIL, until)) if column is None)
            message = f"{step.table} in {step.target} has no column {lacking}, so it keeps no history"
            hint = f"load into a new table, or add {SINCE} and {UNTIL} to this one and fill {SINCE}"
            yield self._error("no_history", message, hint, "table")
            return
        given = _named(self.columns, step.effective) if step.effective else Column(SINCE, since.type)
        coarse = (step.effective is None or step.delete_missing) and since.type not in _EXACT
        if not is_time(since.type) or coarse or (given is not None and not fits(given.type, since.type)):
            times = given.type if step.effective and given is not None else "the load's time"
            message = f"{since.name} of {step.table} in {step.target} is {since.type}, which does not take {times}"
            yield self._error("type_not_lossless", message, "load into another table", "table")

    def _whole(self) -> Iterator[Finding]:
        """What the data lacks is deleted, so it must not lack rows for another reason."""
        dag = Dag(self.plan)
        for name in sorted(dag.upstream(self.step.from_)):
            origin = dag.steps[name]
            reason = ""
            if isinstance(origin, Extract) and origin.options.get("on_error", "fail") != "fail":
                reason = f"{name} sets rows aside that cannot be read"
            elif isinstance(origin, Extract) and origin.incremental is not None:
                reason = f"{name} reads only what is new"
            elif any(check.on == name and check.severity == "quarantine" for check in self.plan.checks):
                reason = f"a check sets rows of {name} aside"
            if reason:
                message = f"{reason}: their keys would be taken for missing and deleted from {self.step.table}"
                yield self._error(
                    "delete_missing_of_a_part", message, "read the whole source, or delete by a flag", "delete_missing"
                )

    def _error(self, code: str, message: str, hint: str, field: str) -> Finding:
        return Finding("error", code, self.step.name, message, hint, field)


def _named(columns: tuple[Column, ...], name: str) -> Column | None:
    return next((column for column in columns if column.name.lower() == name.lower()), None)
