"""Whether a goal's words may mean a table: its name, the parts of it, one or many of them."""

import re
from collections.abc import Iterable

from agent_etl.engine.mentions import Mention
from agent_etl.engine.schema import Table

__all__ = ["Wanted"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SHORTEST = 3


class Wanted:
    """The words of a goal outside of paths and URLs, and what it names with dots."""

    def __init__(self, goal: str, mentioned: Iterable[Mention]) -> None:
        mentioned = tuple(mentioned)
        spans = [mention.span for mention in mentioned if mention.kind != "name"]
        spoken = "".join(" " if any(a <= at < b for a, b in spans) else letter for at, letter in enumerate(goal))
        self._words = frozenset(_stem(word) for word in _parts(spoken))
        names = [mention.text.lower() for mention in mentioned if mention.kind == "name"]
        self._names = frozenset(names)
        self._heads = frozenset(name.partition(".")[0] for name in names)
        self._lasts = frozenset(name.rpartition(".")[2] for name in names)

    def names(self, connection: str) -> bool:
        """Whether the goal names a connection, alone or before a dot."""
        return connection.lower() in self._heads

    def exactly(self, dataset: str) -> bool:
        """Whether the goal names the dataset itself."""
        bare = Table("", dataset, ()).name.lower()
        return dataset.lower() in self._names or bare in self._names or bare in self._lasts

    def plausible(self, dataset: str) -> bool:
        """Whether the goal may mean the dataset: its name, or a part of it of three letters or more."""
        if self.exactly(dataset):
            return True
        parts = [_stem(part) for part in _parts(Table("", dataset, ()).name)]
        return any(part in self._words for part in parts if len(part) >= _SHORTEST)

    def likely(self, dataset: str) -> bool:
        """Whether the goal says what the dataset's name ends with (`customers` for `raw_customers`), or all of it."""
        parts = [_stem(part) for part in _parts(Table("", dataset, ()).name) if not part.isdigit()]
        return self.exactly(dataset) or (bool(parts) and (parts[-1] in self._words or self._words.issuperset(parts)))

    def among(self, datasets: Iterable[str]) -> tuple[str, ...]:
        """The datasets that the goal may mean, in their order."""
        return tuple(dataset for dataset in datasets if self.plausible(dataset))


def _parts(text: str) -> list[str]:
    """The words of a text or identifier: snake case, camel case and punctuation all part them."""
    return [part.lower() for part in _WORD.findall(text)]


def _stem(word: str) -> str:
    """One word for singular and plural: `categories` and `category`, `boxes` and `box`, `orders` and `order`."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
