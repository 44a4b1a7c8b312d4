"""Where destinations are named: the words of a goal at which the name of a target starts."""

from agent_etl.agents.rules.lexicon import (
    ALL_VERBS,
    ARTICLES,
    BREAKS,
    JOIN_VERBS,
    READ_VERBS,
    REPLACE_VERBS,
    SORT_VERBS,
    WRITE_VERBS,
)
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.words import Token

__all__ = ["find_targets", "in_target"]

_TARGET_VERBS = (
    WRITE_VERBS | READ_VERBS | REPLACE_VERBS | {"list", "report", "union", "written", "saved", "stored", "go", "goes"}
) - {"use", "start", "get", "query"}
_OTHER_VERBS = JOIN_VERBS | {"convert", "cast", "rename", "turn", "change", "set", "map", "compare", "split", "parse"}
_OTHER_VERBS |= {"transform", "attach", "relate", "bucket", "round", "equal", "according", "relative", "add", "joins"}
_OTHER_VERBS |= {"converting", "renaming", "casting", "mapping"}
_DIRECT = frozenset({"upsert", "write", "save", "store", "export", "target", "load"})
_AS_VERBS = frozenset({"save", "store", "export", "dump", "write", "output", "publish", "persist", "saved", "stored"})
_IN_VERBS = frozenset({"store", "save", "put", "place", "land", "persist", "stored", "saved"})
_NOT_INTO = frozenset({"convert", "split", "turn", "bucket", "parse", "cast"})
# `up to`, `equal to`, `belongs to`: the word before governs the preposition.
_GOVERNS = frozenset({"up", "equal", "equals", "according", "close", "belong", "belongs", "refer", "refers", "related"})
_GOVERNS |= {"relates", "compared", "prior", "due", "next", "relative", "similar", "want", "need", "like", "points"}
_GOVERNS |= {"joined", "matched", "linked", "mapped", "limited", "restricted", "renamed", "attached", "corresponds"}
_NOUNS = frozenset({"target", "table", "result", "output", "destination"})
_STOPS = frozenset({",", ";", ".", ":", ")", "?", "!", "-"})
_CLAUSE_ENDS = frozenset({",", ";", "."})
_ENDS = frozenset({"", ".", ";", ",", ")", "!", "?", "-", "sorted", "ordered", "order", "sort"})
_ENDS |= {"by", "as", "in", "with", ":", "and", "then", "on", "using", "key", "keyed"}


def find_targets(r: Reading) -> None:
    """Mark the tokens at which the name of a destination starts, with the word that says so."""
    tokens = r.cur.tokens
    verb = ""
    for at, token in enumerate(tokens):
        if token.kind == "op" and token.low == "->" and _arrow(tokens, at):
            r.target_starts[at + 1] = "->"
        if token.text in _CLAUSE_ENDS and verb in _NOT_INTO:
            # `cast a to integer, max a per b, into c`: the verb governs no further than its clause.
            verb = ""
        if token.kind != "word":
            continue
        word = _says(r, at, verb)
        if word:
            r.target_starts[at + 1] = word
        if token.low in _TARGET_VERBS | _OTHER_VERBS:
            # `convert … to`: the nearest verb governs the preposition.
            verb = token.low
    _bare(r)


def _says(r: Reading, at: int, verb: str) -> str:
    """The word at that place when the name of a destination follows it."""
    tokens, low = r.cur.tokens, r.cur.tokens[at].low
    if low in REPLACE_VERBS and _replaces(tokens, at):
        return low
    if low in _DIRECT and _new_name(r, at + 1):
        return low
    if low == "into" and verb not in _NOT_INTO:
        return low
    if low in ("to", "onto") and (verb in _TARGET_VERBS or _goes_to(r, at, verb)) and not _governed(tokens, at):
        return "to"
    if low == "as" and verb in _AS_VERBS and at + 1 < len(tokens):
        named = tokens[at + 1].kind in ("word", "place", "string") and not _names_columns(tokens, at)
        return low if named else ""
    if low == "in" and at + 1 not in r.target_starts:
        return low if _lands_in(r, at + 1, verb) else ""
    if low in _NOUNS and _opens(tokens, at) and _name_here(r, at + 1):
        return low
    return ""


def _lands_in(r: Reading, at: int, verb: str) -> bool:
    """`store it in x`, `list a and b in new_name`; not `in date order`, not `in orders.csv` that is read."""
    tokens = r.cur.tokens
    if at < len(tokens) - 1 and tokens[at + 1].low == "order":
        return False
    if _new_name(r, at) or (_after_names(tokens, at) and _name_here(r, at) and not _known(r, at)):
        return True
    connection = at < len(tokens) and tokens[at].low in {one.lower() for one in r.request.catalogue.connections}
    return verb in _IN_VERBS and (connection or not _known(r, at) or _only_place(tokens, at))


def _only_place(tokens: tuple[Token, ...], at: int) -> bool:
    """`store it in x.csv` at the end: a file that is there already is still where the result goes."""
    last = at + 1 >= len(tokens) or tokens[at + 1].text in (".", "!")
    return tokens[at].kind == "place" and last and all(token.low != tokens[at].low for token in tokens[:at])


def _after_names(tokens: tuple[Token, ...], at: int) -> bool:
    """`as a and b in t`: names for columns stand right before."""
    back = at - 2
    while back > max(0, at - 12) and (tokens[back].kind == "word" or tokens[back].text == ","):
        if tokens[back].low == "as":
            return True
        back -= 1
    return False


def _governed(tokens: tuple[Token, ...], at: int) -> bool:
    return at > 0 and tokens[at - 1].low in _GOVERNS


def _goes_to(r: Reading, at: int, verb: str) -> bool:
    """`…, to x` after a stop, or `count … per y to x`: no verb governs it, and a name ends the clause."""
    tokens = r.cur.tokens
    if at + 1 >= len(tokens) or tokens[at + 1].kind not in ("word", "place", "string"):
        return False
    stopped = at > 0 and tokens[at - 1].text in _STOPS
    if tokens[at + 1].kind == "place":
        return stopped or verb not in _OTHER_VERBS
    if not stopped and (verb in _OTHER_VERBS or _ranged(tokens, at)):
        return False
    return _name_here(r, at + 1)


def _ranged(tokens: tuple[Token, ...], at: int) -> bool:
    """`from high to low`, `between a to b`: a range or an order, not a destination."""
    clause = at
    while clause > 0 and tokens[clause - 1].text not in _STOPS:
        clause -= 1
    return any(token.low in SORT_VERBS | {"between", "ranging"} for token in tokens[clause:at])


def _name_here(r: Reading, at: int) -> bool:
    """A word that can be a new table's name and ends the clause; an article and `table` may stand before it."""
    tokens = r.cur.tokens
    while at < len(tokens) and tokens[at].low in ARTICLES | {"new", "table", "file", "existing"}:
        at += 1
    if at >= len(tokens):
        return False
    if tokens[at].kind in ("place", "string"):
        return True
    follower = tokens[at + 1].low if at + 1 < len(tokens) else ""
    return tokens[at].kind == "word" and tokens[at].low not in BREAKS | ALL_VERBS and follower in _ENDS | {"table", "("}


def _opens(tokens: tuple[Token, ...], at: int) -> bool:
    """The word stands at the start of a clause."""
    if tokens[at].low in ("result", "output") or (at and tokens[at - 1].low == "the"):
        return at > 1 and tokens[at - 1].low == "the" and tokens[at - 2].low in ("call", "name")
    return at > 0 and (tokens[at - 1].text in _STOPS or tokens[at - 1].low in ("target", "and", "result", "output"))


def _names_columns(tokens: tuple[Token, ...], at: int) -> bool:
    """`write a as b and c to x`: the destination comes later in the clause, so that this names a column."""
    for token in tokens[at + 2 :]:
        if token.text in (";", ".", "?"):
            return False
        if token.low in ("to", "into", "onto", "->"):
            return True
    return False


def _bare(r: Reading) -> None:
    """`…; client_totals` at the very end, `directors table` after a stop: a name alone."""
    tokens = r.cur.tokens
    last = len(tokens) - 1
    while last > 0 and tokens[last].text in (".", "!"):
        last -= 1
    if r.target_starts or last < 1:
        return
    named = last - 1 if tokens[last].low == "table" and tokens[last].kind == "word" else last
    if named >= 1 and tokens[named - 1].text in (";", ",", ".", ":") and tokens[named].kind == "word":
        table = named < last and tokens[named].low not in BREAKS and not _known(r, named)
        if table or (named == last and tokens[named - 1].text == ";" and _new_name(r, named)):
            r.target_starts[named] = "table"


def _arrow(tokens: tuple[Token, ...], at: int) -> bool:
    """The last arrow names the destination; those before it stand between steps."""
    return not any(token.kind == "op" and token.low == "->" for token in tokens[at + 1 :])


def _replaces(tokens: tuple[Token, ...], at: int) -> bool:
    """`replace X`, not `replace X with Y`."""
    for place, token in enumerate(tokens[at + 1 : at + 6], start=at + 1):
        if token.text in (",", ";", "."):
            break
        if token.low == "with":
            follower = tokens[place + 1].low if place + 1 < len(tokens) else ""
            return follower in ("it", "them", "the", "this", "these")
    return True


def _new_name(r: Reading, at: int) -> bool:
    """`upsert orders_enriched by …`, `write customers_safe`: a compound name that no source and no column has."""
    tokens = r.cur.tokens
    if at >= len(tokens) or tokens[at].kind != "word" or "_" not in tokens[at].text:
        return False
    follower = tokens[at + 1].low if at + 1 < len(tokens) else ""
    if follower not in _ENDS:
        return False
    return not _known(r, at)


def _known(r: Reading, at: int) -> bool:
    """The word is the name of a column or of a table that the survey saw, or of a connection or a place."""
    tokens = r.cur.tokens
    if at >= len(tokens):
        return False
    name, catalogue = tokens[at].low, r.request.catalogue
    if any(name == column.name.lower() for table in catalogue.tables for column in table.columns):
        return True
    if any(name in (table.name.lower(), table.dataset.lower()) for table in catalogue.tables):
        return True
    return name in {one.lower() for one in catalogue.connections}


def in_target(r: Reading, at: int) -> bool:
    """The token belongs to the name of a destination."""
    articles = ARTICLES | {"table", "file", "warehouse", "existing", "new"}
    tokens = r.cur.tokens
    while at > 0 and at not in r.target_starts and tokens[at - 1].low in articles:
        at -= 1
    return at in r.target_starts
