"""The orchestrator's decisions."""

import pytest

from agent_etl.agents.orchestrator import (
    GUESSES,
    LOSES,
    STOP,
    TARGET,
    WIDENS,
    accept_answers,
    choose,
    finding_failure,
    judge,
    next_attempt,
    repair_question,
)
from agent_etl.agents.planner import Repair
from agent_etl.engine.errors import UsageError
from agent_etl.engine.goal import Finding, Option, Question
from agent_etl.engine.plan import Extract, Load, Plan
from agent_etl.engine.tasks import StepFailure

PLAN = Plan(
    name="p",
    extracts=(Extract(name="o", source="here", dataset="o.csv"),),
    loads=(Load(name="l", from_="o", target="warehouse", table="t"),),
)
ERROR = Finding("error", "unknown_column", "o", "o has no column x", evidence=(("column", "x"),), field="columns")
RISK = Finding("risk", "replaces_rows", "l", "t holds 3 rows that this home has not written")
NOTE = Finding("note", "row_loss", "o", "2 rows have no partner")
FAILURE = StepFailure("o", "extract", "read_error", "bytes", fields={"column": "x"})
CITY = Question("q1", "Which city?", "the city", (0, 8), (Option("a.city", "city of a"), Option("b.city", "city of b")))
DATE = Question("q2", "Since when?", "recent", (10, 16), free=True)


@pytest.mark.parametrize(
    ("findings", "approve", "action"),
    [
        ((), "risky", "go"),
        ((NOTE,), "risky", "go"),
        ((RISK,), "risky", "ask"),
        ((RISK,), "auto", "go"),
        ((), "ask", "ask"),
        ((RISK, ERROR), "auto", "stop"),
    ],
)
def test_judge(findings: tuple[Finding, ...], approve: str, action: str) -> None:
    """An error always stops; a risk asks under the default policy; `ask` asks always and `auto` never."""
    assert judge(findings, approve).action == action


def test_the_same_failure_twice_stops() -> None:
    """A failure that comes back after its repair is not repaired again."""
    once = next_attempt({}, FAILURE, 3)
    assert once is not None
    assert next_attempt(once, FAILURE, 3) is None


def test_repairs_are_bounded() -> None:
    """Failures that differ each time stop at the limit."""
    attempts: dict[str, int] | None = {}
    counted = 0
    while attempts is not None and counted < 50:
        failure = StepFailure("o", "extract", "read_error", "bytes", fields={"column": f"x{counted}"})
        attempts = next_attempt(attempts, failure, 3)
        counted += attempts is not None
    assert counted == 3


@pytest.mark.parametrize(
    ("consents", "approve", "applied"),
    [
        (("",), "risky", 0),
        ((WIDENS, LOSES), "risky", None),
        ((WIDENS, LOSES), "ask", None),
        ((LOSES, WIDENS), "auto", 1),
        ((TARGET,), "auto", 0),
        ((TARGET,), "risky", None),
        ((LOSES,), "auto", None),
        ((GUESSES,), "auto", None),
        ((), "auto", None),
    ],
)
def test_choose(consents: tuple[str, ...], approve: str, applied: int | None) -> None:
    """Lost rows and guessed meanings are asked about under every policy; widening and new columns pass under auto."""
    repairs = [Repair(PLAN, f"repair {number}", consent=consent) for number, consent in enumerate(consents)]
    choice = choose(repairs, approve)
    assert choice.apply == (None if applied is None else repairs[applied])
    assert choice.offers == (tuple(repairs) if applied is None else ())


def test_answers_are_named_by_id_or_words() -> None:
    """A question is found by its id or its quote, an option by its value or its label, whatever the case."""
    assert accept_answers((CITY, DATE), {"q1": "b.city", "RECENT": "2024-01-01"}) == {
        "q1": "b.city",
        "q2": "2024-01-01",
    }
    assert accept_answers((CITY,), {"The city": "City of A"}) == {"q1": "a.city"}


@pytest.mark.parametrize(
    ("answers", "valid"),
    [({"q9": "a.city"}, ["q1", "q2"]), ({"q1": "c.city"}, ["a.city", "b.city"]), ({"q2": "  "}, [])],
)
def test_wrong_answers_name_what_is_valid(answers: dict[str, str], valid: list[str]) -> None:
    """An unknown question or option is refused with the valid ones."""
    with pytest.raises(UsageError) as raised:
        accept_answers((CITY, DATE), answers)
    assert raised.value.fields["valid"] == valid


def test_two_questions_about_the_same_words_need_an_id() -> None:
    """Words that two questions quote name neither of them."""
    other = Question("q3", "Which one?", "the city", (0, 8), free=True)
    with pytest.raises(UsageError) as raised:
        accept_answers((CITY, other), {"the city": "a.city"})
    assert raised.value.fields["valid"] == ["q1", "q3"]


def test_a_repairs_question_offers_to_stop() -> None:
    """A person sees what each repair costs and can leave the run failed."""
    question = repair_question(FAILURE, [Repair(PLAN, "read x as text", consent=WIDENS)])
    assert [option.value for option in question.options] == ["1", STOP]
    assert WIDENS in question.options[0].label
    assert question.id == repair_question(FAILURE, []).id


def test_a_finding_becomes_a_failure() -> None:
    """A finding's evidence and place reach the repair as the failure's fields."""
    failure = finding_failure(ERROR, PLAN)
    assert (failure.kind, failure.code, failure.fields) == (
        "extract",
        "unknown_column",
        {"column": "x", "field": "columns"},
    )
