"""A place in a goal's tokens: look ahead, take keywords, go back."""

from collections.abc import Iterable

from agent_etl.agents.rules.words import Token

__all__ = ["Cursor"]


class Cursor:
    """Walks over tokens. Every `take…` moves only when it matches."""

    def __init__(self, goal: str, tokens: tuple[Token, ...]) -> None:
        self.goal = goal
        self.tokens = tokens
        self.at = 0

    @property
    def done(self) -> bool:
        """No token is left."""
        return self.at >= len(self.tokens)

    def peek(self, ahead: int = 0) -> Token | None:
        """The token that many places ahead, or None."""
        place = self.at + ahead
        return self.tokens[place] if 0 <= place < len(self.tokens) else None

    def low(self, ahead: int = 0) -> str:
        """That token's keyword form; empty for strings, places and beyond the end."""
        token = self.peek(ahead)
        return token.low if token is not None and token.kind in ("word", "op", "punct", "number") else ""

    def kind(self, ahead: int = 0) -> str:
        """That token's kind, empty beyond the end."""
        token = self.peek(ahead)
        return token.kind if token is not None else ""

    def take(self, *phrases: str) -> bool:
        """Take the first of the phrases (words separated by spaces) that stands here."""
        for phrase in phrases:
            words = phrase.split()
            if all(self.low(ahead) == word for ahead, word in enumerate(words)):
                self.at += len(words)
                return True
        return False

    def take_any(self, words: Iterable[str]) -> str | None:
        """Take one token when it is one of the words; gives it."""
        if self.low() and self.low() in words:
            self.at += 1
            return self.tokens[self.at - 1].low
        return None

    def next(self) -> Token:
        """Take the token that stands here."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def span(self, start: int, end: int | None = None) -> tuple[int, int]:
        """The goal's span of the tokens from index `start` to `end` (default: here), at least one token."""
        last = max(start + 1, self.at if end is None else end)
        first = min(start, len(self.tokens) - 1)
        return self.tokens[first].start, self.tokens[min(last, len(self.tokens)) - 1].end

    def quote(self, start: int, end: int | None = None) -> str:
        """The goal's words of that span."""
        return self.goal[slice(*self.span(start, end))]

    def skip(self, words: Iterable[str]) -> None:
        """Pass over any of these words."""
        wanted = frozenset(words)
        while self.low() and self.low() in wanted:
            self.at += 1
