"""Whether an aggregate counts what it should: each row once."""

import re
from collections.abc import Sequence
from typing import Literal

from sqlglot import exp

from agent_etl.engine.frame import Frame, aggregates, text_of
from agent_etl.engine.goal import Finding
from agent_etl.engine.lineage import Base, Cause

__all__ = ["judge"]

Severity = Literal["error", "risk"]

_SAFE = (
    exp.Max, exp.Min, exp.ArgMax, exp.ArgMin, exp.AnyValue, exp.First, exp.Last, exp.LogicalAnd, exp.LogicalOr,
    exp.BitwiseAndAgg, exp.BitwiseOrAgg, exp.ApproxDistinct, exp.Grouping, exp.GroupingId,
)  # fmt: skip
"""The same whether a row is seen once or several times."""

_SAFE_NAMES = {"arbitrary", "arg_max_null", "arg_min_null"}
_LISTS = (exp.ArrayAgg, exp.GroupConcat)
_LIST_NAMES = {"histogram", "json_group_array", "json_group_object"}
_COUNT_WORDS = frozenset({"cnt", "count", "n", "no", "nr", "num", "number", "of", "total"})


def judge(step: str, parts: Sequence[exp.Expr], frame: Frame, *, windows: bool) -> list[Finding]:
    """Findings about the aggregates in a select's own expressions; `windows`: judge those over windows as well."""
    findings: dict[tuple[str, str], Finding] = {}
    for node, window in aggregates(parts):
        if window is not None and not windows:
            continue
        for finding in _judge(step, node, frame):
            findings.setdefault((finding.code, finding.message), finding)
    return list(findings.values())


def _judge(step: str, node: exp.Expr, frame: Frame) -> list[Finding]:
    repeated = frame.shape.repeated
    if (
        not repeated
        or isinstance(node, _SAFE)
        or (isinstance(node, exp.Anonymous) and node.name.lower() in _SAFE_NAMES)
    ):
        return _averages(step, node, frame)
    arguments, distinct = _arguments(node)
    if distinct and not isinstance(node, exp.Sum | exp.Avg):
        return []
    if any(isinstance(part, exp.Columns) for argument in arguments for part in argument.walk()):
        bases = [base for _, _, origin, _ in frame.fields for base in origin.bases]
        counted = frozenset(base for base in bases if base in repeated)
    else:
        counted = _counted(node, arguments, frame)
    if not counted:
        # count(*), sum(1): rows are counted, and each row is some base's only row unless all are repeated.
        if frame.shape.bases and all(base in repeated for base in frame.shape.bases):
            return [_rows(step, node, frame)]
        return _misnamed(step, node, frame) or _unmatched(step, node, frame)
    if not all(base in repeated for base in counted):
        return _averages(step, node, frame)
    base = min(counted, key=lambda item: item.label)
    if distinct:
        return [_distinct_sum(step, node, base)]
    if isinstance(node, _LISTS) or (isinstance(node, exp.Anonymous) and node.name.lower() in _LIST_NAMES):
        return [_finding("risk", step, node, base, repeated[base])]
    return [_finding("risk" if repeated[base].kind == "window" else "error", step, node, base, repeated[base])]


def _arguments(node: exp.Expr) -> tuple[list[exp.Expr], bool]:
    """What is aggregated, and whether DISTINCT stands before it. WITHIN GROUP holds the values of percentile_cont."""
    holder = node.parent
    if isinstance(holder, exp.WithinGroup):
        return [ordered.this for ordered in holder.expression.expressions], False
    first = node.expressions[0] if isinstance(node, exp.Anonymous) and node.expressions else node.args.get("this")
    while isinstance(first, exp.Order):
        first = first.this
    if isinstance(first, exp.Distinct):
        return list(first.expressions), True
    others = [node.args["expression"]] if isinstance(node, exp.Corr | exp.CovarPop | exp.CovarSamp) else []
    return [part for part in (first, *others) if isinstance(part, exp.Expr) and not isinstance(part, exp.Star)], False


def _counted(node: exp.Expr, arguments: Sequence[exp.Expr], frame: Frame) -> frozenset[Base]:
    """The bases of what is aggregated; of the FILTER's condition when that is a constant."""
    found = frozenset(base for argument in arguments for base in frame.origin(argument).bases)
    holder = node.parent
    if not found and isinstance(holder, exp.Filter):
        found = frame.origin(holder.expression.this).bases
    return found


def _finding(severity: Severity, step: str, node: exp.Expr, base: Base, cause: Cause) -> Finding:
    call = text_of(node)
    columns = ", ".join(f"{cause.other}.{name}" for name in cause.columns)
    evidence = [
        ("aggregate", call),
        ("table", base.label),
        ("other", cause.other),
        ("columns", ", ".join(cause.columns)),
    ]
    if cause.kind == "window":
        message = f"{call} adds up {base.label}, which stands in every row of its window"
        hint = "aggregate it with max, or group before the window"
    elif cause.kind == "unnest":
        message = f"{call} counts each row of {base.label} once for every element that {cause.other} makes of it"
        hint = f"aggregate {base.label} before the list becomes rows"
    elif cause.kind == "cross":
        message = f"{call} counts each row of {base.label} once for every row of {cause.other}"
        hint = f"aggregate {base.label} before the join"
    elif cause.facts is not None:
        facts = cause.facts
        evidence += [("rows", str(facts.rows)), ("keys", str(facts.distinct))]
        message = (
            f"{call} counts each row of {base.label} once for every matching row of {cause.other}: {columns} "
            f"is not unique ({facts.rows} rows, {facts.distinct} keys)"
        )
        hint = f"aggregate {cause.other} per {', '.join(cause.columns)} before the join"
    else:
        key, per = columns or f"the join key of {cause.other}", ", ".join(cause.columns) or "its key"
        message = f"{call} may count each row of {base.label} several times: {key} is not known to be unique"
        hint = f"aggregate {cause.other} per {per} before the join, or keep one row per key"
    return Finding(severity, "fan_out", step, message, hint, "sql", tuple(evidence))


def _misnamed(step: str, node: exp.Expr, frame: Frame) -> list[Finding]:
    """An error when rows are counted under the name of a repeated base: `count(*) AS orders` after orders' payments."""
    column = node.parent
    while isinstance(column, exp.Filter | exp.Paren | exp.Cast):
        column = column.parent
    if not isinstance(column, exp.Alias):
        return []
    words = [word for word in _words(column.alias) if word not in _COUNT_WORDS]
    named = [base for base in frame.shape.bases if any(words in (known, known[-1:]) for known in _names(base))]
    if not named or any(base not in frame.shape.repeated for base in named):
        return []
    base = min(named, key=lambda item: item.label)
    return [_finding("error", step, column, base, frame.shape.repeated[base])]


def _unmatched(step: str, node: exp.Expr, frame: Frame) -> list[Finding]:
    """`count(*)` over customers left joined with orders counts 1 for a customer without orders."""
    star = isinstance(node, exp.Count) and isinstance(node.this, exp.Star | None)
    kept = frame.shape.bases - frame.optional
    if not star or not frame.optional or not kept or any(base not in frame.shape.repeated for base in kept):
        return []
    labels = " and ".join(sorted({base.label for base in frame.optional}))
    message = (
        f"{text_of(node)} counts 1 for each row of {' and '.join(sorted({b.label for b in kept}))} without {labels}"
    )
    hint = f"count a column of {labels} that is never missing"
    return [Finding("risk", "counts_unmatched", step, message, hint, "sql", (("aggregate", text_of(node)),))]


def _names(base: Base) -> list[list[str]]:
    """What a person may call the base's rows, as words: the step's name and the table's."""
    return [words for name in (base.label, base.table.name if base.table else "") if (words := _words(name))]


def _words(name: str) -> list[str]:
    """The words of a name, plural and singular alike."""
    return [word.removesuffix("s") for word in re.split(r"[\W_]+", name.lower()) if word]


def _rows(step: str, node: exp.Expr, frame: Frame) -> Finding:
    labels = " and ".join(sorted({base.label for base in frame.shape.bases}))
    message = f"{text_of(node)} counts pairs: rows of {labels} match many to many"
    hint = "count the distinct keys of what should be counted"
    return Finding("risk", "fan_out", step, message, hint, "sql", (("aggregate", text_of(node)),))


def _distinct_sum(step: str, node: exp.Expr, base: Base) -> Finding:
    message = f"{text_of(node)} drops equal values of different rows of {base.label}"
    hint = f"aggregate {base.label} before the join instead of DISTINCT"
    return Finding("error", "distinct_sum", step, message, hint, "sql", (("aggregate", text_of(node)),))


def _averages(step: str, node: exp.Expr, frame: Frame) -> list[Finding]:
    if not isinstance(node, exp.Avg | exp.Sum) or not isinstance(node.this, exp.Column):
        return []
    origin = frame.origin(node.this)
    if isinstance(node, exp.Avg) and origin.average:
        message = f"{text_of(node)} is an average of averages: groups of different size weigh the same"
        return [Finding("risk", "average_of_averages", step, message, "divide the sums by the counts", "sql")]
    if isinstance(node, exp.Sum) and origin.average:
        message = f"{text_of(node)} adds up averages, which is the sum of nothing"
        return [Finding("risk", "sum_of_averages", step, message, "add up what was averaged", "sql")]
    if isinstance(node, exp.Sum) and origin.distinct:
        message = f"{text_of(node)} adds up counts of different things: what is in several groups counts several times"
        return [Finding("risk", "sum_of_distinct", step, message, "count the different things over all rows", "sql")]
    return []
