"""Quarantine: which rows of a step fail its checks and go, and how many may go before the run fails."""

from collections.abc import Sequence

from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import CheckFailed
from agent_etl.engine.manifest import Manifest, SetAside
from agent_etl.engine.plan import Check, Extract
from agent_etl.engine.ports import Relation
from agent_etl.engine.quality import failing
from agent_etl.engine.schema import Column
from agent_etl.engine.stage import Split

__all__ = ["THRESHOLD", "as_json", "splitter", "tolerate_check", "tolerate_read"]

THRESHOLD = 0.05
"""The share of the rows that may be set aside where a plan says nothing."""

_ROW = '"agent_etl row"'
_PLAIN = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "BOOLEAN"})
_SHOWN = 5


def splitter(checks: Sequence[Check], columns: Sequence[Column]) -> Split | None:
    """How the rows of a step are split by its quarantining checks; None when it has none.

    A row that fails several goes once, by the first in the plan's order. Every check judges all of the step's rows.
    Raises: PlanError, GuardError for a check that cannot be asked.
    """
    if not checks:
        return None

    def split(rows: Relation) -> tuple[str, str]:
        items = ", ".join(f"{rows.casts.get(c.name, quote(c.name))} AS {quote(c.name)}" for c in columns)
        select = f"SELECT {items} FROM {rows.sql}"
        found = [failing(check, select, columns) for check in checks]
        whens = " ".join(f"WHEN {condition} THEN {at}" for at, (condition, _) in enumerate(found))
        numbered = f"SELECT {items}, file_row_number AS {_ROW} FROM {rows.sql}"
        judged = f"(SELECT *, CASE {whens} END AS {_FAILED} FROM ({numbered}))"
        names = ", ".join(quote(column.name) for column in columns)
        # A semi-join may change the order, and targets keep the rows in the package's.
        order = f" ORDER BY {_ROW}" if any(check.kind == "unique" for check in checks) else ""
        stay = f"SELECT {names} FROM {judged} WHERE {_FAILED} IS NULL{order}"
        said = {
            "check_name": [literal(check.name) for check in checks],
            "column_name": [literal(", ".join(check.columns)) if check.columns else "NULL" for check in checks],
            "reason": [literal(f"expected {expected}") for _, expected in found],
        }
        told = ", ".join(f"[{', '.join(texts)}][{_FAILED} + 1] AS {name}" for name, texts in said.items())
        gone = (
            f"SELECT NULL::BIGINT AS line, {told}, {as_json(columns)} AS raw "
            f"FROM {judged} WHERE {_FAILED} IS NOT NULL ORDER BY {_ROW}"
        )
        return stay, gone

    return split


_FAILED = '"agent_etl failed"'


def as_json(columns: Sequence[Column]) -> str:
    """An expression for the row as JSON text that loses nothing: whole numbers and truth as such, the rest as text."""
    items = []
    for column in columns:
        value = quote(column.name) if column.type in _PLAIN else f"CAST({quote(column.name)} AS VARCHAR)"
        items.append(f"{literal(column.name)}, {value}")
    return f"CAST(json_object({', '.join(items)}) AS VARCHAR)"


def tolerate_read(step: Extract, manifest: Manifest) -> None:
    """See that no more rows could not be read than `max_rejects` lets. Raises: CheckFailed with counts and reasons."""
    aside = manifest.rejects.rows if manifest.rejects else 0
    limit = step.options.get("max_rejects")
    reasons = [reason for reason in manifest.reasons if reason.check is None]
    _tolerate(step.name, "", "max_rejects", limit, (aside, manifest.rows_in), reasons)


def tolerate_check(check: Check, manifest: Manifest) -> tuple[int, int]:
    """How many rows the check set aside, and of how many. Raises: CheckFailed when they are more than its threshold."""
    reasons = [reason for reason in manifest.reasons if reason.check == check.name]
    judged = manifest.rows + (manifest.failed.rows if manifest.failed else 0)
    aside = sum(reason.rows for reason in reasons)
    _tolerate(check.on, check.name, "threshold", check.threshold, (aside, judged), reasons)
    return aside, judged


def _tolerate(
    step: str, check: str, field: str, limit: int | float | None, counts: tuple[int, int], reasons: Sequence[SetAside]
) -> None:
    aside, rows = counts
    limit = THRESHOLD if limit is None else limit
    # A whole number counts rows, any other is a share of them.
    if aside <= (limit if isinstance(limit, int) else limit * rows):
        return
    first = [f"{reason.column or step}: {reason.reason} ({reason.rows} rows)" for reason in reasons[:_SHOWN]]
    raise CheckFailed(
        "More rows would be set aside than the plan allows",
        check=check or field,
        step=step,
        expected=f"at most {limit} rows" if isinstance(limit, int) else f"at most {limit:.2%} of the rows",
        found=f"{aside} of {rows} rows",
        failing=aside,
        rows=rows,
        reasons=first,
        hint=f"nothing was loaded; mend the source, or raise {field} in the plan",
    )
