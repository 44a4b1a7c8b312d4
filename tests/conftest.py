"""Fixtures for all tests: a clean environment, a home of its own, a real PostgreSQL, no network but loopback."""

import ipaddress
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.kill import Nursery
from harness.mariadb import MariadbServer
from harness.postgres import PostgresServer, ServiceMissing
from hypothesis import HealthCheck, settings

# How fast examples come says how busy the machine is, nothing about the code.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")

_REPO = Path(__file__).resolve().parents[1]
_KEPT = {"AGENT_ETL_REQUIRE_SERVICES"}
_FOREIGN = ("AGENT_ETL_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_", "PG")
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30


def pytest_configure() -> None:
    """Hear Ctrl-C, and let temporary files lie in memory where there is room, unless TMPDIR says where they shall lie.

    A shell starts what runs in the background deaf to Ctrl-C, and so would the commands be that the tests interrupt.

    Each run syncs its stores some hundred times. SIGKILL loses nothing that was written, synced or not; a power cut
    would, and no test can make one.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    room = os.statvfs(_MEMORY)
    if not room.f_flag & os.ST_NOEXEC and room.f_bavail * room.f_frsize >= _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def missing(service: str, command: str) -> None:
    """Skip the test with the command that installs the service; fail where services are required (CI)."""
    text = f"{service} is not installed: {command}"
    if os.environ.get("AGENT_ETL_REQUIRE_SERVICES") == "1":
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test sees no settings of the machine's user, and its current directory is its own."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """A connection to any host but loopback is an error: no test can reach the network by accident."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    yield
    patch.undo()


def _guarded(original: Any) -> Any:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            raise RuntimeError(f"a test tried to reach {address[0]}: only loopback is allowed")
        return original(self, address)

    return connect


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of this test alone, also named by AGENT_ETL_HOME. It is not created here."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AGENT_ETL_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one for the whole session."""
    try:
        server = PostgresServer.start()
    except ServiceMissing as error:
        missing("PostgreSQL", str(error))
        raise
    yield server
    server.stop()


@pytest.fixture
def pg_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a fresh database of this test alone."""
    with postgres.database() as name:
        yield postgres.url(name)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """The warm process from which pipelines are forked."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A real MariaDB server, one for the whole session."""
    try:
        server = MariadbServer.start()
    except ServiceMissing as error:
        missing("MariaDB", str(error))
        raise
    yield server
    server.stop()


@pytest.fixture
def mysql_url(mariadb: MariadbServer) -> Iterator[str]:
    """The URL of a fresh MariaDB database of this test alone."""
    with mariadb.database() as name:
        yield mariadb.url(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; it is not part of the project, so tests skip without it."""
    folder = _REPO.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: real data is not part of the repository")
    return folder
