"""Where the result goes: name, place, mode, key and format of a destination."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from agent_etl.agents.rules.intent import TargetSpec
from agent_etl.agents.rules.lexicon import (
    ALL_VERBS,
    APPEND_VERBS,
    ARTICLES,
    BREAKS,
    ELSEWHERE,
    MERGE_VERBS,
    PRONOUNS,
    REPLACE_VERBS,
    RESULT_WORDS,
    WRITE_VERBS,
)
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.sources import same_place
from agent_etl.agents.rules.unsupported import named_as_column

__all__ = ["read_target"]

Mode = Literal["append", "replace", "merge"]
Format = Literal["csv", "tsv", "jsonl", "parquet"]

_FORMATS: dict[str, Format] = {
    "csv": "csv",
    "tsv": "tsv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json-lines": "jsonl",
    "parquet": "parquet",
}
_DATABASES = (".sqlite", ".sqlite3", ".db", ".duckdb")
_KINDS = frozenset({"postgres", "postgresql", "pg", "mysql", "mariadb", "sqlite", "duckdb", "warehouse"})
_WRITES = (
    WRITE_VERBS
    | REPLACE_VERBS
    | MERGE_VERBS
    | APPEND_VERBS
    | {"load", "copy", "move", "transfer", "sync", "go", "goes"}
)
_MODES: tuple[tuple[Mode, frozenset[str]], ...] = (
    ("merge", MERGE_VERBS),
    ("replace", REPLACE_VERBS),
    ("append", APPEND_VERBS),
)
_NAMED = tuple(f"{verb} the {noun}" for verb in ("call", "name") for noun in ("result", "table", "output", "target"))
_NAMED += ("target table", "target file", "target", "table", "output table", "destination", "result table")


def read_target(r: Reading) -> bool:
    """`write it to x`, `replace x`, `upsert into x by k`, `into x`, `-> x`. Raises: Unclear."""
    start = r.cur.at
    verbs: list[str] = []
    while True:
        at = r.cur.at
        if verbs:
            r.cur.take("and", ",")
        verb = r.cur.take_any(_WRITES)
        if verb is None and not verbs and r.cur.take(*_NAMED) and r.cur.at in r.target_starts:
            break
        if verb is None:
            r.cur.at = at
            break
        verbs.append(verb)
        if r.cur.at in r.target_starts and verb in REPLACE_VERBS:
            break
        r.cur.skip(PRONOUNS | RESULT_WORDS | ARTICLES | {"out", "down", "final", "resulting", "of", "rest"})
    early: tuple[tuple[str, tuple[int, int]], ...] = ()
    if verbs and verbs[-1] in MERGE_VERBS and r.cur.low() in ("by", "on"):
        # `upsert by order_id into x`
        early = _keys(r)
    if r.cur.at not in r.target_starts:
        r.cur.take("into", "to", "onto", "as", "in", "->")
    if r.cur.at not in r.target_starts:
        r.cur.at = start
        return False
    mode, explicit = _mode(r, verbs, start)
    spec = _destination(r, start, mode)
    if spec is None:
        r.cur.at = start
        return False
    spec = replace(spec, explicit=explicit)
    r.intent.targets.append(_tail(r, replace(spec, key_words=early), start))
    return True


def _mode(r: Reading, verbs: list[str], start: int) -> tuple[Mode | None, bool]:
    """The mode that the verb states, and whether it is a word for the mode; a bare `into` takes the verb before it.

    Raises: Unclear for two modes at once.
    """
    if not verbs:
        # The nearest verb: `load a into b` adds, `load a and sum b into c` makes a table.
        said = [token.low for token in r.cur.tokens[:start] if token.low in _WRITES | ALL_VERBS]
        # `append a, sort it by b, into c`: nothing but the first verb says how.
        stated = [verb for verb in said if verb in APPEND_VERBS | {"upsert", "upserting"} and not r.intent.targets]
        verbs = said[-1:] + stated[-1:]
    modes = list(dict.fromkeys(mode for verb in verbs for mode, words in _MODES if verb in words))
    if len(modes) > 1:
        raise r.unknown(start, f"this says both {modes[0]} and {modes[1]}")
    if modes:
        return modes[0], True
    return ("append" if any(verb in ("load", "ingest", "import") for verb in verbs) else None), False


def _destination(r: Reading, start: int, mode: Mode | None) -> TargetSpec | None:
    spec = TargetSpec(None, None, mode, r.phrase, r.cur.span(start))
    spec = _place_before(r, spec)
    r.cur.skip(ARTICLES | {"new", "existing", "table", "file", "called", "named"})
    token = r.cur.peek()
    if token is None:
        return spec if spec.connection else None
    if token.kind == "place":
        spec = _file(r, spec, start)
    elif token.kind in ("word", "string") and not (spec.connection and r.cur.low() in ("as", "in")):
        format_ = _FORMATS.get(token.low)
        if format_ is not None:
            r.cur.next()
            r.cur.skip({"file", "files", "format"})
            named = r.cur.take("called", "named") or r.cur.kind() == "place"
            spec = replace(spec, format=format_, file=True)
            if r.cur.at in r.target_starts or r.cur.take("to", "in", "as", "at") or named:
                return _destination_name(r, spec, start)
            return spec
        spec = _name(r, spec)
    spec = _place_after(r, spec, start)
    if spec.table is None and spec.connection is None and not spec.file:
        raise r.unknown(start, "the destination has no name", r.cur.at)
    return spec


def _destination_name(r: Reading, spec: TargetSpec, start: int) -> TargetSpec:
    token = r.cur.peek()
    if token is None:
        return spec
    if token.kind == "place":
        return replace(_file(r, spec, start), format=spec.format)
    r.cur.skip(ARTICLES | {"file"})
    name = r.cur.next().text
    suffix = PurePosixPath(name).suffix
    return replace(spec, table=name if suffix else f"{name}.{spec.format}", connection="here")


def _place_before(r: Reading, spec: TargetSpec) -> TargetSpec:
    """`the warehouse table x`, `crm table x`, `duckdb table x`."""
    start = r.cur.at
    r.cur.skip(ARTICLES | {"local"})
    word = r.cur.low()
    followed = r.cur.low(1) in ("table", "database", "db", "as", "under", "")
    known = word in _KINDS or any(word == name.lower() for name in r.request.catalogue.connections)
    if r.cur.kind() == "word" and known and followed:
        r.cur.next()
        connection = _connection(r, word, start)
        r.cur.skip({"database", "db"})
        r.cur.skip({"table", "called", "named", "as", "under", "the", "name"})
        return replace(spec, connection=connection)
    r.cur.at = start
    return spec


def _connection(r: Reading, word: str, start: int) -> str:
    names = [name for name in sorted(r.request.catalogue.connections) if name.lower() == word]
    if names:
        return names[0]
    if word == "warehouse":
        return r.request.catalogue.default_target
    found = [name for name in sorted(r.request.catalogue.connections) if same_place(r, name, word)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise r.unknown(start, f"no connection of kind {word} is configured", r.cur.at)
    text = f"Several connections are of kind {word}. Which one?"
    return r.asking.choose("connection", r.cur.span(start), text, [(name, name) for name in found])


def _file(r: Reading, spec: TargetSpec, start: int) -> TargetSpec:
    text = r.cur.next().text
    if "://" in text or text.lower().endswith(_DATABASES):
        spec = replace(spec, connection=text)
        r.cur.skip({"table", "as", "under"})
        if r.cur.kind() in ("word", "string") and r.cur.tokens[r.cur.at - 1].low in ("table", "as", "under"):
            spec = replace(spec, table=r.cur.next().text)
        if spec.table is None:
            raise r.unknown(start, "which table there? say `table <name> in <place>`")
        return spec
    suffixes = [suffix.lstrip(".").lower() for suffix in PurePosixPath(text).suffixes]
    format_ = next((_FORMATS[suffix] for suffix in suffixes if suffix in _FORMATS), None)
    if format_ is None:
        raise r.unknown(start, "files are written as csv, tsv, jsonl or parquet")
    return replace(spec, connection="here", table=text, format=format_, file=True)


def _name(r: Reading, spec: TargetSpec) -> TargetSpec:
    token = r.cur.next()
    if token.kind == "word" and (token.low in ELSEWHERE or token.low in BREAKS):
        raise r.unknown(r.cur.at - 1, "nothing of that name can be written to here")
    r.cur.skip({"table"})
    text = token.text
    head, dot, tail = text.partition(".")
    if dot and token.kind == "word":
        named = [name for name in r.request.catalogue.connections if name.lower() == head.lower()]
        if named:
            return replace(spec, connection=named[0], table=tail)
        # `pg.orders` means a system, not a schema of that name in the warehouse.
        if head.lower() in _KINDS:
            return replace(spec, connection=_connection(r, head.lower(), r.cur.at - 1), table=tail)
        if head.lower() in ELSEWHERE:
            raise r.unknown(r.cur.at - 1, f"no connection named {head} is configured", r.cur.at)
    return replace(spec, table=text)


def _place_after(r: Reading, spec: TargetSpec, start: int) -> TargetSpec:
    """`in the crm database`, `as parquet` after the name."""
    at = r.cur.at
    if r.cur.take("as", "in") and r.cur.low() in _FORMATS:
        format_ = _FORMATS[r.cur.next().low]
        r.cur.skip({"file", "files", "format"})
        name = spec.table or ""
        if not spec.file:
            name = f"{name}.{format_}" if name else name
        return replace(spec, format=format_, file=True, connection="here", table=name or None)
    r.cur.at = at
    if not r.cur.take("in", "on", "of", "at"):
        return spec
    r.cur.skip(ARTICLES)
    token = r.cur.peek()
    if token is None or token.kind not in ("word", "place", "string"):
        r.cur.at = at
        return spec
    word = token.low
    known = word in _KINDS or word in {name.lower() for name in r.request.catalogue.connections}
    if known:
        r.cur.next()
        spec = replace(spec, connection=_connection(r, word, at))
    elif token.kind == "place" and (word.endswith(_DATABASES) or "://" in word):
        r.cur.next()
        spec = replace(spec, connection=token.text)
    elif token.kind == "place" and word.endswith("/") and spec.file:
        r.cur.next()
        spec = replace(spec, table=token.text + (spec.table or ""))
    else:
        r.cur.at = at
        return spec
    r.cur.skip({"database", "db", "connection"})
    return spec


def _tail(r: Reading, spec: TargetSpec, start: int) -> TargetSpec:
    """Key columns of a merge, and words that state the mode after the name."""
    while True:
        at = r.cur.at
        r.cur.take(",", "(")
        bracket = r.cur.tokens[r.cur.at - 1].text == "("
        stated = _stated_mode(r)
        if stated is not None and (not bracket or r.cur.take(")")):
            said = {token.low for token in r.cur.tokens[start:at]} & (APPEND_VERBS | MERGE_VERBS | REPLACE_VERBS)
            if said and spec.mode not in (None, stated):
                raise r.unknown(start, f"this says both {spec.mode} and {stated}")
            spec = replace(spec, mode=stated, explicit=True)
            continue
        r.cur.at = at
        if spec.mode == "merge" and not spec.key_words:
            keys = _keys(r)
            if keys:
                spec = replace(spec, key_words=keys)
                continue
        r.cur.at = at
        break
    return replace(spec, span=r.cur.span(start))


def _stated_mode(r: Reading) -> Mode | None:
    r.cur.take("in", "with")
    if r.cur.take("append mode", "append", "appending to it", "appending to what is there"):
        return "append"
    if r.cur.take("replace mode", "overwrite mode", "replacing it", "overwriting it", "overwriting", "fully"):
        return "replace"
    if r.cur.take("replacing", "overwriting"):
        r.cur.skip(ARTICLES | {"yesterday", "old", "existing", "previous", "current", "whole", "any", "s"})
        if r.cur.take("content", "contents", "rows", "data", "table", "version", "file"):
            return "replace"
    if r.cur.take("replace", "overwrite"):
        return "replace"
    if r.cur.tokens[r.cur.at - 1].low == "with" and r.cur.take(
        "it", "them", "the result", "this", "these", "the results"
    ):
        return "replace"
    return None


def _keys(r: Reading) -> tuple[tuple[str, tuple[int, int]], ...]:
    """`by month and region`, `on order_id`, `key (a, b)`: words and their spans."""
    if not r.cur.take(
        "by", "on", "using", "keyed by", "keyed on", "with key", "with keys", "key", "keys", "matching on"
    ):
        return ()
    r.cur.take("the")
    r.cur.skip({"key", "keys", "column", "columns"})
    closing = r.cur.take("(")
    found: list[tuple[str, tuple[int, int]]] = []
    while r.cur.kind() in ("word", "string"):
        first = r.cur.at
        r.cur.next()
        while r.cur.kind() == "word" and r.cur.low() not in (
            "and",
            "then",
            "sorted",
            "with",
            "in",
            "as",
            "longest",
            "into",
        ):
            r.cur.next()
        found.append((r.cur.quote(first), r.cur.span(first)))
        at = r.cur.at
        if not r.cur.take(", and", "and", ",", "+", "&"):
            break
        verb = r.cur.low() in _WRITES | {"then", "sort", "longest", "only", "sorted", "email", "send"}
        if not closing and verb and not named_as_column(r):
            r.cur.at = at
            break
    if closing:
        r.cur.take(")")
    return tuple(found)
