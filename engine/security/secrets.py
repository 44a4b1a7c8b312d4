"""Secrets: references that are resolved at the last moment, and text made safe to show."""

import os
import re
from urllib.parse import quote, unquote, urlsplit

from agent_etl.engine.errors import SettingsError

__all__ = ["redact", "resolve", "scrub"]

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MASK = "***"
_SHORTEST = 6

# Greedy to the last @: a raw password may hold @ and /. Masking too much of a text is the safe mistake.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@?#]*):(\S*)@")
_USERINFO_WITH_SPACES = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@?#]*):(.*)@", re.DOTALL)
_PAIR = re.compile(
    r"""(?P<key>[\w.-]*(?:password|passwd|passphrase|pwd|token|secret|credentials?|api[_-]?key|access[_-]?key
        |private[_-]?key|account[_-]?key|signature|authorization|sig)["']?\s*(?:=>|=|:)\s*)
        (?:(?P<quote>["']).*?(?P=quote)|\$\{\w+\}|(?:(?:bearer|basic)\s+)?[^\s&"',;)}\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_SCHEME = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)

# Values that were resolved in this process: a driver may repeat one in an error without any key before it.
_resolved: set[str] = set()


def resolve(url: str) -> str:
    """The URL with each `${NAME}` replaced by that environment variable.

    Inside user info and query values the value is percent-encoded, so any password fits; elsewhere it stands as it is.

    Raises: SettingsError when a variable is not set. Side effects: `scrub` masks the resolved values from now on.
    """
    end = _userinfo_end(url)
    start = url.find("://") + 3
    query = url.find("?")

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = os.environ.get(name)
        if found is None:
            raise SettingsError(
                "A connection refers to an environment variable that is not set",
                variable=name,
                hint=f"export {name}=… and run again",
            )
        inside = start <= match.start() < end or 0 <= query < match.start()
        if inside:
            _remember(found)
        return quote(found, safe="") if inside else found

    resolved = _REFERENCE.sub(value, url)
    _remember(_password(resolved))
    return resolved


def redact(text: str) -> str:
    """The text without passwords in URLs and without values of keys such as password, token, api_key, secret.

    A `${NAME}` reference is no secret and stays.
    """
    pattern = _USERINFO_WITH_SPACES if _USERINFO_WITH_SPACES.match(text) else _USERINFO
    text = pattern.sub(_mask_userinfo, text)
    text = _PAIR.sub(_mask_pair, text)
    return _SCHEME.sub(rf"\1 {_MASK}", text)


def scrub(text: str) -> str:
    """`redact`, and every secret value that this process has resolved masked wherever it stands."""
    text = redact(text)
    for value in sorted(_resolved, key=len, reverse=True):
        text = text.replace(value, _MASK)
    return text


def _mask_userinfo(match: re.Match[str]) -> str:
    if _REFERENCE.fullmatch(match.group(2)):
        return match.group(0)
    return f"{match.group(1)}:{_MASK}@"


def _mask_pair(match: re.Match[str]) -> str:
    if _REFERENCE.fullmatch(match.group(0)[len(match.group("key")) :].strip("\"'")):
        return match.group(0)
    mark = match.group("quote") or ""
    return f"{match.group('key')}{mark}{_MASK}{mark}"


def _userinfo_end(url: str) -> int:
    """Where the user info ends: the last @ before the path; -1 without one."""
    start = url.find("://")
    if start < 0:
        return -1
    masked = _REFERENCE.sub(lambda match: "_" * len(match.group(0)), url)
    stop = min((place for mark in "/?#" if (place := masked.find(mark, start + 3)) >= 0), default=len(url))
    return masked.rfind("@", start + 3, stop)


def _password(url: str) -> str:
    try:
        password = urlsplit(url).password
    except ValueError:
        return ""
    return password or ""


def _remember(value: str) -> None:
    # A short value ("root", "test") would mask ordinary words and identify nobody.
    for form in (value, unquote(value), quote(value, safe="")):
        if len(form) >= _SHORTEST:
            _resolved.add(form)
