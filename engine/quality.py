"""Checks: statements about the rows of a step, counted by DuckDB."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent_etl.engine.duck import Cursor, literal, quote, run
from agent_etl.engine.errors import CheckFailed, PlanError
from agent_etl.engine.plan import Check
from agent_etl.engine.sandbox import check_expression
from agent_etl.engine.schema import Column

__all__ = ["Verdict", "failing", "judge"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: `failing` of `rows` rows do not hold. For row_count `failing` is 0 or 1."""

    rows: int
    failing: int
    expected: str

    @property
    def holds(self) -> bool:
        """No row fails."""
        return self.failing == 0

    def error(self, check: Check) -> CheckFailed:
        """The verdict as an error: counts, never rows."""
        return CheckFailed(
            "A check does not hold",
            check=check.name,
            step=check.on,
            kind=check.kind,
            columns=list(check.columns),
            expected=self.expected,
            found=f"{self.rows} rows" if check.kind == "row_count" else f"{self.failing} of {self.rows} rows do not",
            failing=self.failing,
            rows=self.rows,
            hint="nothing was loaded; mend the source, or edit the check in the plan",
        )


def judge(check: Check, cursor: Cursor, select: str, columns: Sequence[Column]) -> Verdict:
    """Count the rows of `select` (whose columns are `columns`) that fail the check.

    Raises: PlanError when the check names what is not there, GuardError for an expression that is not allowed.
    """
    known = _known(check, columns)
    if check.kind in _ROW_WISE:
        condition, expected = _ROW_WISE[check.kind](check, known)
        counts = f"SELECT count(*), count(*) FILTER (WHERE {condition}) FROM {_ROWS}"
    else:
        counts, expected = _TOGETHER[check.kind](check, known)
    row = run(cursor, counts.replace(_ROWS, f"({select}\n) AS checked"), step=check.name).fetchall()[0]
    return Verdict(int(row[0]), int(row[1] or 0), expected)


def failing(check: Check, select: str, columns: Sequence[Column]) -> tuple[str, str]:
    """The condition, over a row of `select`, that is true when the row fails the check; and what was expected.

    Every row of a repeated key fails `unique`: which one is right cannot be told. Raises: as `judge`; PlanError for a
    check that speaks of no single row.
    """
    known = _known(check, columns)
    if check.kind in _ROW_WISE:
        return _ROW_WISE[check.kind](check, known)
    if check.kind != "unique":
        raise PlanError("A check of this kind can set no row aside", step=check.name, kind=check.kind, field="severity")
    names = _columns(check)
    key = ", ".join(map(quote, names))
    whole = " AND ".join(f"{quote(name)} IS NOT NULL" for name in names)
    repeated = f"SELECT ({key}) FROM ({select}) AS others WHERE {whole} GROUP BY {key} HAVING count(*) > 1"
    return f"{whole} AND ({key}) IN ({repeated})", f"{', '.join(names)} unique"


Known = Mapping[str, Column]
_ROWS = "\0rows\0"


def _known(check: Check, columns: Sequence[Column]) -> Known:
    known = {column.name.lower(): column for column in columns}
    for name in check.columns:
        if name.lower() not in known:
            raise PlanError("A check names an unknown column", step=check.name, column=name, valid=sorted(known))
    return known


def _not_null(check: Check, known: Known) -> tuple[str, str]:
    names = _columns(check)
    condition = " OR ".join(f"{quote(name)} IS NULL" for name in names)
    return condition, f"no null in {', '.join(names)}"


def _unique(check: Check, known: Known) -> tuple[str, str]:
    names = _columns(check)
    key = ", ".join(map(quote, names))
    whole = " AND ".join(f"{quote(name)} IS NOT NULL" for name in names)
    # Grouping spills to disk where a count of distinct values would have to stay in memory.
    groups = f"SELECT {key}, count(*) AS surplus FROM {_ROWS} GROUP BY {key}"
    counts = f"SELECT coalesce(sum(surplus), 0), sum(surplus - 1) FILTER (WHERE {whole}) FROM ({groups})"
    return counts, f"{', '.join(names)} unique"


def _accepted(check: Check, known: Known) -> tuple[str, str]:
    name = _one(check)
    kind = known[name.lower()].type
    texts = [literal(_text(value)) for value in check.values if value is not None]
    if not texts:
        raise PlanError("An accepted check lists no values", step=check.name, field="values")
    allowed = ", ".join(f"TRY_CAST({text} AS {kind})" for text in texts)
    matches = f"list_contains([{allowed}], {quote(name)})"
    return f"{quote(name)} IS NOT NULL AND NOT {matches}", f"{name} one of {len(texts)} values"


def _range(check: Check, known: Known) -> tuple[str, str]:
    name = _one(check)
    if check.low is None and check.high is None:
        raise PlanError("A range check has neither low nor high", step=check.name, field="low")
    sides = []
    if check.low is not None:
        sides.append(f"{quote(name)} < {check.low!r}")
    if check.high is not None:
        sides.append(f"{quote(name)} > {check.high!r}")
    if known[name.lower()].type in ("FLOAT", "DOUBLE"):
        sides.append(f"isnan({quote(name)})")
    bounds = f"{'-∞' if check.low is None else check.low} to {'∞' if check.high is None else check.high}"
    return " OR ".join(sides), f"{name} from {bounds}"


def _row_count(check: Check, known: Known) -> tuple[str, str]:
    low, high = check.low or 0, check.high
    outside = f"count(*) < {low!r}" + (f" OR count(*) > {high!r}" if high is not None else "")
    wanted = f"at least {low:g} rows" if high is None else f"{low:g} to {high:g} rows"
    return f"SELECT count(*), CASE WHEN {outside} THEN 1 ELSE 0 END FROM {_ROWS}", wanted


def _expression(check: Check, known: Known) -> tuple[str, str]:
    if not check.sql:
        raise PlanError("An expression check has no sql", step=check.name, field="sql")
    check_expression(check.sql, [column.name for column in known.values()])
    return f"({check.sql}\n) IS NOT TRUE", "the expression true in every row"


def _columns(check: Check) -> tuple[str, ...]:
    if not check.columns:
        raise PlanError("The check names no columns", step=check.name, field="columns")
    return check.columns


def _one(check: Check) -> str:
    if len(check.columns) != 1:
        raise PlanError("The check needs exactly one column", step=check.name, field="columns")
    return check.columns[0]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


Rule = Callable[[Check, Known], tuple[str, str]]
_ROW_WISE: Final[Mapping[str, Rule]] = {
    "not_null": _not_null,
    "accepted": _accepted,
    "range": _range,
    "expression": _expression,
}
"""The condition under which a row fails, and what was expected."""

_TOGETHER: Final[Mapping[str, Rule]] = {"unique": _unique, "row_count": _row_count}
"""A query for the number of rows and of those that fail, and what was expected."""
