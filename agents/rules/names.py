"""Names in words: splitting identifiers, singular forms, abbreviations, readable step and column names."""

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["entity_words", "singular", "slug", "stems"]

_SPLIT = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+|[^\W\d_a-zA-Z]+")
_IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "statuses": "status",
    "bonuses": "bonus",
    "buses": "bus",
    "campuses": "campus",
    "indices": "index",
    "series": "series",
    "movies": "movie",
    "cookies": "cookie",
    "analyses": "analysis",
    "news": "news",
    "sms": "sms",
    "gas": "gas",
    "canvas": "canvas",
    "data": "data",
    "media": "media",
}
ABBREVIATIONS = {
    "qty": "quantity",
    "amt": "amount",
    "cust": "customer",
    "dept": "department",
    "prod": "product",
    "cat": "category",
    "num": "number",
    "nr": "number",
    "desc": "description",
    "addr": "address",
    "msg": "message",
    "dob": "birthdate",
    "ts": "timestamp",
    "emp": "employee",
    "mgr": "manager",
    "acct": "account",
    "inv": "invoice",
    "tx": "transaction",
    "txn": "transaction",
    "trx": "transaction",
    "usr": "user",
    "org": "organization",
    "temp": "temperature",
    "avg": "average",
    "lat": "latitude",
    "lon": "longitude",
    "lng": "longitude",
    "ms": "millisecond",
    "sec": "second",
    "secs": "second",
    "mins": "minute",
    "hrs": "hour",
    "opp": "opportunity",
    "ctry": "country",
    "yr": "year",
    "mth": "month",
    "wh": "warehouse",
}
_PREFIXES = {"raw", "stg", "staging", "src", "dim", "fact", "fct", "tbl", "tmp", "ods", "dw", "v", "vw", "t"}


@lru_cache(maxsize=4096)
def singular(word: str) -> str:
    """The singular of a lower-case English noun by rule; a word that looks singular stays."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=8192)
def stems(text: str) -> tuple[str, ...]:
    """The words of an identifier or phrase, lower-case, singular, abbreviations written out."""
    words = (part.lower() for part in _SPLIT.findall(text))
    plain = (singular(word) for word in words)
    return tuple(ABBREVIATIONS.get(word, word) for word in plain)


@lru_cache(maxsize=4096)
def entity_words(table: str) -> tuple[str, ...]:
    """What one row of the table is called: `raw_order_items` -> order, item. Layer prefixes and years fall away."""
    words = list(stems(table))
    while len(words) > 1 and words[0] in _PREFIXES:
        words.pop(0)
    while len(words) > 1 and (words[-1] in {"table", "raw", "clean", "pg"} or words[-1].isdigit()):
        words.pop()
    return tuple(words)


def slug(words: str | Iterable[str], taken: Iterable[str] = ()) -> str:
    """A lower-case identifier of at most 60 characters from words, unlike every taken one."""
    text = words if isinstance(words, str) else " ".join(words)
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+", text)]
    base = "_".join(parts)[:60].strip("_") or "result"
    if base[0].isdigit():
        base = f"n_{base}"[:60]
    used = {name.lower() for name in taken}
    name, number = base, 2
    while name in used:
        name, number = f"{base}_{number}", number + 1
    return name
