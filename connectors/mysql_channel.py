"""A connection to MySQL or MariaDB: the session's settings, small queries, streams and bulk loads; all errors typed."""

import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

from agent_etl.connectors import mysql_wire as wire
from agent_etl.connectors.mysql_errors import explain, warned
from agent_etl.engine.errors import AgentEtlError, SettingsError

__all__ = ["FAILURES", "Channel", "address", "connect"]

FAILURES = (pymysql.Error, OSError)
"""What the driver raises."""

_CONNECT_SECONDS = 10
_STALLED_MILLISECONDS = 60_000
_PORT = 3306
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": _STALLED_MILLISECONDS}
# The server rounds, cuts and replaces values unless it is told not to; quoting as in standard SQL.
_MODES = (
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
)
_SETTINGS = (
    f"sql_mode = '{_MODES}', time_zone = '+00:00', autocommit = 0, max_error_count = 64, sql_select_limit = DEFAULT, "
    "net_write_timeout = 3600, net_read_timeout = 600, innodb_lock_wait_timeout = {wait}, lock_wait_timeout = {wait}"
)
# How MariaDB and MySQL name the same thing; the one that the server does not know is left out.
_OPTIONAL = (
    "max_statement_time = 0",
    "max_execution_time = 0",
    "information_schema_stats_expiry = 0",
    "join_cache_level = 8",
    "join_buffer_size = 67108864, join_buffer_space_limit = 134217728",
)
_TLS = {
    "DISABLED": {"ssl_disabled": True},
    "PREFERRED": {},
    "REQUIRED": {},
    "VERIFY_CA": {"ssl_verify_cert": True, "ssl_verify_identity": False},
    "VERIFY_IDENTITY": {"ssl_verify_cert": True, "ssl_verify_identity": True},
}
_FILES = {"ssl-ca": "ssl_ca", "ssl-cert": "ssl_cert", "ssl-key": "ssl_key", "unix-socket": "unix_socket"}


def address(url: str, name: str) -> dict[str, Any]:
    """The driver's arguments of `mysql://user:password@host:port/database?ssl-mode=…&ssl-ca=…`.

    Raises: SettingsError for a missing database or an unknown parameter, naming what is valid.
    """
    parts = urlsplit(url)
    given = {key.replace("_", "-").lower(): value for key, value in parse_qsl(parts.query)}
    mode = given.pop("ssl-mode", "PREFERRED").upper().replace("-", "_")
    unknown = sorted(set(given) - {*_FILES, "charset", "connect-timeout"})
    valid = sorted({*_FILES, "connect-timeout", "ssl-mode"})
    try:
        port, seconds = parts.port or _PORT, float(given.get("connect-timeout", _CONNECT_SECONDS))
    except ValueError:
        raise SettingsError("A number in the URL is none", connection=name, hint="check port and timeout") from None
    if unknown or mode not in _TLS:
        hint = f"ssl-mode is one of {', '.join(_TLS)}"
        raise SettingsError("The URL has a parameter that is not known", connection=name, valid=valid, hint=hint)
    tls = {"ssl": _unverified()} if mode == "REQUIRED" else _TLS[mode]
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        hint = "write mysql://user:password@host:3306/database"
        raise SettingsError("The URL names no database", connection=name, hint=hint)
    return {
        "host": parts.hostname or "localhost",
        "port": port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": database,
        "connect_timeout": seconds,
        **tls,
        **{argument: given[key] for key, argument in _FILES.items() if key in given},
    }


def _unverified() -> ssl.SSLContext:
    """Encryption with whoever answers: what `REQUIRED` means in every MySQL client."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(arguments: dict[str, Any], name: str, *, writing: bool, wait: int) -> "Channel":
    """A session that keeps every value and waits `wait` seconds for a lock. Raises: ConnectionLost, SettingsError."""
    try:
        connection: Any = pymysql.Connection(**arguments, charset="utf8mb4", local_infile=True, defer_connect=True)
        connection.connect(None if "unix_socket" in arguments else _socket(arguments))
        # The server may now be asked for bulk loads, but may itself never ask for a file in reply to something else.
        connection._local_infile = False
    # The driver lacks the package cryptography for one way to log in: a RuntimeError.
    except (*FAILURES, RuntimeError) as error:
        raise explain(error, name, writing=writing) from None
    channel = Channel(connection, arguments, name, writing)
    try:
        channel.execute(f"SET SESSION {_SETTINGS.format(wait=wait)}")
        for setting in _OPTIONAL:
            with suppress(AgentEtlError):
                channel.execute(f"SET SESSION {setting}")
    except BaseException:
        channel.close()
        raise
    return channel


def _socket(arguments: dict[str, Any]) -> socket.socket:
    """A TCP connection that notices within a minute that its other end is gone."""
    made = socket.create_connection((arguments["host"], arguments["port"]), arguments["connect_timeout"])
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


class Channel:
    """One session. A driver's error becomes one of ours, without values or secrets."""

    def __init__(self, connection: Any, arguments: dict[str, Any], name: str, writing: bool) -> None:
        self._connection = connection
        self._arguments = arguments
        self._name = name
        self._writing = writing

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            # The driver's text quotes the statement and sometimes a value: it is neither shown nor chained.
            raise explain(error, self._name, writing=self._writing) from None

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a small query."""
        with self._typed(), self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def execute(self, sql: str | bytes) -> int:
        """Run one statement; how many rows it changed."""
        with self._typed():
            return int(self._connection.query(sql))

    def stream(self, sql: str) -> Iterator[wire.Block]:
        """The rows of a query, some megabytes at a time; nothing else may be asked until they are exhausted."""
        with self._typed():
            yield from wire.rows(self._connection, sql)

    def send(self, sql: str, chunks: Iterable[Any]) -> int:
        """Run LOAD DATA LOCAL over these bytes; how many rows it added.

        Raises: what `chunks` raises, after which the caller must roll back; TargetError when the server would have
        changed a value or left out a row, which it tells of in warnings only.
        """
        with self._typed():
            sent = wire.send(self._connection, sql, chunks)
        if sent.warnings:
            raise warned(self.query("SHOW WARNINGS"), self._name)
        return sent.rows

    def commit(self) -> None:
        """Commit what the session has begun."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what the session has begun."""
        self.execute("ROLLBACK")

    def cancel(self) -> None:
        """End the statement that runs now in another thread, by a session of its own. Raises: the driver's error."""
        number = int(self._connection.thread_id())
        with pymysql.Connection(**self._arguments, charset="utf8mb4") as other:
            other.query(f"KILL QUERY {number}")

    def close(self) -> None:
        """Close the session; what is not committed is gone."""
        with suppress(*FAILURES):
            self._connection._force_close()
