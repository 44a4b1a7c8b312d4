"""Values and states of the data used as adjectives: `completed orders`, `unpaid bookings`, `returned loans`."""

from agent_etl.agents.rules.expressions import Expr, Ref, build, column, kind_of, text
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading

__all__ = ["dated_by", "meaning", "opposite", "take_adjective"]

_FEW = 50
"""A column of kinds and states has few values; a name or a remark that happens to be the word is no adjective."""
_OPPOSITES = ("un", "non-", "not-", "non")
_IRREGULAR = frozenset({"sold", "paid", "sent", "lost", "won", "built", "bought", "shut", "left", "born"})
_TAILS = ((), ("on",), ("at",), ("date",), ("day",), ("time",), ("timestamp",))
_ROOTS = {"born": "birth"}


def take_adjective(r: Reading) -> tuple[Source, Expr] | None:
    """`completed orders`, taken: the table and the condition; None when the word is no state of its rows.

    A word that is a value of several columns is asked about. Raises: Unclear.
    """
    start = r.cur.at
    r.cur.skip(ARTICLES | {"all"})
    at = r.cur.at
    negative = r.cur.take("not", "non", "non -")
    token = r.cur.peek()
    if token is None or token.kind not in ("word", "string") or token.low in BREAKS:
        r.cur.at = start
        return None
    r.cur.next()
    source = r.take_entity(least=0.8)
    found = meaning(r, source, token.text, at) if source is not None else None
    if source is None or found is None:
        r.cur.at = start
        return None
    return source, opposite(r, found, at) if negative else found


def opposite(r: Reading, condition: Expr, start: int, end: int | None = None) -> Expr:
    """The rows that do not meet a condition: what becomes of unknown values is asked where there are any.

    Raises: Unclear.
    """
    tests_null = any(isinstance(part, str) and ("IS NULL" in part or "IS NOT NULL" in part) for part in condition.parts)
    empty = [] if tests_null else [(ref, nulls) for ref in condition.refs() if (nulls := _nulls(r, ref))]
    if not empty:
        return build("(NOT {})", condition, kind="boolean")
    ref, nulls = empty[0]
    answer = r.asking.choose(
        "nulls",
        r.cur.span(start, end),
        f"{r.label(ref)} is empty in {nulls} rows. Do they count as unlike the value?",
        [("keep", "rows without a value stay"), ("drop", "rows without a value go too")],
    )
    return build("({} IS NOT TRUE)" if answer == "keep" else "(NOT {})", condition, kind="boolean")


def _nulls(r: Reading, ref: Ref) -> int:
    return r.request.prober.values(r.table(ref.source), ref.column, 1).nulls


def meaning(r: Reading, source: Source, word: str, at: int) -> Expr | None:
    """What the word says about rows of the table: a value they hold, a mark that is set, a date that is known.

    `at` is the word's token. Raises: Unclear when it is a value of several columns.
    """
    found = _holding(r, source, word)
    if not found:
        return _marked(r, source, word) or _happened(r, source, word)
    ref = found[0]
    if len(found) > 1:
        chosen = r.asking.choose(
            "adjective",
            r.cur.span(at),
            f"{word!r} is a value of several columns. Which one is meant?",
            [(r.label(one), f"{r.label(one)} = {word!r}") for one in found],
        )
        ref = next(one for one in found if r.label(one) == chosen)
    return _equal(r, ref, word)


def _holding(r: Reading, source: Source, value: str) -> list[Ref]:
    prober = r.request.prober
    return [
        Ref(source.alias, one.name)
        for one in source.table.columns
        if one.type.upper() == "VARCHAR"
        and prober.count(source.table, one.name, value, fold=True) > 0
        and prober.values(source.table, one.name, 1).distinct <= _FEW
    ]


def _marked(r: Reading, source: Source, word: str) -> Expr | None:
    """`churned subscribers`, `unpaid bookings`: a column that is true or false."""
    marks = [one for one in source.table.columns if kind_of(one.type) == "boolean"]
    low = word.lower()
    forms = [(low, "true"), *((low.removeprefix(one), "false") for one in _OPPOSITES if low.startswith(one))]
    for form, value in forms:
        found = [one for one in marks if stems(one.name) in (stems(form), ("is", *stems(form)))]
        if len(found) == 1:
            r.asking.note(f"{word!r} means {source.table.name}.{found[0].name} = {value}.")
            return build(f"({{}} = {value})", column(source.alias, found[0].name, found[0].type), kind="boolean")
    return None


def _happened(r: Reading, source: Source, word: str) -> Expr | None:
    """`returned loans`, `unreturned loans`: a date that is known, or is not."""
    low = word.lower()
    if not (low.endswith("ed") or low.removeprefix("un") in _IRREGULAR):
        return None
    for form, shape in ((low, "({} IS NOT NULL)"), (low.removeprefix("un"), "({} IS NULL)")):
        found = dated_by(source, form)
        if found is not None:
            name = next(ref.column for ref in found.refs())
            r.asking.note(f"{word!r} is told by {source.table.name}.{name}.")
            return build(shape, found, kind="boolean")
    return None


def dated_by(source: Source, participle: str) -> Expr | None:
    """The date or moment at which that happened: `booked` -> booked_on; None without exactly one."""
    root = (_ROOTS.get(participle.lower(), participle.lower()),)
    # Written together too: `dob` is a birthdate.
    forms = {"".join(root + tail) for tail in _TAILS}
    found = [
        column(source.alias, one.name, one.type)
        for one in source.table.columns
        if kind_of(one.type) in ("date", "timestamp") and "".join(stems(one.name)) in forms
    ]
    return found[0] if len(found) == 1 else None


def _equal(r: Reading, ref: Ref, word: str) -> Expr:
    table = r.table(ref.source)
    known = [value for value, _ in r.request.prober.values(table, ref.column, 2 * _FEW).top]
    spelled = [value for value in known if value.strip().lower() == word.strip().lower()]
    r.asking.note(f"{word!r} means {r.label(ref)} = {spelled[0]!r}.")
    whole = next(one for one in table.columns if one.name == ref.column)
    inner = column(ref.source, ref.column, whole.type)
    values = [text(value) for value in spelled]
    if len(values) == 1:
        return build("({} = {})", inner, values[0], kind="boolean")
    return build("({} IN (" + ", ".join("{}" for _ in values) + "))", inner, *values, kind="boolean")
