"""A real MariaDB server for one test session: own folder, own port, loopback only, gone when the session ends."""

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
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pymysql

from harness.postgres import HOSTILE_PASSWORD, HOSTILE_USER, ServiceMissing

__all__ = ["INSTALL", "MariadbServer", "executed"]

INSTALL = "apt-get install --no-install-recommends mariadb-server"
_USER, _PASSWORD = "etl", "etl"
_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_OPTIONS = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=128M",
    "--innodb-flush-method=nosync",
    "--max-connections=80",
    "--skip-log-bin",
)


class MariadbServer:
    """A running server. `host`, `port`; `url(database)` names a database of it.

    The user HOSTILE_USER must give HOSTILE_PASSWORD, so that a URL with every awkward character is really used.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.port = port
        self._process = process
        self._databases = 0

    @classmethod
    def start(cls) -> "MariadbServer":
        """A new server on a free loopback port.

        Raises: ServiceMissing without binaries. Side effects: a temporary folder and a process, both gone after stop().
        """
        server, install = _binary("mariadbd", "mysqld"), _binary("mariadb-install-db", "mysql_install_db")
        folder = Path(tempfile.mkdtemp(prefix="agent-etl-maria-"))
        process: subprocess.Popen[bytes] | None = None
        try:
            if os.geteuid() == 0:
                shutil.chown(folder, "nobody", "nogroup")
            data = f"--datadir={folder / 'data'}"
            _run([install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"])
            port = _free_port()
            place = [data, f"--port={port}", f"--socket={folder / 's'}", f"--init-file={_users(folder)}"]
            process = _spawn([server, *_OPTIONS, *place], output=folder / "server.log")
            made = cls(folder, port, process)
            made._wait()
        except BaseException:
            _end(process, folder)
            raise
        atexit.register(made.stop)
        return made

    def url(self, database: str = "mysql", *, port: int | None = None) -> str:
        """`mysql://…` of one database as a user who may do everything; `port` names a proxy's port instead."""
        return f"mysql://{_USER}:{_PASSWORD}@{self.host}:{port or self.port}/{database}"

    def hostile_url(self, database: str = "mysql") -> str:
        """The same for the user whose password holds every awkward character, percent-encoded as a URL needs it."""
        return f"mysql://{HOSTILE_USER}:{quote(HOSTILE_PASSWORD, safe='')}@{self.host}:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The name of a fresh, empty database, dropped when the block ends."""
        self._databases += 1
        name = f"t{os.getpid()}_{self._databases}"
        executed(self.url(), f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Drop a database and end its sessions."""
        self.terminate_sessions(name)
        executed(self.url(), f"DROP DATABASE IF EXISTS `{name}`")

    def copy(self, database: str | None, name: str) -> None:
        """Make the database `name`, with the tables and rows of another one unless that is None."""
        tables = [row[0] for row in executed(self.url(database), "SHOW TABLES")] if database else []
        copies = [
            statement
            for table in tables
            for statement in (
                f"CREATE TABLE `{name}`.`{table}` LIKE `{database}`.`{table}`",
                f"INSERT INTO `{name}`.`{table}` SELECT * FROM `{database}`.`{table}`",
            )
        ]
        executed(self.url(), f"CREATE DATABASE `{name}`", *copies)

    def terminate_sessions(self, database: str) -> int:
        """End every session of a database, as an administrator would; how many there were."""
        found = executed(
            self.url(), f"SELECT id FROM information_schema.processlist WHERE db = '{database}' AND command <> 'Killed'"
        )
        for (session,) in found:
            with contextlib.suppress(pymysql.Error):
                executed(self.url(), f"KILL {session}")
        return len(found)

    def stop(self) -> None:
        """End the server and remove its folder. Calling it twice does nothing."""
        atexit.unregister(self.stop)
        _end(self._process, self.folder)

    def _wait(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                executed(self.url(), "SELECT 1")
                return
            except pymysql.Error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"MariaDB did not start:\n{log[-2000:]}") from None
                time.sleep(0.02)


def executed(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in a database, each on its own; the rows of the last one."""
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=unquote(parts.password or ""),
        database=parts.path[1:],
        charset="utf8mb4",
        autocommit=True,
        ssl_disabled=True,
    )
    with contextlib.closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def _binary(*names: str) -> str:
    """The path of the first of these programs that is there. Raises: ServiceMissing."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path=_PATH)
        if found:
            return found
    raise ServiceMissing(INSTALL)


def _users(folder: Path) -> Path:
    """The statements that the server runs when it starts."""
    people = ((_USER, _PASSWORD), (HOSTILE_USER, HOSTILE_PASSWORD))
    lines = [
        line
        for user, password in people
        for line in (
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';",
            f"GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;",
        )
    ]
    path = folder / "users.sql"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o644)
    return path


def _identity() -> Mapping[str, object]:
    """MariaDB refuses root; every Debian has the user nobody, so root's server runs as that one."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


def _die_with_parent() -> None:
    """The kernel ends the server at once when the test process is killed: no orphan survives a kill -9."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _environment() -> dict[str, str]:
    return {"PATH": f"{_PATH}:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _spawn(command: list[str], *, output: Path) -> "subprocess.Popen[bytes]":
    with output.open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            preexec_fn=_die_with_parent,
            **_identity(),  # type: ignore[call-overload]
        )


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        env=_environment(),
        check=False,
        **_identity(),  # type: ignore[call-overload]
    )
    if done.returncode:
        output = (done.stdout + done.stderr).decode(errors="replace")
        raise RuntimeError(f"{command[0]} failed:\n{output[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: "subprocess.Popen[bytes] | None", folder: Path) -> None:
    if process is not None and process.poll() is None:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)
