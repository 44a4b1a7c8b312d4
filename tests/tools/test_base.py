"""Verbs: typed functions whose calls are recorded."""

import pytest

from agent_etl.engine.errors import NotFound
from agent_etl.tools.audit import Audit
from agent_etl.tools.base import Call, Effect, verb


class Kept:
    """A recorder that keeps calls in a list."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def called(self, call: Call) -> None:
        self.calls.append(call)


@verb(Effect.READ)
def look(place: str, names: tuple[str, ...], thing: object = None, *, times: int = 1) -> int:
    """Look at a place."""
    if place == "nowhere":
        raise NotFound("There is no such place", place=place)
    if place == "broken":
        raise ZeroDivisionError
    return times * len(names)


def test_a_recorded_call_does_the_work() -> None:
    """A recorder changes nothing about what a verb gives, and keeps its name, effect, arguments and time."""
    kept = Kept()
    assert look.by(kept)("here", ("a", "b"), times=2) == look("here", ("a", "b"), times=2) == 4
    (call,) = kept.calls
    assert (call.verb, call.effect, call.outcome) == ("look", Effect.READ, "ok")
    assert call.arguments == {"place": "here", "names": "a, b", "times": "2"}
    assert 0 <= call.seconds < 1


@pytest.mark.parametrize(
    ("place", "error", "outcome"), [("nowhere", NotFound, "not_found"), ("broken", ZeroDivisionError, "interrupted")]
)
def test_a_failed_call_is_recorded_too(place: str, error: type[Exception], outcome: str) -> None:
    """The audit shows calls that failed, with the error's code, and the error goes on to the caller."""
    kept = Kept()
    with pytest.raises(error):
        look.by(kept)(place, ())
    assert [call.outcome for call in kept.calls] == [outcome]


def test_records_hold_no_secret_and_nothing_big() -> None:
    """A password in a URL and an object's content stay out of the record."""
    kept = Kept()
    look.by(kept)("postgresql://me:hunter2secret@db/x", (), thing={"rows": ["x"] * 1000})
    (call,) = kept.calls
    assert "hunter2secret" not in str(call)
    assert call.arguments["thing"] == "dict"
    look.by(kept)("y" * 5000, ())
    assert len(kept.calls[1].arguments["place"]) == 120


def test_a_verb_keeps_its_name_and_promise() -> None:
    """A verb is documented like the function that it is."""
    assert (look.__name__, look.__doc__, look.effect) == ("look", "Look at a place.", Effect.READ)


def test_the_audit_keeps_calls_as_rows() -> None:
    """Each call of an agent becomes one row of the run's audit."""
    rows: list[tuple[object, ...]] = []

    class Store:
        def audit(self, *row: object) -> None:
            rows.append(row)

    look.by(Audit(Store(), "run-1", "extract"))("here", ("a",))
    ((run, actor, action, detail),) = rows
    assert (run, actor, action) == ("run-1", "extract", "look")
    assert isinstance(detail, dict)
    assert (detail["effect"], detail["outcome"]) == ("read", "ok")
