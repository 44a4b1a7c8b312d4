"""The columns of a result: measures, chosen columns, derived columns, with their units, rounding and names."""

from collections.abc import Mapping

from agent_etl.agents.rules.expressions import Expr, Ref
from agent_etl.agents.rules.formulas import take_definition
from agent_etl.agents.rules.ground import close
from agent_etl.agents.rules.groups import add_grain, read_group
from agent_etl.agents.rules.intent import Output
from agent_etl.agents.rules.lexicon import ALL_VERBS, ARTICLES, COMPUTE_VERBS, GRAIN_ADJECTIVES
from agent_etl.agents.rules.measures import take_measures
from agent_etl.agents.rules.names import slug, stems
from agent_etl.agents.rules.naming import fitting, take_names
from agent_etl.agents.rules.periods import date_column
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import take_scalar, take_suffixes

__all__ = ["read_item", "read_outputs"]

_ADD = (
    *("add a column called", "add a column named", "add a column", "add column", "add the column", "add a flag"),
    *("add a new column called", "add a new column named", "add a new column", "add new column", "add", "derive"),
)
_COLUMNS = ("columns", "column", "fields", "field", "the columns", "the column", "the fields", "following columns")


def read_outputs(r: Reading) -> bool:
    """A list of result columns after a verb, or a list that begins with a measure. Raises: Unclear."""
    start = r.cur.at
    if any(one.mode == "replace" and one.span[1] == r.cur.tokens[start - 1].end for one in r.intent.targets if start):
        # `replace x with the number of …`
        r.cur.take("with")
    r.cur.take("what is", "what are", "what were", "what was", "i need", "i want")
    adds = r.cur.take(*_ADD)
    verb = adds or r.cur.take("keep only", "select only", "keep", "retain", "choose", "only")
    strict = verb and not adds
    if not verb:
        verb = r.cur.take_any(COMPUTE_VERBS) is not None
        adds = verb and r.cur.tokens[start].low in ("compute", "calculate", "calc", "derive", "determine")
    r.cur.skip({"me", "us", "following"})
    said = verb and r.cur.take(*_COLUMNS, "only the columns", "only")
    r.cur.take(":", "columns", "fields")
    if verb and r.cur.at < len(r.cur.tokens) and r.cur.low() in ("per", "for", "by") and read_group(r):
        r.cur.take(",", ":")
        _list(r, adds=bool(adds), verb=True)
        return True
    found = _list(r, adds=bool(adds), verb=verb)
    if found and strict:
        # `keep a and b only`
        r.cur.take("only")
    if not found:
        if said and strict:
            raise r.unknown(start, "no column of that name is in scope", min(r.cur.at + 1, len(r.cur.tokens)))
        r.cur.at = start
    return found


def _list(r: Reading, *, adds: bool, verb: bool) -> bool:
    found = False
    while True:
        before = r.cur.at
        if found and not r.cur.take(", and", "and", ",", "&", "plus", "as well as", "+"):
            return True
        r.cur.skip({"also", "then", "the", "their", "its", "columns"})
        at = r.cur.at
        if found and _next_clause(r):
            r.cur.at = before
            return True
        if not _item(r, adds=adds, verb=verb):
            r.cur.at = before if found else at
            return found
        found = True


def _next_clause(r: Reading) -> bool:
    """What follows the comma opens another clause."""
    word = r.cur.low()
    if word in ("per", "by", "for", "where", "with", "only", "to", "into", "from", "longest", "sorted", "ordered"):
        return True
    if word == "add" and r.cur.low(1) not in ("=", ","):
        return True
    if word in ("count", "counting") and r.cur.low(1) in ("each", "every", "an", "it", "them"):
        # `counting each order once`
        return True
    return word in ALL_VERBS and word not in ("count", "sum", "total") and r.cur.low(1) not in ("=", ",")


def read_item(r: Reading) -> bool:
    """One column of a list: a measure, a definition, or a column of a source. Raises: Unclear."""
    return _item(r, adds=False, verb=True)


def _item(r: Reading, *, adds: bool, verb: bool) -> bool:
    start = r.cur.at
    defined = take_definition(r)
    if defined is not None:
        name, value = defined
        value = take_suffixes(r, value)
        r.intent.outputs.append(Output(name, value, r.phrase, (name,), not value.measures(), named=True))
        return True
    adjective = r.cur.take_any(GRAIN_ADJECTIVES) if r.cur.low(1) not in ("", ",") else None
    r.cur.skip(ARTICLES)
    found = take_measures(r)
    if found:
        _measured(r, found, start)
        if adjective is not None:
            _adjective(r, adjective, found)
        return True
    if adjective is not None:
        r.cur.at = start
        return False
    return _plain(r, start, adds=adds) if verb else _computed(r, start)


def _computed(r: Reading, start: int) -> bool:
    """`unit_price * quantity as total`, without a verb: an expression that the goal names."""
    value = take_scalar(r) if r.cur.kind() in ("word", "string", "number", "punct") else None
    if value is not None and value.sole is None and value.refs() and not value.measures():
        value = take_suffixes(r, value)
        names = _named(r)
        if names:
            r.intent.outputs.append(Output(names[0], value, r.phrase, (names[0],), derived=True, named=True))
            return True
    r.cur.at = start
    return False


def _measured(r: Reading, found: list[tuple[Expr, tuple[str, ...]]], start: int) -> None:
    """Measures with what follows them: units, rounding, a name."""
    r.intent.trail.append("M")
    end = r.cur.at
    values = []
    for value, words in found:
        r.cur.at = end
        values.append((take_suffixes(r, value), words))
    said = _unit_words(r, end)
    names = _named(r, len(values))
    if names and len(names) != len(values):
        raise r.unknown(start, "one name for several measures; name each")
    for at, (value, words) in enumerate(values):
        label = (*words, *said)
        name = fitting(r, names[at], value, end) if names else slug(_spelled(r, value, label))
        if not any(one.name == name and one.expression == value for one in r.intent.outputs):
            r.intent.outputs.append(Output(name, value, r.phrase, label, named=bool(names)))


def _spelled(r: Reading, value: Expr, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words as the columns that they mean are written: a slip of the keyboard becomes no column's name."""
    arguments = (r.intent.measures[index].argument for index in value.measures())
    refs = [*value.refs(), *(ref for argument in arguments if argument for ref in argument.refs())]
    parts = {stems(part): part for ref in refs for part in ref.column.split("_") if len(stems(part)) == 1}
    return tuple(_written(word, parts) for word in words)


def _written(word: str, parts: Mapping[tuple[str, ...], str]) -> str:
    wanted = stems(word)
    if len(wanted) != 1 or wanted in parts:
        return word
    return next((part for stem, part in parts.items() if close(wanted[0], stem[0])), word)


def _unit_words(r: Reading, start: int) -> tuple[str, ...]:
    """`in minutes` becomes part of the name; rounding does not."""
    words: list[str] = []
    for at in range(start, r.cur.at):
        token = r.cur.tokens[at]
        if token.low in ("rounded", "round", "with", "(", "to", ","):
            break
        if token.kind == "word":
            words.append(token.text)
    return tuple(words)


def _named(r: Reading, most: int = 1) -> list[str]:
    """`as total_paid`, `called revenue`, `as low and high`: at most that many names."""
    start = r.cur.at
    bracket = r.cur.low() == "(" and r.cur.take("( renamed to", "( renamed as", "( called", "( named", "( as")
    said = bracket or r.cur.take("renamed to", "renamed as", "as", "called", "named")
    if not said or (start + 1 in r.target_starts and not bracket):
        r.cur.at = start
        return []
    names = take_names(r, most)
    if not names or (bracket and not r.cur.take(")")):
        r.cur.at = start
        return []
    return names


def _adjective(r: Reading, adjective: str, found: list[tuple[Expr, tuple[str, ...]]]) -> None:
    homes = [r.intent.measures[index].home for value, _ in found for index in value.measures()]
    at = r.cur.at
    holder = next((source for source in r.sources if source.alias == homes[0]), None)
    previous, r.current = r.current, holder or r.current
    _grain_of(r, adjective, at)
    r.current = previous


def _grain_of(r: Reading, adjective: str, start: int) -> None:
    """Group by the grain of the only date of the measured rows. Raises: Unclear."""
    token = next(at for at in range(start - 1, -1, -1) if r.cur.tokens[at].low == adjective)
    resume, r.cur.at = r.cur.at, token + 1
    when = date_column(r, token)
    r.cur.at = resume
    add_grain(r, when, adjective)


def _plain(r: Reading, start: int, *, adds: bool) -> bool:
    """A column or an expression of single rows."""
    value = take_scalar(r)
    if value is None or not value.refs() or value.measures():
        r.cur.at = start
        return False
    end = r.cur.at
    value = take_suffixes(r, value)
    words = tuple(one.text for one in r.cur.tokens[start:end] if one.kind == "word" and one.low not in ARTICLES)
    named = _named(r)
    sole = value.sole
    name = fitting(r, named[0], value, end) if named else _column_name(sole, words, r, end)
    derived = adds and sole is None
    r.intent.outputs.append(Output(name, value, r.phrase, words, derived=derived, named=bool(named)))
    return True


def _column_name(sole: Ref | None, words: tuple[str, ...], r: Reading, end: int) -> str:
    """The column's own name; the words where tables share it, so that they tell whose it is."""
    token = r.cur.tokens[end - 1]
    if sole is not None and (len(words) == 1 or slug(sole.column) == slug(words) or not r.shared(sole)):
        return sole.column
    if token.kind == "string":
        return token.text
    return slug(" ".join(words).replace("'s", ""))
