"""Text cells and their types: a cell is converted only when nothing of it is lost.

DuckDB's own casts round `1.5` to the BIGINT 2, read `1e400` as infinity, drop the offset of a TIMESTAMP and take
`epoch` for a date. Here each type has a condition under which the cast keeps everything; it decides both which type a
column gets and which rows break it later.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_etl.engine.duck import Cursor, complaint, literal, quote, run

__all__ = ["MISFIT", "Evidence", "fits", "infer", "misfit", "typed"]

MISFIT = "A cell does not fit its column's type"
"""The message of the error that a typed read ends with."""

_STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_NUMBER = r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_ZONED = "TIMESTAMP WITH TIME ZONE"
_LOOKS = {
    "BIGINT": re.compile("-?[0-9]+"),
    "DOUBLE": re.compile(_NUMBER),
    "BOOLEAN": re.compile("true|false", re.IGNORECASE),
    "DATE": re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "TIMESTAMP": re.compile(f"{_STAMP}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}"),
    _ZONED: re.compile(_STAMP + _ZONE),
}
"""Types from the narrowest on, and what a cell of each must look like."""

_SPECIAL = {
    "DOUBLE": "'inf', '-inf', 'nan'",
    "FLOAT": "'inf', '-inf', 'nan'",
    "DATE": "'infinity', '-infinity'",
    "TIMESTAMP": "'infinity', '-infinity'",
}
_POWERS = f"[0, {', '.join(str(10**n) for n in range(1, 19))}]"
_AT_ONCE = 25
_HEAD = 200


def fits(cell: str, value: str, kind: str, *, special: bool = False) -> str:
    """The condition, over the text `cell` and its TRY_CAST `value`, that nothing is lost. NULL or false: it is.

    `special`: the words inf, nan and infinity are values too, which they are in no file but one of our own.
    """
    words = _SPECIAL.get(kind.split("(")[0].split(" ")[0], "") if special else ""
    exact = _fits(cell, value, kind)
    quick = _quick(cell, value, kind)
    exact = f"CASE WHEN {quick} THEN true ELSE {exact} END" if quick else exact
    return f"({cell} IN ({words}) OR ({exact}))" if words else exact


def _quick(cell: str, value: str, kind: str) -> str | None:
    """A cheap test that proves the fit of nearly every cell; None where there is none.

    A whole number has its text's length in digits exactly when nothing but digits stands there: a point, a sign, a
    leading zero or a blank makes the text longer than the number.
    """
    if kind == "BIGINT":
        return f"{value} >= {_POWERS}[strlen({cell})] AND {value} < {_POWERS}[strlen({cell}) + 1]"
    return None


def _fits(cell: str, value: str, kind: str) -> str:
    head = kind.split("(")[0]
    if head in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"} or (
        head.startswith("U") and head.endswith("INT")
    ):
        return f"CAST({value} AS VARCHAR) = {cell}"
    if head in {"DOUBLE", "FLOAT"}:
        # DuckDB prints an exponent's plus sign, most others do not.
        same = f"replace(CAST({value} AS VARCHAR), 'e+', 'e') = replace(lower({cell}), 'e+', 'e')"
        digits = f"length(trim(regexp_replace(regexp_replace({cell}, '[eE].*', ''), '[^0-9]', '', 'g'), '0'))"
        exact = (
            f"regexp_full_match({cell}, {literal(_NUMBER)}) AND isfinite({value}) AND ({digits} <= 15 OR "
            f"{same}) AND ({value} <> 0 OR {digits} = 0)"
        )
        # Seventeen digits tell any two doubles apart, so a fraction of no more is read as the nearest one. Whole
        # numbers beyond 2^53 are not: they count or identify something.
        short = f"strlen({cell}) <= 15 OR (strlen({cell}) <= 18 AND contains({cell}, '.'))"
        quick = f"isfinite({value}) AND {value} <> 0 AND"
        printed = f"WHEN {quick} strlen({cell}) > 18 AND {same} THEN true"
        return f"CASE WHEN {quick} ({short}) THEN true {printed} ELSE {exact} END"
    if head == "DECIMAL":
        precision, _, scale = kind.partition("(")[2].rstrip(")").partition(",")
        places = int(scale or (0 if precision else 3))
        whole = int(precision or 18) - places
        if whole + places == 38:  # no wider decimal is there to compare with
            look = rf"[+-]?[0-9]*(\.[0-9]{{0,{places}}}0*)?"
            return f"regexp_full_match({cell}, {literal(look)}) AND {value} IS NOT NULL"
        return f"TRY_CAST({cell} AS DECIMAL(38, {38 - whole})) = {value}"
    if head == "BOOLEAN":
        return f"strlen({cell}) > 3 AND {value} IS NOT NULL"
    if head == "DATE":
        return f"strlen({cell}) = 10 AND {value} IS NOT NULL"
    if head == "TIMESTAMP" and kind != _ZONED:
        exact = f"regexp_full_match({cell}, {literal(_STAMP)}) OR strlen({cell}) = 10"
        return f"CASE WHEN {cell} LIKE '____-__-__ __:__:__' THEN true ELSE {exact} END AND {value} IS NOT NULL"
    if kind == _ZONED:
        exact = f"regexp_full_match({cell}, {literal(_STAMP + _ZONE)})"
        quick = f"strlen({cell}) = 20 AND {cell}[20] = 'Z' AND {cell}[11] <> ' '"
        return f"CASE WHEN {quick} THEN true ELSE {exact} END AND {value} IS NOT NULL"
    return f"{value} IS NOT NULL"


def typed(
    source: str, columns: Mapping[str, str], *, dataset: str, quarantine: bool = False, special: bool = False
) -> str:
    """A SELECT that gives text columns of `source` their types, `{name: type}`.

    A cell that does not fit ends the read with an error that names its column, or, under quarantine, its row is left
    out. Each cell is cast once: the inner SELECT casts, the outer one judges.
    """
    casts, outer = [], []
    for position, (name, kind) in enumerate(columns.items()):
        cell = quote(name)
        if kind == "VARCHAR":
            outer.append(cell)
            continue
        value = quote(f"value {position} of {name}")
        casts.append(f"TRY_CAST({cell} AS {kind}) AS {value}")
        broken = complaint(MISFIT, dataset=dataset, column=name, type=kind)
        fit = f"WHEN {fits(cell, value, kind, special=special)} THEN {value} WHEN {cell} IS NOT NULL THEN {broken}"
        quick = _quick(cell, value, kind)
        fit = f"WHEN {quick} THEN {value} {fit}" if quick else fit
        outer.append(f"{value} AS {cell}" if quarantine else f"CASE {fit} END AS {cell}")
    inner = f"(SELECT *, {', '.join(casts)} FROM {source})" if casts else source
    wrong = misfit(columns, special=special) if quarantine else None
    return f"SELECT {', '.join(outer)} FROM {inner}" + (f" WHERE {wrong} IS NULL" if wrong else "")


def misfit(columns: Mapping[str, str], *, special: bool = False) -> str | None:
    """An expression over text columns: the name of the first one whose cell does not fit, NULL when all fit."""
    whens = []
    for name, kind in columns.items():
        if kind != "VARCHAR":
            cell = quote(name)
            condition = fits(cell, f"TRY_CAST({cell} AS {kind})", kind, special=special)
            whens.append(f"WHEN {cell} IS NOT NULL AND NOT coalesce({condition}, false) THEN {literal(name)}")
    return f"CASE {' '.join(whens)} END" if whens else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the cells of one column showed: the type that all fit, whether some are quoted and empty, or any filled."""

    type: str
    empty_texts: bool = False
    filled: bool = False


def infer(cursor: Cursor, source: str, columns: Sequence[str]) -> dict[str, Evidence]:
    """The narrowest type that loses nothing in any cell of each text column of `source`.

    The look of the first rows rules most types out; what is left is judged over all rows, the narrowest first.
    Raises: what `run` gives.
    """
    names = ", ".join(map(quote, columns))
    first = run(cursor, f"SELECT {names} FROM {source} LIMIT {_HEAD}").fetchall()
    left = {name: _plausible([row[position] for row in first]) for position, name in enumerate(columns)}
    found: dict[str, Evidence] = {}
    while left:
        for start in range(0, len(left), _AT_ONCE):
            some = {name: kinds[0] if kinds else None for name, kinds in list(left.items())[start : start + _AT_ONCE]}
            found |= _judge(cursor, source, some)
        left = {
            name: kinds[1:]
            for name, kinds in left.items()
            if kinds and found[name].filled and found[name].type != kinds[0]
        }
    return {name: found[name] for name in columns}


def _plausible(cells: Sequence[str | None]) -> tuple[str, ...]:
    """The types that these cells could have by their look; all of them when every cell is empty."""
    filled = [cell for cell in cells if cell]
    return tuple(kind for kind, look in _LOOKS.items() if all(look.fullmatch(cell) for cell in filled))


def _judge(cursor: Cursor, source: str, candidates: Mapping[str, str | None]) -> dict[str, Evidence]:
    """Each column's candidate type where all of its filled cells fit it, else VARCHAR."""
    items = []
    for name, kind in candidates.items():
        cell = quote(name)
        fitting = f"{cell} IS NULL OR {cell} = '' OR coalesce({_strict(cell, kind)}, false)" if kind else "false"
        items += [f"count(nullif({cell}, ''))", f"count({cell})", f"bool_and({fitting})"]
    values = iter(run(cursor, f"SELECT {', '.join(items)} FROM {source}").fetchone() or ())
    found = {}
    for name, kind in candidates.items():
        filled, there, fitting = int(next(values)), int(next(values)), next(values)
        found[name] = Evidence(kind if kind and filled and fitting else "VARCHAR", there > filled, filled > 0)
    return found


def _strict(cell: str, kind: str) -> str:
    """As `fits`, and narrower: what a column must look like to be given the type in the first place."""
    condition = f"({fits(cell, f'TRY_CAST({cell} AS {kind})', kind)})"
    if kind == "DOUBLE":
        return f"regexp_full_match({cell}, {literal(_NUMBER)}) AND {condition}"
    if kind == "DATE":
        return f"regexp_full_match({cell}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') AND {cell} >= '0001' AND {condition}"
    if kind == "TIMESTAMP":
        return f"{cell} >= '0001' AND {condition}"
    return condition
