"""Verbs: what an agent may do to the outside, with a declared effect, each call recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import update_wrapper
from inspect import signature
from time import perf_counter
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.security.secrets import redact

__all__ = ["Call", "Effect", "Recorder", "Verb", "verb"]

P = ParamSpec("P")
R = TypeVar("R")
_LONGEST = 120


class Effect(Enum):
    """What a verb does to the outside: nothing but reading it, nothing at all, or changing it."""

    READ = "read"
    DRY = "dry"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a verb: small redacted arguments, the outcome (`ok` or an error's code), wall seconds."""

    verb: str
    effect: Effect
    arguments: Mapping[str, str]
    outcome: str
    seconds: float


class Recorder(Protocol):
    """Keeps calls."""

    def called(self, call: Call) -> None:
        """Keep one call. Side effects: whatever keeping means."""
        ...


class Verb(Generic[P, R]):
    """A typed function with an effect. Calling it does the work; `by(recorder)` is the same, recorded."""

    def __init__(self, effect: Effect, function: Callable[P, R]) -> None:
        self.effect = effect
        self.name = function.__name__
        self._function = function
        self._signature = signature(function)
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do it without a record, where the caller keeps its own."""
        return self._function(*args, **kwargs)

    def by(self, recorder: Recorder | None) -> Callable[P, R]:
        """The verb whose calls the recorder keeps, failed ones too; None keeps nothing."""
        if recorder is None:
            return self._function

        def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
            started = perf_counter()
            outcome = "interrupted"
            try:
                result = self._function(*args, **kwargs)
                outcome = "ok"
            except AgentEtlError as error:
                outcome = error.code
                raise
            finally:
                given = self._signature.bind(*args, **kwargs).arguments
                shown = {name: _shown(value) for name, value in given.items()}
                recorder.called(Call(self.name, self.effect, shown, outcome, round(perf_counter() - started, 4)))
            return result

        return recorded


def verb(effect: Effect) -> Callable[[Callable[P, R]], Verb[P, R]]:
    """Declare a function as a verb of that effect."""
    return lambda function: Verb(effect, function)


def _shown(value: Any) -> str:
    """A value as an audit shows it: names and numbers; of anything bigger only what it is."""
    if isinstance(value, str):
        text = redact(value)
    elif isinstance(value, bool | int | float) or value is None:
        text = str(value)
    elif isinstance(value, tuple | list) and all(isinstance(item, str) for item in value):
        text = redact(", ".join(value))
    else:
        text = str(getattr(value, "name", None) or type(value).__name__)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
