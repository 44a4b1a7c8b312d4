"""MySQL's and MariaDB's failures as ours, by error number; statements, values and addresses stay out of them."""

import re
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from agent_etl.engine.errors import (
    AgentEtlError,
    Busy,
    ConnectionLost,
    DiskFull,
    NotFound,
    OutOfMemory,
    ReadError,
    SettingsError,
    TargetError,
)

__all__ = ["explain", "number", "warned"]

_NO_WAY = "MySQL cannot be connected to"
_REFUSALS = {
    1044: "the user may not use this database",
    1045: "the user or the password is wrong",
    1049: "there is no such database",
    1130: "the server admits no such user from here",
    1251: "the server wants a way to log in that the driver does not know",
    1524: "the server wants a way to log in that the driver does not know",
    1698: "the user or the password is wrong",
    2026: "the encryption (TLS) that the URL wants did not come about",
    2061: "the server wants a way to log in that the driver does not know",
    3118: "the user's account is locked",
    3159: "the server wants encryption (TLS)",
    4151: "the user's account is locked",
}
_LOST = {0, 1040, 1053, 1077, 1080, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 2002, 2003, 2005, 2006, 2013}
_LOCKED = {1205, 1206, 1213, 1317, 1412, 1614, 1969, 3024, 3572}
_FULL = {1021, 1114, 1030, 3}
_MEMORY = {1037, 1038, 5}
_ABSENT = {1051, 1146}
_RIGHTS = {1142, 1143, 1227, 1290, 1370, 1836}
_CONSTRAINTS = {
    1022: "unique",
    1048: "not null",
    1062: "unique",
    1169: "unique",
    1216: "foreign key",
    1217: "foreign key",
    1263: "not null",
    1364: "not null",
    1451: "foreign key",
    1452: "foreign key",
    1557: "unique",
    1566: "not null",
    1586: "unique",
    3819: "check",
    4025: "check",
}
_COLUMN = re.compile(r"column '((?:[^']|'')+?)' at row|[Cc]olumn '((?:[^']|'')+?)' cannot be null|Field '([^']+)'")
_CONSTRAINT = re.compile(r"for key '([^']+)'|[Cc]onstraint [`'\"]([^`'\"]+)[`'\"]")
_STATEMENTS = {1064, 1054, 1060, 1067, 1071, 1072, 1118, 1170, 1305, 1235, 1146, 1267, 1292}


def number(error: Exception) -> int:
    """The error number that the server or the driver gave; 0 when the connection is gone without one."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def explain(error: Exception, connection: str, *, writing: bool) -> AgentEtlError:
    """The typed error of a driver's failure. `writing`: what the server refuses is the target's fault."""
    code = number(error)
    text = str(error.args[1]) if len(error.args) > 1 else ""
    fields: dict[str, Any] = {"connection": connection, "errno": code}
    if code in _REFUSALS:
        return SettingsError(_NO_WAY, hint="check the connection's URL", reason=_REFUSALS[code], **fields)
    if not code or isinstance(error, OSError | RuntimeError) or code in _LOST:
        return _unconnected(getattr(error, "original_exception", error), fields)
    if code == 1153:
        hint = "raise the server's max_allowed_packet"
        return (TargetError if writing else ReadError)("A value is larger than the server takes", hint=hint, **fields)
    if code in _LOCKED:
        return Busy("MySQL could not get a lock, or ended a deadlock", holder="another session", **fields)
    if code in _FULL:
        return DiskFull("MySQL's disk is full", hint="free space on the server and resume the run", **fields)
    if code in _MEMORY:
        return OutOfMemory("MySQL ran out of memory", **fields)
    if code in _ABSENT:
        return NotFound("MySQL has no such table", **fields)
    return _refused(code, text, TargetError if writing else ReadError, fields)


def _unconnected(cause: object, fields: dict[str, Any]) -> AgentEtlError:
    reasons = {
        ssl.SSLError: ("the encryption (TLS) that the URL wants did not come about", "check ssl-mode and ssl-ca"),
        socket.gaierror: ("the host is unknown", "check the connection's URL"),
        RuntimeError: ("the server's way to log in needs TLS or a package", "pip install cryptography"),
    }
    for kind, (reason, hint) in reasons.items():
        if isinstance(cause, kind):
            return SettingsError(_NO_WAY, reason=reason, hint=hint, **fields)
    return ConnectionLost("The connection to MySQL was lost or refused", **fields)


def _refused(code: int, text: str, kind: type[AgentEtlError], fields: dict[str, Any]) -> AgentEtlError:
    named = _column(text)
    if code in _RIGHTS:
        return kind("The MySQL user may not do this", hint="grant the right, or use another user", **fields)
    if code in _CONSTRAINTS:
        found = _CONSTRAINT.search(text)
        constraint = (found.group(1) or found.group(2)) if found else _CONSTRAINTS[code]
        return kind("A constraint of the target refused the rows", constraint=constraint, **named, **fields)
    if code in _STATEMENTS:
        return kind("MySQL refused the statement", **named, **fields)
    return kind("MySQL refused a value or a statement", hint="cast or clean the column in the plan", **named, **fields)


def warned(warnings: Sequence[Sequence[object]], connection: str) -> AgentEtlError:
    """What the first warning of a bulk load is as an error: the server would have changed or left out a row."""
    first = next((w for w in warnings if w[0] != "Note"), warnings[0] if warnings else ("", 0, ""))
    code, text = int(str(first[1])), str(first[2])
    fields: dict[str, Any] = {"connection": connection, "errno": code}
    if code in _CONSTRAINTS:
        return _refused(code, text, TargetError, fields)
    return TargetError(
        "A value does not fit the target's column without loss",
        hint="cast or clean the column in the plan, or load into a table whose column is wider",
        **_column(text),
        **fields,
    )


def _column(text: str) -> dict[str, str]:
    """The column that a message names: as `name`, or quoted in full as `db`.`table`.`name`."""
    found = _COLUMN.search(text) or re.search(r"column [`\"](?:[^`\"]+[`\"]\.[`\"])*([^`\"]+)[`\"] at row", text)
    return {"column": next(part for part in found.groups() if part)} if found else {}
