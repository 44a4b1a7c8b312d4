"""Sources: which words of a goal name tables and files that are read, and which name where it writes."""

from contextlib import suppress

from agent_etl.agents.rules.asking import Unclear
from agent_etl.agents.rules.ground import WEAK, entity_score
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.landing import in_target
from agent_etl.agents.rules.lexicon import ALL_VERBS, ARTICLES, JOIN_VERBS, READ_VERBS
from agent_etl.agents.rules.reading import Reading
from agent_etl.engine.schema import Table

__all__ = ["find_sources", "named_table", "read_source", "same_place", "tables_named"]

_NOUNS = frozenset(
    {"table", "tables", "file", "files", "csv", "dataset", "datasets", "parquet", "data", "rows", "json"}
)
_STOPS = frozenset({"(", ",", "-", ";", "."})
_BOTH = frozenset({"append", "insert", "upsert", "merge", "export", "save", "dump", "store", "move", "persist"})
_DATABASES = (".sqlite", ".sqlite3", ".db", ".duckdb")


def find_sources(r: Reading) -> None:
    """Put every table that the goal says to read into scope: listed ones first, else those that its nouns name."""
    r.cur.at = 0
    while not r.cur.done:
        start = r.cur.at
        try:
            if not read_source(r):
                r.cur.at = start + 1
        except Unclear:
            r.cur.at = start + 1
    r.asking.forget()
    _mentioned(r, exact=True)
    if not any(source.listed for source in r.sources):
        # Two tables of one name: the question stays, and the reading goes on without them.
        with suppress(Unclear):
            _mentioned(r, exact=False)
    for table in r.prior.tables:
        r.add_source(table, listed=False)
    if not r.sources and len(r.request.catalogue.tables) == 1:
        r.add_source(r.request.catalogue.tables[0], listed=False)
    r.cur.at = 0


def _mentioned(r: Reading, *, exact: bool) -> None:
    """Tables that the goal names elsewhere: by file or dotted name; with `exact` off also by their nouns."""
    tokens = r.cur.tokens
    listed = any(source.listed for source in r.sources)
    for at, token in enumerate(tokens):
        if in_target(r, at) or token.kind not in ("word", "place"):
            continue
        if token.kind == "place":
            found = tables_named(r, [token.text])
        elif exact:
            found = _by_dots(r, token.text) if "." in token.text else []
            if not found and not listed and ("_" in token.text or token.text.lower() != token.low):
                found = tables_named(r, [token.text])
        else:
            words = [one.text for one in tokens[at : at + 2] if one.kind == "word"]
            place = next(iter(r.places)) if len(r.places) == 1 else None
            found = tables_named(r, words, place) or tables_named(r, words[:1], place)
            found = found or tables_named(r, words) or tables_named(r, words[:1])
        if len(found) == 1:
            r.add_source(found[0], listed=False)
        elif found and not exact and not any(source.table in found for source in r.sources):
            _choose(r, found, (at, at + 1))


def _by_dots(r: Reading, text: str) -> list[Table]:
    found = list(r.request.catalogue.named(text))
    return found or list(r.request.catalogue.named(text.rsplit(".", 1)[0]))


def tables_named(r: Reading, words: list[str], place: str | None = None, least: float = 0.86) -> list[Table]:
    """The catalogue's tables that the words name best, in a place when one is given."""
    if not words:
        return []
    scored: list[tuple[float, Table]] = []
    for table in r.request.catalogue.tables:
        if place is not None and not same_place(r, table.connection, place):
            continue
        score = entity_score(words, table)
        if score < 1.0 and _written_here(r, table):
            # `total amount … into totals`: what the goal writes is read only where it says just that name.
            continue
        if len(words) == 1 and _same_file(words[0], table):
            score = 1.0
        if score >= max(least, WEAK):
            scored.append((score, table))
    best = max((score for score, _ in scored), default=0.0)
    return [table for score, table in scored if score >= best - 0.001]


def _written_here(r: Reading, table: Table) -> bool:
    names = {r.cur.tokens[at].low for at in r.target_starts if at < len(r.cur.tokens)}
    return table.connection == r.request.catalogue.default_target and table.name.lower() in names


def _same_file(text: str, table: Table) -> bool:
    wanted, have = text.replace("\\", "/").removeprefix("./").lower(), table.dataset.replace("\\", "/").lower()
    return wanted == have or have.endswith("/" + wanted) or wanted == f"{table.connection}/{have}".lower()


def same_place(r: Reading, connection: str, place: str) -> bool:
    """The words name that connection: its name, its kind, or its database file."""
    wanted, have = place.lower().rstrip("/"), connection.lower().rstrip("/")
    if wanted == have or have.endswith("/" + wanted) or wanted.endswith("/" + have):
        return True
    if r.request.catalogue.places.get(place) == connection:
        return True
    kind = r.request.catalogue.connections.get(connection, "")
    aliases = {"postgresql": "postgres", "pg": "postgres", "mariadb": "mysql", "sqlite3": "sqlite"}
    return aliases.get(wanted, wanted) == kind.lower()


def _choose(r: Reading, found: list[Table], at: tuple[int, int]) -> Table:
    named = {f"{table.connection}.{table.dataset}": table for table in found}
    if len(named) == 1:
        return found[0]
    span = r.cur.span(*at)
    quote = r.cur.goal[slice(*span)]
    chosen = r.asking.choose(
        "table", span, f"{quote!r} is in several places. Which one is meant?", [(name, name) for name in sorted(named)]
    )
    return named[chosen]


def read_source(r: Reading) -> bool:
    """`load A, B and C from D`, `from A and B`, `D: A`, `append A`. Raises: Unclear for a name that no source holds."""
    if _whole_place(r) or _located(r) or _bare_file(r) or _written(r):
        return True
    if r.cur.low() in READ_VERBS | {"from", "using"}:
        return _list_here(r)
    # `rename a to b in orders.csv`
    start = r.cur.at
    if not r.cur.take("according to", "based on", "taken from", "coming from", "read from", "out of"):
        if r.cur.low() not in ("of", "in", "for", "using", "over", "on", "to") or start + 1 in r.target_starts:
            return False
        r.cur.next()
    r.cur.skip(ARTICLES | {"file", "table"})
    token = r.cur.peek()
    dotted = token is not None and "." in token.text and bool(r.request.catalogue.named(token.text))
    if dotted or r.cur.kind() == "place":
        r.cur.at -= 1
        if _list_here(r):
            return True
    r.cur.at = start
    return False


def _whole_place(r: Reading) -> bool:
    """`from chinook.sqlite`, `of crm`, `ledger.duckdb accounts`: where the tables are, and perhaps which."""
    start = r.cur.at
    r.cur.take("from", "in", "using", "of", "out of", "load", "read", "use", "open", "on", "query", "copy", "take")
    said = r.cur.at > start
    r.cur.skip(ARTICLES | {"database", "file"} if said else ())
    token = r.cur.peek()
    database = token is not None and token.kind == "place" and (token.low.endswith(_DATABASES) or "://" in token.text)
    named = said and token is not None and token.low in {one.lower() for one in r.request.catalogue.connections}
    if token is None or not (database or named) or _beside_target(r, start):
        r.cur.at = start
        return False
    place = token.text
    if not any(same_place(r, one.connection, place) for one in r.request.catalogue.tables):
        r.cur.at = start
        return False
    r.cur.next()
    r.cur.skip({"database", "db", "connection"})
    r.place = place
    r.places.add(place.lower())
    at = r.cur.at
    r.cur.take("table", "tables", ":", ",")
    found = _items(r, place)
    if not found:
        r.cur.at = at
    for first, last, words in found:
        _register(r, words, place, (first, last))
    return True


def _beside_target(r: Reading, at: int) -> bool:
    """The words belong to a destination: `into table x in y.sqlite`."""
    tokens = r.cur.tokens
    while at >= 0 and at < len(tokens):
        if at in r.target_starts:
            return True
        if tokens[at].text in (",", ";", ".", ":", "(", ")"):
            return False
        at -= 1
    return False


def _items(r: Reading, place: str) -> list[tuple[int, int, list[str]]]:
    """Names of tables right after the place that holds them."""
    found: list[tuple[int, int, list[str]]] = []
    while True:
        before = r.cur.at
        if found and not _comma(r):
            return found
        start = r.cur.at
        words = r.words_ahead(3) if start not in r.target_starts else []
        size = next((size for size in range(len(words), 0, -1) if tables_named(r, words[:size], place, 0.96)), 0)
        if not size:
            r.cur.at = before
            return found
        r.cur.at += size
        found.append((start, r.cur.at, words[:size]))


def _located(r: Reading) -> bool:
    """`orders and customers are both in shop.sqlite`. Raises: Unclear."""
    start = r.cur.at
    ahead = next((at for at in range(start, min(start + 9, len(r.cur.tokens))) if r.cur.tokens[at].low == "are"), None)
    if ahead is None or any(token.kind != "word" and token.text != "," for token in r.cur.tokens[start:ahead]):
        return False
    r.cur.at = ahead
    if r.cur.take("are both in", "are all in", "are in", "are both from") and r.cur.kind() == "place":
        place = r.cur.next().text
        if any(same_place(r, one.connection, place) for one in r.request.catalogue.tables):
            end, r.cur.at = r.cur.at, start
            found = _items(r, place)
            if found and r.cur.at == ahead:
                for first, last, words in found:
                    _register(r, words, place, (first, last))
                r.cur.at = end
                return True
    r.cur.at = start
    return False


def _bare_file(r: Reading) -> bool:
    """`(a.csv, b.csv)`, `…, a.csv`: a file that is read, by its name alone after a stop."""
    start = r.cur.at
    token = r.cur.peek()
    if token is None or start in r.target_starts or not start or r.cur.tokens[start - 1].text not in _STOPS | {"and"}:
        return False
    dotted = token.kind == "word" and "." in token.text and bool(r.request.catalogue.named(token.text))
    found = tables_named(r, [token.text]) if token.kind == "place" or dotted else []
    if len(found) != 1 or r.cur.low(1) in JOIN_VERBS | {"left", "inner", "anti", "semi", "with"}:
        return False
    r.cur.next()
    r.current = r.add_source(found[0], listed=True)
    return True


def _written(r: Reading) -> bool:
    """`append orders.csv … to x`, `export customers … to y`: a verb of writing over what is read."""
    start = r.cur.at
    verb = r.cur.take_any(_BOTH)
    if verb is None or start + 1 in r.target_starts:
        r.cur.at = start
        return False
    r.cur.skip(ARTICLES | {"all", "every", "table", "file"})
    token = r.cur.peek()
    words = r.words_ahead(2)
    named = token is not None and (token.kind == "place" or "." in token.text)
    sizes = [size for size in range(len(words), 0, -1) if tables_named(r, words[:size], r.place, 0.96)]
    said = [token.text] if named and token is not None else words[: sizes[0]] if sizes else []
    found = tables_named(r, said, r.place) if said else []
    if len(found) != 1 or r.cur.at in r.target_starts or not _said_alone(r, len(said)):
        r.cur.at = start
        return False
    r.cur.at += len(said)
    r.current = r.add_source(found[0], listed=True)
    place = _place(r) if not named else None
    if place is not None:
        r.place = place
    return True


def _said_alone(r: Reading, size: int) -> bool:
    """No second table follows, nor words that would make the verb a join or a destination."""
    if r.cur.low(size) in (",", "and"):
        return r.cur.low(size + 1) in ALL_VERBS | {"only", "then", "where", "with", "without"}
    return r.cur.low(size) not in ("with", "by", "on", "=")


def _list_here(r: Reading) -> bool:
    r.cur.next()
    r.cur.take("in", "up")
    r.cur.skip(ARTICLES | {"all", "every"})
    items: list[tuple[int, int, list[str]]] = []
    while True:
        before = r.cur.at
        item = _item(r)
        if item is None:
            r.cur.at = before
            break
        items.append(item)
        after = r.cur.at
        if not _comma(r):
            break
        if r.cur.low() in ALL_VERBS | {"for", "then", "only", "per"} or r.cur.kind() not in ("word", "place", "string"):
            r.cur.at = after
            break
    if not items:
        return False
    end = items[-1][1]
    r.cur.at = end
    place = _place(r) or r.place
    for first, last, words in items:
        _register(r, words, place, (first, last))
    return True


def _comma(r: Reading) -> bool:
    took = r.cur.take(",")
    return r.cur.take("and") or r.cur.take("&", "+", "with") or took


def _item(r: Reading) -> tuple[int, int, list[str]] | None:
    """One file or table name with its noun (`the Track table`, `table orders`)."""
    r.cur.skip(ARTICLES | _NOUNS)
    start = r.cur.at
    token = r.cur.peek()
    if token is None or start in r.target_starts:
        return None
    if token.kind in ("place", "string"):
        if token.low.endswith(_DATABASES):
            return None
        r.cur.next()
        end = r.cur.at
        r.cur.skip(_NOUNS)
        return (start, r.cur.at if r.cur.at > end else end, [token.text])
    words = r.words_ahead(3)
    for size in range(len(words), 0, -1):
        if tables_named(r, words[:size]):
            r.cur.at += size
            r.cur.skip(_NOUNS)
            return start, r.cur.at, words[:size]
    return None


def _place(r: Reading) -> str | None:
    """`from chinook.sqlite`, `in crm`, `from the shop database`: where the listed tables are."""
    start = r.cur.at
    if not r.cur.take("from", "in", "out of", "of", "using"):
        return None
    r.cur.skip(ARTICLES | {"database", "db", "connection", "folder", "directory"})
    token = r.cur.peek()
    if token is not None and token.kind in ("place", "string", "word"):
        known = any(same_place(r, table.connection, token.text) for table in r.request.catalogue.tables)
        known = known or any(same_place(r, name, token.text) for name in r.request.catalogue.connections)
        if known or token.kind == "place":
            r.cur.next()
            r.cur.skip({"database", "db", "connection", "folder", "directory", "server"})
            return token.text
    r.cur.at = start
    return None


def _register(r: Reading, words: list[str], place: str | None, at: tuple[int, int]) -> None:
    # `orders.csv and the customers table from Postgres`: the place is of the names that it can hold.
    found = tables_named(r, words, place) or (tables_named(r, words) if r.cur.tokens[at[0]].kind == "place" else [])
    if len(found) == 1:
        r.add_source(found[0], listed=True)
        return
    if found:
        r.add_source(_choose(r, found, at), listed=True)
        return
    where = f" in {place}" if place else ""
    known = sorted({f"{table.connection}.{table.dataset}" for table in r.request.catalogue.tables})[:8]
    raise r.unknown(at[0], f"no source holds it{where}; known are {', '.join(known) or 'none'}", at[1])


def named_table(r: Reading) -> Source | None:
    """A table in scope, else one of the catalogue that the words name alone."""
    at = r.cur.at
    r.cur.skip(ARTICLES | {"table", "file"})
    token = r.cur.peek()
    if token is not None and token.kind == "place":
        tables = tables_named(r, [token.text])
        if len(tables) == 1:
            r.cur.next()
            return r.add_source(tables[0], listed=True)
    found = r.take_entity(least=0.86)
    if found is not None:
        return found
    words = r.words_ahead(3)
    for size in range(len(words), 0, -1):
        tables = tables_named(r, words[:size], least=0.96)
        if len(tables) == 1:
            r.cur.at += size
            return r.add_source(tables[0], listed=True)
    r.cur.at = at
    return None
