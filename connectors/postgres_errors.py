"""PostgreSQL's failures as ours, by SQLSTATE; statements, values and addresses stay out of them."""

import re

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

__all__ = ["explain", "sqlstate"]

_STATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
_COLUMN = re.compile(r"CONTEXT:\s+COPY [^\n]*?, line \d+, column ([^\n:]+)|column \"([^\"]+)\"")
_CONSTRAINT = re.compile(r"constraint \"([^\"]+)\"")
_REFUSALS = {
    "password authentication failed": "the user or the password is wrong",
    "no password supplied": "the server wants a password",
    "no pg_hba.conf entry": "the server admits no such user from here",
    "invalid URI": "the URL is not valid",
    "certificate verify failed": "the server's certificate is not trusted",
    "could not translate host name": "the host is unknown",
}
_NO_WAY = "PostgreSQL cannot be connected to"
_LOST = ("connect", "server closed", "timeout", "timed out", "SSL", "reset by peer", "Failed to commit", "COPY data")


def sqlstate(error: Exception) -> str | None:
    """The five characters that the server gave, or None."""
    found = _STATE.search(str(error))
    state = getattr(error, "sqlstate", None) or (found.group(1) if found else None)
    return str(state) if state else None


def explain(error: Exception, connection: str, *, writing: bool) -> AgentEtlError:
    """The typed error of a driver's failure. `writing`: what the server refuses is the target's fault."""
    text = str(error)
    state = sqlstate(error)
    if state is None:
        return _without_state(text, connection)
    fields = {"connection": connection, "sqlstate": state}
    if state.startswith(("08", "57P")) or state == "53300":
        return ConnectionLost("The connection to PostgreSQL was lost or refused", **fields)
    if state.startswith("40") or state in {"55P03", "57014"}:
        return Busy("PostgreSQL could not get a lock, or ended a deadlock", holder="another session", **fields)
    if state == "53100":
        return DiskFull("PostgreSQL's disk is full", hint="free space on the server and resume the run", **fields)
    if state == "53200":
        return OutOfMemory("PostgreSQL ran out of memory", **fields)
    if state in {"42P01", "3F000"}:
        return NotFound("PostgreSQL has no such table or schema", **fields)
    return _refused(text, state, TargetError if writing else ReadError, fields)


def _refused(text: str, state: str, kind: type[AgentEtlError], fields: dict[str, str]) -> AgentEtlError:
    if state == "42501":
        return kind("The PostgreSQL user may not do this", hint="grant the right, or use another user", **fields)
    if state.startswith("23"):
        named = _CONSTRAINT.search(text)
        column = _COLUMN.search(text)
        return kind(
            "A constraint of the target refused the rows",
            **fields,
            constraint=named.group(1) if named else "not null",
            **({"column": (column.group(1) or column.group(2)).strip()} if column else {}),
        )
    if state.startswith("22"):
        found = _COLUMN.search(text)
        named_column = {"column": (found.group(1) or found.group(2)).strip()} if found else {}
        message = (
            "A text holds a NUL, which PostgreSQL cannot store" if state == "22021" else "PostgreSQL refused a value"
        )
        return kind(message, hint="cast or clean the column in the plan", **fields, **named_column)
    if state.startswith("42"):
        first = text.partition("ERROR:")[2].strip().splitlines()
        return kind("PostgreSQL refused the statement", problem=first[0] if first else "", **fields)
    return kind("PostgreSQL refused", **fields)


def _without_state(text: str, connection: str) -> AgentEtlError:
    for sign, reason in _REFUSALS.items():
        if sign in text:
            return SettingsError(
                "PostgreSQL cannot be connected to",
                connection=connection,
                reason=reason,
                hint="check the connection's URL",
            )
    if re.search(r"(?:role|database|user) \"[^\"]*\" does not exist", text):
        reason = "the database or the user does not exist"
        return SettingsError(_NO_WAY, connection=connection, reason=reason, hint="check the connection's URL")
    if any(sign in text for sign in _LOST):
        return ConnectionLost("The connection to PostgreSQL was lost or refused", connection=connection)
    return ReadError("The PostgreSQL driver could not transfer the data", connection=connection)
