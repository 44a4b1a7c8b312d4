"""Settings come from the file, the environment and arguments."""

from pathlib import Path

import pytest

from agent_etl.engine.errors import SettingsError
from agent_etl.engine.settings import is_home_here, load_settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENT_ETL_HOME", raising=False)
    return tmp_path


def test_the_default_home_is_below_the_current_folder(folder):
    """Without any setting the home is .agent_etl in the current folder, and asking creates nothing."""
    assert load_settings().home == folder / ".agent_etl"
    assert list(folder.iterdir()) == []


def test_later_sources_win(folder, monkeypatch):
    """An argument wins over the environment, and that over the file."""
    Path("agent_etl.toml").write_text('home = "/file"\nconcurrency = 2\nmemory_limit = "1GB"\n')
    monkeypatch.setenv("AGENT_ETL_HOME", "/env")
    monkeypatch.setenv("AGENT_ETL_CONCURRENCY", "3")
    settings = load_settings(home="/argument")
    assert (settings.home, settings.concurrency, settings.memory_limit) == (Path("/argument"), 3, "1GB")


def test_connections_are_urls_or_tables(folder, monkeypatch):
    """A connection is a URL or a table with protected; an argument overrides its URL and keeps protected."""
    Path("agent_etl.toml").write_text(
        '[connections]\nshop = "sqlite:///shop.db"\ncrm = {url = "sqlite:///crm.db", protected = true}\n'
    )
    monkeypatch.setenv("AGENT_ETL_CONNECTIONS__LAKE", "file:///lake")
    settings = load_settings(connections={"crm": "sqlite:///other.db", "new": "duckdb:///n.duckdb"})
    assert {name: item.url for name, item in settings.connections.items()} == {
        "shop": "sqlite:///shop.db",
        "crm": "sqlite:///other.db",
        "lake": "file:///lake",
        "new": "duckdb:///n.duckdb",
    }
    assert settings.connections["crm"].protected and not settings.connections["shop"].protected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("thread = 3", "thread"),
        ("threads = 0", "threads"),
        ('memory_limit = "lots"', "memory_limit"),
        ("[connections.crm]\nuri = 'x'", "connections.crm"),
        ("connections = {'a b' = 'sqlite:///x'}", "connections"),
        ("home = ", "agent_etl.toml"),
        ("home = '\xe9'", "UTF-8"),
        ("connections = {crm = 5}", "a URL is wanted"),
        ("connections = {crm = {protected = true}}", "it is missing"),
        ("concurrency = 'many'", "a whole number is wanted"),
        ("concurrency = 0", "it should be greater than"),
        ("log = 'xml'", "valid are 'json'"),
        ("thread = 3", "there is no such setting"),
    ],
)
def test_a_wrong_setting_is_named(folder, text, named):
    """What cannot be read is an error that names the setting or the file, what is wanted and where to correct it."""
    Path("agent_etl.toml").write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert named in str(caught.value)
    assert caught.value.hint


def test_a_wrong_connection_of_the_call_is_named(folder):
    """An empty URL that was given names its connection."""
    with pytest.raises(SettingsError) as caught:
        load_settings(connections={"crm": ""})
    assert caught.value.fields["setting"] == "connections.crm.url"


def test_a_home_is_known_as_the_one_that_is_used_here(folder, monkeypatch):
    """A command needs no --home for the home of the settings, however it is written; any other one is another."""
    assert is_home_here(Path(".agent_etl"))
    assert is_home_here(folder / ".agent_etl")
    assert not is_home_here(folder / "other")
    monkeypatch.setenv("AGENT_ETL_HOME", str(folder / "other"))
    assert is_home_here(folder / "other")
    Path("agent_etl.toml").write_text("nothing =")
    assert not is_home_here(folder / "other")


def test_settings_do_not_show_passwords(folder):
    """Printing settings shows no password."""
    settings = load_settings(connections={"crm": "postgresql://u:canary@h/d"})
    assert "canary" not in f"{settings!r} {settings} {settings.connections}"
