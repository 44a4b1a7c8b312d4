"""What must hold before the result is loaded: `order_id must be unique and not null`, `fail if amount < 0`."""

from collections.abc import Iterable

from agent_etl.agents.rules.comparisons import tested
from agent_etl.agents.rules.conditions import take_condition
from agent_etl.agents.rules.expressions import Expr, Ref, build, identifier
from agent_etl.agents.rules.intent import CheckKind, CheckRule
from agent_etl.agents.rules.lexicon import ARTICLES
from agent_etl.agents.rules.names import slug
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.statement import Statement
from agent_etl.agents.rules.streams import Streams
from agent_etl.engine.plan import Check

__all__ = ["read_requirement", "required"]

_FAIL = ("fail if", "fail when", "stop if", "stop when", "abort if", "abort when", "reject if", "fail the run if")
_SURE = ("check that", "ensure that", "ensure", "make sure that", "make sure", "verify that", "verify", "require that")
_MUST = ("must always be", "must be", "must never be", "must not be", "must", "has to be", "have to be", "should be")
_NEVER = frozenset({"must never be", "must not be"})
_WITHOUT = ("not null", "non-null", "never null", "never empty", "not empty", "present", "filled", "given", "set")


def read_requirement(r: Reading) -> bool:
    """A clause with `must be …`, `ensure …` or `fail if …`. Raises: Unclear for one that is not understood."""
    start = r.cur.at
    if r.cur.take(*_FAIL):
        condition = take_condition(r)
        if condition is None or condition.measures():
            raise r.unknown(start, "no condition over the result's columns could be read here", r.cur.at + 1)
        _add(r, "expression", (), build("(({}) IS NOT TRUE)", condition, kind="boolean"))
        return True
    sure = r.cur.take(*_SURE)
    columns = _columns(r)
    must = columns and (r.cur.take(*_MUST) or (sure and r.cur.take("is", "are")))
    if not must:
        r.cur.at = start
        return _sure(r, start) if sure else False
    never = any(r.cur.tokens[r.cur.at - 1 - back].low in ("never", "not") for back in (0, 1))
    _demands(r, columns, start, never=never)
    return True


def _sure(r: Reading, start: int) -> bool:
    """`ensure amount >= 0`."""
    r.cur.take(*_SURE)
    condition = take_condition(r)
    if condition is None or condition.measures():
        raise r.unknown(start, "what is to be made sure is no condition over the result's columns", r.cur.at + 1)
    _add(r, "expression", (), build("(({}) IS NOT FALSE)", condition, kind="boolean"))
    return True


def _columns(r: Reading) -> list[Expr]:
    """The columns before `must`; none when other words come first."""
    start, known = r.cur.at, set(r.asking.questions)
    ahead = [r.cur.low(step) for step in range(12)]
    if not {"must", "has", "have", "should", "is", "are"} & set(ahead):
        return []
    found: list[Expr] = []
    while True:
        r.cur.skip(ARTICLES | {"every", "each", "both", "values", "of"})
        one = r.take_column(least=0.9) if r.cur.kind() in ("word", "string") else None
        if one is None or one.sole is None or set(r.asking.questions) != known:
            r.cur.at = start
            return []
        found.append(one)
        if not r.cur.take(", and", "and", ",", "&"):
            return found


def _demands(r: Reading, columns: list[Expr], start: int, *, never: bool) -> None:
    """`unique and not null`, `at least 0`, `one of a, b`: each a check of its own. Raises: Unclear."""
    refs = tuple(one.sole for one in columns if one.sole is not None)
    while True:
        if never and r.cur.take("null", "empty", "missing", "blank"):
            _each(r, "not_null", refs)
        elif not never and r.cur.take("unique", "distinct", "a key", "the key"):
            _each(r, "unique", refs)
        elif not never and r.cur.take(*_WITHOUT):
            _each(r, "not_null", refs)
        else:
            for one in columns:
                _tested(r, one, start, never=never)
        before = r.cur.at
        if not r.cur.take(", and", "and", ",") or r.cur.low() not in ("unique", "not", "never", "present", "non-null"):
            r.cur.at = before
            return


def _tested(r: Reading, one: Expr, start: int, *, never: bool) -> None:
    at = r.cur.at
    signs = {"positive": "({} > 0)", "negative": "({} < 0)"}
    shape = signs.get(r.cur.low())
    if shape is not None and one.kind in ("integer", "number"):
        r.cur.next()
        test: Expr | None = build(shape, one, kind="boolean")
    else:
        test = tested(r, one, start) if r.cur.at < len(r.cur.tokens) else None
    if test is None:
        raise r.unknown(
            start, "what must hold here is not understood; say `must be unique`, `not null`, `>= 0`", at + 1
        )
    _add(r, "expression", (), build("(({}) IS NOT TRUE)" if never else "(({}) IS NOT FALSE)", test, kind="boolean"))


def _each(r: Reading, kind: CheckKind, refs: Iterable[Ref]) -> None:
    for ref in refs:
        _add(r, kind, (ref,), None)


def _add(r: Reading, kind: CheckKind, columns: tuple[Ref, ...], condition: Expr | None) -> None:
    said = ", ".join(r.label(one) for one in columns or (condition.refs() if condition is not None else ()))
    r.echo[r.phrase] = f"checked before the load: {said}"
    r.intent.checks.append(CheckRule(kind, columns, condition, r.phrase))


def required(
    r: Reading, streams: Streams, result: Statement | str, step: str, taken: Iterable[str]
) -> tuple[Check, ...]:
    """The plan's checks over the result's step. Raises: Unclear for a column that the result does not have."""
    names = [*taken]
    checks: list[Check] = []

    def shown(ref: Ref) -> str:
        return _shown(r, streams, result, ref)

    for rule in r.intent.checks:
        columns = tuple(shown(ref) for ref in rule.columns)
        sql = rule.condition.sql(lambda ref: identifier(shown(ref))) if rule.condition is not None else None
        name = slug(f"{rule.kind}_{'_'.join(columns) or step}", names)
        names.append(name)
        checks.append(Check(name=name, on=step, kind=rule.kind, columns=columns, sql=sql, why=(rule.phrase,)))
    return tuple(checks)


def _shown(r: Reading, streams: Streams, result: Statement | str, ref: Ref) -> str:
    if isinstance(result, str):
        return ref.column
    text = streams.full(ref)
    for item, name in result.items:
        if item == text:
            return name or ref.column
    raise r.asking.refuse((0, len(r.cur.goal)), f"{r.label(ref)} must meet a condition, but is no column of the result")
