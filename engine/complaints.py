"""DuckDB's binder errors in the words of a data engineer: what is wrong, where, and what was meant."""

import re
from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from agent_etl.engine.goal import Finding
from agent_etl.engine.schema import Column

__all__ = ["explain", "nearest"]

Known = Mapping[str, Sequence[Column]]


def nearest(name: str, candidates: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The candidates most like `name`, best first; none when nothing is near.

    Near: at most a third of the letters differ, or one of the two names contains the other.
    """
    names = list(dict.fromkeys(candidates))
    folded = name.lower()
    scored = process.extract(
        folded, [item.lower() for item in names], scorer=DamerauLevenshtein.normalized_similarity, limit=None
    )
    near = [
        names[index]
        for other, score, index in scored
        if score >= 0.65 or (len(folded) > 2 and len(other) > 2 and (folded in other or other in folded))
    ]
    return tuple(near[:limit])


def explain(step: str, error: str, known: Known, used: Sequence[str], *, field: str = "sql") -> Finding:
    """A binder error of step `step` as a finding. `known` are the tables in sight, `used` those that the SQL reads."""
    text = error.split("\n\nLINE ")[0]
    for pattern, make in _PATTERNS:
        match = re.search(pattern, text)
        if match:
            return make(step, match, known, used, field)
    plain = re.sub(r"\s+", " ", re.sub(r"^\w+(?: \w+)* Error: ", "", text))[:200]
    return Finding("error", "unbound_sql", step, f"the SQL does not bind: {plain}", "edit the step's SQL", field)


def _near(names: Sequence[str], otherwise: Sequence[str]) -> str:
    if names:
        return f"nearest: {', '.join(names)}"
    return f"valid are {', '.join(otherwise[:12])}" if otherwise else ""


def _column(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    groups = match.groupdict()
    name = str(groups["column"])
    table = groups.get("table") or ""
    tables = [table] if table in known else [item for item in used if item in known]
    names = [column.name for item in tables for column in known[item]]
    near = nearest(name, names)
    where = table or (tables[0] if len(tables) == 1 else "")
    message = (
        f"{where} has no column {name}" if where else f"none of {', '.join(tables) or 'its tables'} has a column {name}"
    )
    hint = _near(near, list(dict.fromkeys(names)))
    evidence = (("column", name), ("candidates", ", ".join(near)))
    return Finding("error", "unknown_column", step, message, hint, field, evidence)


def _table(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    name = match.group("table")
    hint = _near(nearest(name, known), sorted(known))
    return Finding("error", "unknown_table", step, f"no earlier step or alias is named {name}", hint, field)


def _function(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    return Finding("error", "unknown_function", step, f"DuckDB has no function {match.group('function')}", "", field)


def _arguments(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    name, types = match.group("function"), match.group("types").replace("_LITERAL", "")
    shape = " and ".join(part.strip() for part in types.split(","))
    message = f"{name} does not take {shape or 'no arguments'}"
    hint = "cast the column first, for example CAST(x AS DOUBLE) or CAST(x AS DATE)"
    return Finding("error", "type_mismatch", step, message, hint, field, (("function", name), ("types", types)))


def _compare(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    left, right = (match.group(side).replace("_LITERAL", "") for side in ("left", "right"))
    message = f"it compares {left} with {right}"
    return Finding("error", "type_mismatch", step, message, "cast one side to the other's type", field)


def _convert(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    message = f"the constant {match.group('value')} is not a {match.group('type')}"
    return Finding("error", "type_mismatch", step, message, "write a constant of the column's type", field)


def _ambiguous(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    message = f"{match.group('column')} is a column of several of its tables"
    return Finding("error", "ambiguous_column", step, message, match.group("use").replace("use: ", "write "), field)


def _ungrouped(step: str, match: re.Match[str], known: Known, used: Sequence[str], field: str) -> Finding:
    column = match.group("column")
    message = f"{column} is neither grouped by nor aggregated"
    return Finding("error", "not_grouped", step, message, f"add {column} to GROUP BY or aggregate it", field)


_NAME = r"[\"']?(?P<column>[^\"'\n]+?)[\"']?"
_PATTERNS = (
    (r"Referenced column " + _NAME + r" (?:not found|was not found)", _column),
    (r"Table \"(?P<table>[^\"]+)\" does not have a column named \"(?P<column>[^\"]+)\"", _column),
    (r"Column " + _NAME + r" (?:in \w+ list not found|does not exist on)", _column),
    (r"Table with name (?P<table>\S+) does not exist", _table),
    (r"Referenced table \"(?P<table>[^\"]+)\" not found", _table),
    (r"Function with name (?P<function>\S+) does not exist", _function),
    (r"types '(?P<function>[^(]+)\((?P<types>[^']*)\)'", _arguments),
    (r"function call \"(?P<function>[^(]+)\((?P<types>[^\"]*)\)\"", _arguments),
    (
        r"Cannot (?:compare|mix) values of type (?P<left>.+?) and (?:values of )?type (?P<right>.+?)(?: in| -|$)",
        _compare,
    ),
    (r"Could not convert string (?P<value>'.*?') to (?P<type>\w+)", _convert),
    (r"invalid (?P<type>\w+) field format: (?P<value>\"[^\"]*\")", _convert),
    (r"Ambiguous reference to column name \"(?P<column>[^\"]+)\" \((?P<use>[^)]*)\)", _ambiguous),
    (r"column \"(?P<column>[^\"]+)\" must appear in the GROUP BY", _ungrouped),
)
