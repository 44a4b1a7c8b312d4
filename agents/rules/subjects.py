"""What a clause is about: `orders from 2024`, `customers: count`; and values used as adjectives."""

from agent_etl.agents.rules.absence import read_anti
from agent_etl.agents.rules.conditions import add_condition
from agent_etl.agents.rules.intent import Output
from agent_etl.agents.rules.lexicon import ARTICLES, READ_VERBS, WRITE_VERBS
from agent_etl.agents.rules.measures import count_of
from agent_etl.agents.rules.names import slug
from agent_etl.agents.rules.qualities import take_kind, take_quality
from agent_etl.agents.rules.reading import Reading

__all__ = ["read_subject"]


def read_subject(r: Reading) -> bool:
    """A table as the subject of what follows, maybe with a value before it. Raises: Unclear."""
    start = r.cur.at
    if start and r.cur.tokens[start - 1].text == "(" and _placed(r):
        return True
    if start and r.cur.tokens[start - 1].text not in (".", ";", ":", "?"):
        # A table's name in the middle of words that were understood without it: what it should do is unknown.
        return _adjective(r, start)
    r.cur.take_any(READ_VERBS | {"list", "show", "find", "which", "what", "give", "report"})
    r.cur.skip(ARTICLES | {"me", "all", "every", "us", "each"})
    source = r.take_entity(least=0.8)
    if source is not None and start and r.cur.tokens[start - 1].text == ":" and _listed(r):
        # `per status: orders, total amount`: not a subject but something to show.
        r.cur.at = start
        return False
    if source is not None and r.cur.low() == "per" and r.cur.at - start <= 3:
        return _counted(r, start)
    if source is not None:
        r.current = source
        r.subjects.append(source)
        read_anti(r, source)
        return True
    r.cur.at = start
    return _adjective(r, start)


def _counted(r: Reading, start: int) -> bool:
    """`visits per state` are counted."""
    end, r.cur.at = r.cur.at, start
    r.cur.take_any(READ_VERBS | {"list", "show", "find", "which", "what", "give", "report"})
    r.cur.skip(ARTICLES | {"me", "all", "every", "us", "each"})
    noun = r.cur.quote(r.cur.at, end)
    found = count_of(r, r.cur.at)
    if found is None or r.cur.at != end:
        r.cur.at = start
        return False
    r.intent.trail.append("M")
    r.intent.outputs.append(Output(slug(noun), found, r.phrase, tuple(noun.split())))
    return True


def _placed(r: Reading) -> bool:
    """`(departments in hr.sqlite …`: where the things are that the words before name."""
    start = r.cur.at
    source = r.take_entity(least=0.86)
    if source is not None and r.cur.low() in ("in", "of", "from") and r.cur.kind(1) == "place":
        return True
    r.cur.at = start
    return False


def _listed(r: Reading) -> bool:
    """A list of what to show for each group begins here."""
    return bool(r.intent.groups) and r.cur.low() in (",", "and", "&")


def _adjective(r: Reading, start: int) -> bool:
    r.cur.take_any(READ_VERBS | WRITE_VERBS | {"only", "keep", "list", "show", "for", "of", "find", "all"})
    found = take_quality(r) or take_kind(r)
    if found is None:
        r.cur.at = start
        return False
    r.current = found[0]
    add_condition(r, found[1])
    r.cur.take("only")
    return True
