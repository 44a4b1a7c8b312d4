"""Scalar expressions in words: arithmetic, percentages, differences of days, rounding and units."""

from decimal import Decimal

from agent_etl.agents.rules.expressions import Expr, build, number
from agent_etl.agents.rules.functions import NUMERIC, grain, require, take_function, take_text
from agent_etl.agents.rules.lexicon import ROUND_VERBS, SMALL_NUMBERS, UNIT_FAMILIES, UNITS
from agent_etl.agents.rules.names import singular, stems
from agent_etl.agents.rules.reading import Reading

__all__ = ["NUMERIC", "convert", "grain", "require", "rounded", "take_places", "take_scalar", "take_suffixes"]

_SUM = {"+": "+", "plus": "+", "-": "-", "minus": "-"}
_SHARES = {**_SUM, "including": "+", "incl": "+", "less": "-"}
_PRODUCT = {"*": "*", "times": "*", "multiplied": "*", "/": "/", "divided": "/"}


def take_scalar(r: Reading, *, owner: str | None = None) -> Expr | None:
    """An expression over columns and numbers, taken; None (and the cursor back) when none stands here."""
    start = r.cur.at
    left = _product(r, owner) or _opening_text(r)
    while left is not None:
        share = _share(r) if left.refs() and left.kind in NUMERIC else None
        if share is not None:
            left = build(f"({{}} * {share})", left, kind="number", unit=left.unit)
            continue
        before, sign = r.cur.at, _operator(r, _SUM)
        if sign is None:
            break
        right = (take_text(r) if left.kind == "text" else None) or _product(r, owner)
        if right is None:
            r.cur.at = before
            break
        left = _arithmetic(r, start, left, sign, right)
    if left is None:
        r.cur.at = start
    return left


def _opening_text(r: Reading) -> Expr | None:
    """`'Mr ' + name`: a text before what it is joined to."""
    start = r.cur.at
    found = take_text(r)
    if found is None or r.cur.low() not in _SUM:
        r.cur.at = start
        return None
    return found


def _share(r: Reading) -> str | None:
    """`plus 20 %`, `including 20 % tax`, `less 5 %`: what the value before is multiplied with."""
    start = r.cur.at
    sign = r.cur.take_any(_SHARES)
    token = r.cur.peek()
    if sign is not None and token is not None and token.kind == "number":
        r.cur.next()
        if r.cur.take("%", "percent") and r.cur.low() != "of":
            r.cur.take("tax", "vat", "discount", "sales tax")
            part = Decimal(token.text) / 100
            return format(1 + part if _SHARES[sign] == "+" else 1 - part, "f")
    r.cur.at = start
    return None


def _operator(r: Reading, words: dict[str, str]) -> str | None:
    word = r.cur.low()
    if word not in words or r.cur.kind() not in ("op", "word"):
        return None
    r.cur.next()
    if word in ("multiplied", "divided"):
        r.cur.take("by", "with")
    return words[word]


def _product(r: Reading, owner: str | None) -> Expr | None:
    start = r.cur.at
    left = _factor(r, owner)
    while left is not None:
        before = r.cur.at
        sign = _operator(r, _PRODUCT)
        if sign is None:
            break
        right = _factor(r, owner)
        if right is None:
            r.cur.at = before
            break
        left = _arithmetic(r, start, left, sign, right)
    return left


def _arithmetic(r: Reading, start: int, left: Expr, sign: str, right: Expr) -> Expr:
    both = (left.kind, right.kind)
    if sign == "+" and both == ("text", "text"):
        return build("({} || {})", left, right, kind="text")
    if sign == "-" and both == ("date", "date"):
        return build("date_diff('day', {}, {})", right, left, kind="integer", unit="day")
    if sign == "-" and set(both) <= {"date", "timestamp"}:
        raise r.unknown(
            start, "a difference of times has no plain unit: whole days, or hours and minutes? load them as they are"
        )
    for side in (left, right):
        if side.kind not in NUMERIC:
            raise r.unknown(start, f"arithmetic needs numbers, and one side holds {side.kind}")
    unit = left.unit if left.unit == right.unit and sign in "+-" else None
    if sign in "*/" and (left.unit is None) != (right.unit is None) and (sign == "*" or right.unit is None):
        unit = left.unit or right.unit
    kind = "number" if sign == "/" or "number" in both else "integer"
    shape = "({} / nullif({}, 0))" if sign == "/" and right.refs() else f"({{}} {sign} {{}})"
    return build(shape, left, right, kind=kind, unit=unit)  # type: ignore[arg-type]


def _factor(r: Reading, owner: str | None) -> Expr | None:
    start = r.cur.at
    if r.cur.kind() == "number":
        return _number(r, owner)
    if r.cur.take("("):
        inner = take_scalar(r, owner=owner)
        if inner is not None and r.cur.take(")"):
            return inner
        r.cur.at = start
        return None
    found = take_function(r, lambda reading: take_scalar(reading, owner=owner))
    if found is not None:
        return found
    r.cur.at = start
    return r.take_column(owner=owner)


def _number(r: Reading, owner: str | None) -> Expr | None:
    token = r.cur.next()
    if r.cur.take("%", "percent"):
        start = r.cur.at
        if r.cur.take("of") and (whole := _factor(r, owner)) is not None:
            return build(f"({token.text} / 100.0 * {{}})", whole, kind="number", unit=whole.unit)
        r.cur.at = start - 1
        return None
    return number(token.text)


def take_suffixes(r: Reading, value: Expr) -> Expr:
    """`in minutes`, `(cents to dollars)`, `rounded to 2 decimals` after a value, applied in that order."""
    while True:
        start = r.cur.at
        pair = _from_to(r)
        if pair is not None:
            value = convert(r, value.as_kind(value.kind, value.unit or pair[0]), pair[1], start)
            continue
        unit = _unit(r)
        if unit is not None:
            value = convert(r, value, unit, start)
            continue
        places = take_places(r)
        if places is None:
            r.cur.at = start
            return value
        require(r, value, NUMERIC, start, "rounding")
        value = rounded(value, places)


def _from_to(r: Reading) -> tuple[str, str] | None:
    """`(cents to dollars)`, `from cents to dollars`, `cents as dollars`: the stored unit and the wanted one."""
    start = r.cur.at
    closing = r.cur.take("(")
    r.cur.take("converted from", "convert from", "from", "converted", "convert")
    units: list[str] = []
    for links in ((), ("to", "as", "into", "in")):
        if links and not r.cur.take(*links):
            break
        words = stems(r.cur.low())
        if not words or words[-1] not in UNITS or r.cur.kind() != "word":
            break
        units.append(words[-1])
        r.cur.next()
    if len(units) == 2 and (not closing or r.cur.take(")")):
        return units[0], units[1]
    r.cur.at = start
    return None


def _unit(r: Reading) -> str | None:
    """The unit that is asked for; a stated stored unit is applied by the caller through `convert`."""
    start = r.cur.at
    # `as stay_days` is a name, `as dollars` a unit.
    if r.cur.take("in", "as", "to", "into") and len(stems(r.cur.low())) == 1 and stems(r.cur.low())[0] in UNITS:
        return stems(r.cur.next().low)[0]
    r.cur.at = start
    return None


def rounded(value: Expr, places: int) -> Expr:
    """The value rounded half away from zero to that many decimals."""
    return build(f"round({{}}, {places})", value, kind="number", unit=value.unit)


def take_places(r: Reading) -> int | None:
    """`rounded to 2 decimals`, `, one decimal place`: the number of decimals, taken."""
    start = r.cur.at
    r.cur.take(",")
    r.cur.take("and")
    if r.cur.take_any(ROUND_VERBS):
        if r.cur.take("to whole numbers", "to the nearest integer", "to integers", "to the nearest whole number"):
            return 0
        r.cur.skip({"it", "them", "off", "up"} if r.cur.low(1) == "to" else ())
        r.cur.take("to", "at")
    else:
        r.cur.take("with", "to")
    token = r.cur.peek()
    digits = str(SMALL_NUMBERS.get(token.low, token.text)) if token is not None else ""
    if digits.isdecimal() and int(digits) <= 12:
        r.cur.next()
        if r.cur.take("decimal places", "decimal place", "decimal digits", "decimals", "decimal", "digits", "places"):
            return int(digits)
    r.cur.at = start
    return None


def convert(r: Reading, value: Expr, unit: str, start: int) -> Expr:
    """The value in another unit.

    The stored unit must be known from the goal or the column's name, else it is asked. Raises: Unclear.
    """
    stored = value.unit
    require(r, value, NUMERIC, start, f"a conversion to {unit}")
    if stored is None:
        names = sorted({name for family in UNIT_FAMILIES if unit in family for name in family})
        stored = r.asking.choose(
            "unit",
            r.cur.span(start),
            f"{r.cur.quote(start)!r}: in which unit are the values stored?",
            [(name, f"stored in {name}s") for name in names if singular(name) == name],
        )
    for family in UNIT_FAMILIES:
        if unit in family and stored in family:
            return _scaled(value, family[stored], family[unit], unit)
    raise r.unknown(start, f"values in {stored} cannot be turned into {unit} without a rate")


def _scaled(value: Expr, stored: int, wanted: int, unit: str) -> Expr:
    if stored == wanted:
        return value.as_kind(value.kind, unit)
    if wanted % stored == 0:
        return build(f"({{}} / {wanted // stored}.0)", value, kind="number", unit=unit)
    if stored % wanted == 0:
        return build(f"({{}} * {stored // wanted})", value, kind=value.kind, unit=unit)
    return build(f"({{}} * {stored}.0 / {wanted})", value, kind="number", unit=unit)
