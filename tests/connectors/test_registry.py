"""connectors/registry.py"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_etl.connectors.registry import Registry, open_connections
from agent_etl.engine.errors import SettingsError
from agent_etl.engine.settings import load_settings

Open = Callable[..., Registry]


@pytest.fixture
def registry(home: Path, tmp_path: Path) -> Open:
    """A registry with the given connections in the test's own folder."""

    def opened(**connections: str) -> Registry:
        return open_connections(load_settings(connections=connections), cwd=tmp_path)

    return opened


def test_the_default_connections_are_always_there(registry: Open, home: Path, tmp_path: Path) -> None:
    """`warehouse` is the home's DuckDB file and `here` the current folder, whatever is configured."""
    connections = registry(shop="sqlite:///shop.db")
    assert connections.names() == ("here", "shop", "warehouse")
    assert connections["warehouse"].path == home / "warehouse.duckdb"
    assert connections["here"].kind == "files"
    assert connections["here"].root == tmp_path


@pytest.mark.parametrize(
    ("wanted", "kind", "path"),
    [
        ("sqlite:///shop.db", "sqlite", "shop.db"),
        ("sqlite:///sub/shop.db", "sqlite", "sub/shop.db"),
        ("shop.sqlite", "sqlite", "shop.sqlite"),
        ("./sub/shop.db", "sqlite", "sub/shop.db"),
        ("duckdb:///w.duckdb", "duckdb", "w.duckdb"),
        ("w.duckdb", "duckdb", "w.duckdb"),
        ("sqlite:///a%20b.db", "sqlite", "a b.db"),
    ],
)
def test_urls_and_paths_are_relative_to_the_current_folder(
    registry: Open, tmp_path: Path, wanted: str, kind: str, path: str
) -> None:
    """A URL with three slashes or the path of a database file starts at the current folder."""
    connection = registry()[wanted]
    assert connection.kind == kind
    assert connection.path == tmp_path / path


def test_absolute_paths_are_absolute(registry: Open, tmp_path: Path) -> None:
    """Four slashes, or a plain absolute path, are absolute."""
    for wanted in (f"sqlite:///{tmp_path}/x.db", f"duckdb:///{tmp_path}/x.duckdb", f"{tmp_path}/x.db"):
        assert registry()[wanted].path.parent == tmp_path


def test_a_folder_is_a_connection(registry: Open, tmp_path: Path) -> None:
    """A file URL names a folder whose files are its tables."""
    (tmp_path / "lake").mkdir()
    assert registry()[f"file://{tmp_path}/lake/"].kind == "files"
    assert registry(lake="lake")["lake"].kind == "files"


def test_an_unknown_name_says_what_is_valid(registry: Open) -> None:
    """A name that nobody configured is refused with the valid ones and the next command."""
    with pytest.raises(SettingsError) as caught:
        registry(shop="sqlite:///shop.db")["crm"]
    assert caught.value.fields["valid"] == ["here", "shop", "warehouse"]
    assert "agent-etl connections" in caught.value.hint


def test_an_unknown_scheme_says_what_is_valid(registry: Open) -> None:
    """A URL of a system without a connector is refused with the schemes that have one."""
    with pytest.raises(SettingsError) as caught:
        registry(old="oracle://u:geheimnis@h/x")["old"]
    assert "postgresql" in caught.value.fields["valid"]
    assert "geheimnis" not in str(caught.value)


def test_a_url_is_shown_without_its_password(registry: Open) -> None:
    """Neither the name nor the URL of a connection holds a password, and nothing is connected yet."""
    connection = registry(crm="postgresql://etl:geheimnis@127.0.0.1:1/crm")["crm"]
    adhoc = registry()["postgresql://etl:geheimnis@127.0.0.1:1/crm"]
    for shown in (connection.url, adhoc.url, adhoc.name):
        assert "geheimnis" not in shown
        assert "127.0.0.1" in shown


def test_a_secret_is_resolved_when_connecting(registry: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference to an unset variable is an error of the first connect, not of opening the registry."""
    monkeypatch.delenv("CRM_PASSWORD", raising=False)
    source = registry(crm="postgresql://etl:${CRM_PASSWORD}@127.0.0.1:1/crm")["crm"].source()
    with pytest.raises(SettingsError) as caught:
        source.tables()
    assert caught.value.fields["variable"] == "CRM_PASSWORD"


def test_a_protected_connection_stays_protected_by_its_url(home: Path, tmp_path: Path) -> None:
    """Naming a protected connection by its URL does not take its protection away."""
    (tmp_path / "agent_etl.toml").write_text('[connections.crm]\nurl = "sqlite:///crm.db"\nprotected = true\n')
    connections = open_connections(load_settings(), cwd=tmp_path)
    for wanted in ("crm", "sqlite:///crm.db", "crm.db", f"{tmp_path}/crm.db"):
        assert connections[wanted].protected, wanted


def test_one_name_is_one_connection(registry: Open) -> None:
    """Asking twice gives the same connection, until the registry is closed."""
    connections = registry()
    assert connections["warehouse"] is connections["warehouse"]
    first = connections["warehouse"]
    connections.close()
    assert connections["warehouse"] is not first


def test_drivers_are_loaded_when_first_used() -> None:
    """Opening a registry imports no driver."""
    script = (
        "import sys\nfrom agent_etl.connectors.registry import open_connections\n"
        "from agent_etl.engine.settings import load_settings\n"
        "open_connections(load_settings())\n"
        "print([m for m in ('duckdb', 'adbc_driver_manager', 'psycopg', 'pyarrow.dataset') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("url", ["postgresql://u:hun[ter2@h/d", "postgresql://h:many/d", "file://[x/"])
def test_a_url_that_cannot_be_taken_apart_is_named(registry: Open, url: str) -> None:
    """Brackets in a password or a port that is no number: the connection is named, its password is not shown."""
    connections = registry(crm=url)
    for wanted in ("crm", url):
        with pytest.raises(SettingsError, match="cannot be read") as caught:
            connections[wanted]
        assert "hun" not in str(caught.value)
