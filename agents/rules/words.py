"""A goal as tokens with spans: words, numbers, dates, quoted strings, places and operators."""

import re
from dataclasses import dataclass
from typing import Literal

from agent_etl.engine.mentions import mentions

__all__ = ["Token", "tokenize"]

Kind = Literal["word", "number", "date", "string", "place", "op", "punct"]

_PATTERN = re.compile(
    r"""
    (?P<string>"[^"\n]*"|`[^`\n]*`|“[^”\n]*”|‘[^’\n]*’|(?<![\w'])'[^'\n]*'(?!\w))
  | (?P<date>\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?(?![\w-])|\d{4}-\d{2}(?![\w-]))
  | (?P<odd>\d+(?:\.\d+)?[^\W\d_]\w*|\d+(?:[/.]\d+){2,})
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<word>[^\W\d]\w*(?:[.-][^\W\d]\w*)*)
  | (?P<op>->|=>|→|>=|<=|≥|≤|!=|<>|==|[=<>+\-*/%&|^$€£\#@~])
  | (?P<punct>[,;.:()?!\[\]{}])
  | (?P<other>\S)
    """,
    re.VERBOSE,
)
_POSSESSIVE = re.compile(r"['’]s\b|(?<=s)['’](?!\w)")
_NEGATED = re.compile(r"['’]t\b")
_SAME_OP = {"=>": "->", "→": "->", "≥": ">=", "≤": "<=", "==": "=", "<>": "!="}


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `text` is without quotes; `low` is what keywords are compared with.

    `possessive`: an `'s` followed, and `goal[start:end]` includes it. `place` tokens are files, globs, URLs and paths.
    """

    kind: Kind
    text: str
    low: str
    start: int
    end: int
    possessive: bool = False


def tokenize(goal: str) -> tuple[Token, ...]:
    """The goal's tokens in order. No character but white space is left out."""
    places = {m.span[0]: m for m in mentions(goal) if m.kind != "name"}
    tokens: list[Token] = []
    at = 0
    while at < len(goal):
        place = places.get(at)
        if place is not None:
            tokens.append(Token("place", place.text, place.text.lower(), *place.span))
            at = place.span[1]
            continue
        match = _PATTERN.match(goal, at)
        if match is None:
            at += 1
            continue
        at = _append(goal, match, tokens)
    return tuple(tokens)


def _append(goal: str, match: re.Match[str], tokens: list[Token]) -> int:
    kind, text, start, end = match.lastgroup or "other", match.group(), match.start(), match.end()
    if kind == "word":
        return _word(goal, text, start, end, tokens)
    if kind == "string":
        tokens.append(Token("string", text[1:-1], text[1:-1].lower(), start, end))
    elif kind in ("date", "number", "op", "punct"):
        low = _SAME_OP.get(text, text)
        tokens.append(Token(kind, text, low, start, end))  # type: ignore[arg-type]
    elif kind == "odd":
        tokens.append(Token("word", text, text.lower(), start, end))
    else:
        tokens.append(Token("op", text, text, start, end))
    return end


def _word(goal: str, text: str, start: int, end: int, tokens: list[Token]) -> int:
    """A word, its possessive ending, or a contraction as two tokens (`isn't` -> is, not)."""
    negated = _NEGATED.match(goal, end)
    if negated and text.endswith("n") and len(text) > 2:
        verb = {"ca": "can", "wo": "will"}.get(text[:-1].lower(), text[:-1])
        tokens.append(Token("word", verb, verb.lower(), start, end - 1))
        tokens.append(Token("word", "not", "not", end - 1, negated.end()))
        return negated.end()
    owner = _POSSESSIVE.match(goal, end)
    stop = owner.end() if owner else end
    tokens.append(Token("word", text, text.lower(), start, stop, possessive=owner is not None))
    return stop
