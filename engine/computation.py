"""SQL of a plan that fails on the rows: what DuckDB says of it, without the rows' values."""

import re

from agent_etl.engine.errors import AgentEtlError, ComputationFailed, ReadError
from agent_etl.engine.relay import received

__all__ = ["computed"]

_TYPES = {"INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INTEGER", "INT64": "BIGINT", "INT128": "HUGEINT"} | {
    "BOOL": "BOOLEAN",
    "date field": "DATE",
    "time field": "TIME",
    "timestamp field": "TIMESTAMP",
}
_KIND = r"[A-Z][A-Z0-9_]+\b(?:\([\d, ]+\))?(?:\[\d*\])*"
_TYPE = re.compile(
    rf"\bto (?:the destination type )?({_KIND})|destination type ({_KIND})|\b((?:date|time|timestamp) field)"
)
_COLUMN = re.compile(r" when casting from source column (.+)$", re.MULTILINE)
_NUMBER = re.compile(r"(\bDECIMAL\([\d, ]+\))|(?<![A-Za-z_\d.])[-+]?\d[\w.+-]*")
_OWN_WORDS = re.compile(r"\berror\s*\(", re.IGNORECASE)
_MESSAGE = "The computation failed on the rows"
_EDIT = "edit the step's SQL"
_HINT = "TRY_CAST gives NULL where a value does not fit; or filter such rows out before"


def computed(error: ReadError, step: str, sql: str, field: str = "sql") -> AgentEtlError:
    """The failure of a step's own SQL on its rows, in place of `error`, which DuckDB's complaint gave rise to.

    Any other error is given back as it is. A message of SQL that calls `error()` is not shown: it may quote a row.
    """
    if error.message != "DuckDB could not read the data" or error.__cause__ is None:
        return error
    said = str(error.__cause__).partition("\n\nLINE ")[0].strip()
    if "CSV Error" in said or received(said) is not None:  # the rows could not be read; no step computed anything
        return error
    kind, colon, text = said.partition(" Error: ")
    if not colon:
        kind, text = "DuckDB", said
    if _OWN_WORDS.search(sql):
        return ComputationFailed(_MESSAGE, hint=_EDIT, step=step, field=field, problem=kind)
    found: dict[str, object] = {}
    column = _COLUMN.search(text)
    if column and column.group(1).lower() in sql.lower():
        found["column"] = column.group(1)
    text = _masked(text[: column.start()] if column else text)
    wanted = _TYPE.search(text)
    if wanted:
        name = next(group for group in wanted.groups() if group)
        found["type"] = f"U{_TYPES[name[1:]]}" if name[1:] in _TYPES else _TYPES.get(name, name)
    hint = _HINT if kind == "Conversion" else _EDIT
    return ComputationFailed(_MESSAGE, hint=hint, step=step, field=field, **found, problem=f"{kind}: {text}"[:240])


def _masked(text: str) -> str:
    """The first line without what it quotes and without numbers.

    A quoted value may hold quotes and line ends, and DuckDB repeats some below: of a text of several lines nothing
    is left from the first quote on.
    """
    line, _, more = re.sub(r"hex digit: .*", "hex digit", text.replace("can't", "cannot")).partition("\n")
    done = ""
    while (first := re.search(r"['\"]", line)) is not None:
        last = line.rfind(first.group())
        done += f"{line[: first.start()]}…"
        line = "" if more or last == first.start() else line[last + 1 :]
    return _NUMBER.sub(lambda match: match.group(1) or "…", done + line)
