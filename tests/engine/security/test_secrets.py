"""Secrets stay references until the last moment and never show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_etl.engine.errors import SettingsError
from agent_etl.engine.security.secrets import redact, resolve, scrub

HOSTILE = "a!b@c$d()e*_,/:;=?@ff[]22"


def test_a_hostile_password_reaches_the_url_encoded(monkeypatch):
    """Any password in a variable gives a URL that parses back to that password."""
    from urllib.parse import unquote, urlsplit

    monkeypatch.setenv("SHOP_PW", HOSTILE)
    parts = urlsplit(resolve("postgresql://etl:${SHOP_PW}@db.local:5432/shop"))
    assert unquote(parts.password) == HOSTILE
    assert (parts.hostname, parts.port, parts.path) == ("db.local", 5432, "/shop")


def test_a_reference_that_is_a_whole_url_or_a_path_stands_as_it_is(monkeypatch):
    """Values outside user info and query are not encoded."""
    monkeypatch.setenv("SHOP_URL", "postgresql://u:p@h/d")
    monkeypatch.setenv("FOLDER", "/data/my files")
    assert resolve("${SHOP_URL}") == "postgresql://u:p@h/d"
    assert resolve("file://${FOLDER}/in") == "file:///data/my files/in"


def test_a_missing_variable_is_named(monkeypatch):
    """A reference to nothing is an error that names the variable."""
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(SettingsError) as caught:
        resolve("postgresql://u:${NOT_THERE}@h/d")
    assert caught.value.fields == {"variable": "NOT_THERE"}


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://etl:{HOSTILE}@h/db",
        f"could not connect to postgresql://etl:{HOSTILE}@h:5432/db: refused",
        f"https://h/x?page=1&api_key={'canary'}&limit=2",
        "Authorization: Bearer canarycanary",
        "x-api-key: canary",
        "{'password': 'canary canary'}",
        '{"client_secret":"canary"}',
        "host=h user=u password=canary dbname=d",
        "redis://:canary@h/0",
        "postgresql://u:pass canary word@h/db",
    ],
)
def test_secrets_are_masked_in_any_text(text):
    """No shape in which drivers and logs print secrets shows one."""
    shown = redact(text)
    assert "canary" not in shown
    assert HOSTILE not in shown and "ff[]22" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://etl@h:5432/db",
        "postgresql://etl:${CRM_PASSWORD}@h/db",
        "https://h/x?token=${TOKEN}",
        "file:///C:/data/a.csv",
        "sqlite:///shop.db",
        "max_tokens=5, monkey=3, secretary: Ann",
        "Load orders.csv at 10:30 into sales@month",
    ],
)
def test_what_is_no_secret_stays_readable(text):
    """References, paths and ordinary words are left alone."""
    assert redact(text) == text


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=12, max_size=30))
def test_no_password_survives_in_a_url(password):
    """Whatever the password holds, the redacted URL does not hold it."""
    if password.startswith("${"):
        return
    assert password not in redact(f"postgresql://etl:{password}@h/db")


def test_a_resolved_secret_is_masked_wherever_it_stands(monkeypatch):
    """An error that repeats a password without any key before it still does not show it in a log."""
    monkeypatch.setenv("SHOP_PW", "correct-horse-staple")
    resolve("postgresql://etl:${SHOP_PW}@h/d")
    assert scrub("near correct-horse-staple at 3") == "near *** at 3"
