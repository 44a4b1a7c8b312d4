"""What a goal mentions: files, globs, URLs, paths and names, each with its span. Knows no catalogue."""

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["DATA_SUFFIXES", "Mention", "located", "mentions"]

MentionKind = Literal["file", "glob", "url", "path", "name"]

DATA_SUFFIXES: frozenset[str] = frozenset(
    {"csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "pq", "avro", "orc", "xlsx", "xls", "xml"}
    | {"yaml", "yml", "db", "sqlite", "sqlite3", "duckdb"}
)
"""Endings that make a word a file; which of them can be read is for the connectors to say."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"`]+")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|`([^`\n]+)`|(?<![\w'])'([^'\n]+)'(?!\w)")
_CHUNK = re.compile(r"[\w.~*?\[\]{}@$/\\:+-]+")
_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_SUFFIX = re.compile(
    r"\.(?:" + "|".join(sorted(DATA_SUFFIXES, key=lambda suffix: (-len(suffix), suffix))) + r")(?:\.(?:gz|zst))?",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?"


@dataclass(frozen=True, slots=True)
class Mention:
    """Words `goal[span[0]:span[1]]` that may name something. `text` is without quotes.

    `file` and `glob` end in a known data suffix (a compression's may follow) or, for a glob, in `/*`; `url` has a
    scheme; `path` starts at a root (`/`, `./`, `../`, `~/`) or ends in a slash; `name` is a word or a dotted name.
    """

    text: str
    span: tuple[int, int]
    kind: MentionKind


def mentions(goal: str) -> tuple[Mention, ...]:
    """Every mention in the goal, in its order; spans do not overlap. Quoted text counts as one mention."""
    found: list[Mention] = []
    at = 0
    while at < len(goal):
        mention, at = _next(goal, at)
        if mention is not None:
            found.extend(mention)
    return tuple(found)


def _next(goal: str, at: int) -> tuple[list[Mention] | None, int]:
    if match := _URL.match(goal, at):
        text = match.group().rstrip(_TRAILING + ")")
        return [Mention(text, (at, at + len(text)), "url")], match.end()
    if match := _QUOTED.match(goal, at):
        text = next(group for group in match.groups() if group is not None)
        kind = located(text)
        whole = kind is None and not _URL.match(text)
        return [Mention(text, match.span(), "name" if whole else kind or "url")], match.end()
    if match := _CHUNK.match(goal, at):
        text = match.group()
        # After a closing parenthesis a slash or a star is arithmetic.
        place = at == 0 or goal[at - 1] != ")"
        return _chunk(text, at, place=place), match.end()
    return None, at + 1


def _chunk(text: str, at: int, *, place: bool) -> list[Mention] | None:
    """A run without spaces: one place in a file system, else the names in it."""
    trimmed = text.rstrip(_TRAILING.replace("?", "")) if text.rstrip(_TRAILING) else text
    for candidate in (trimmed, trimmed.rstrip("?")) if place else ():
        kind = located(candidate)
        if kind is not None:
            return [Mention(candidate, (at, at + len(candidate)), kind)]
    if "@" in text:
        return None
    return [Mention(match.group(), (at + match.start(), at + match.end()), "name") for match in _NAME.finditer(text)]


def located(text: str) -> MentionKind | None:
    """`file`, `glob` or `path` when the text names a place in a file system, else None."""
    tail = text.replace("\\", "/").rsplit("/", 1)[-1]
    suffix = _SUFFIX.search(tail)
    ends = suffix is not None and suffix.end() == len(tail)
    if any(mark in text for mark in "*?[") and (ends or text.endswith(("/*", "/**"))):
        return "glob"
    if ends and suffix is not None and (suffix.start() > 0 or "/" in text):
        return "file"
    rooted = text.startswith(("/", "./", "../", "~/")) and len(text.strip("./~")) > 0
    if (rooted or text.endswith("/")) and "/" in text and len(text) > 1:
        return "path"
    return None
