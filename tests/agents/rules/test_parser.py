"""The page on the language of goals says what the planner does."""

import re
from pathlib import Path

import pytest
from worlds import World

PAGE = Path(__file__).parents[3] / "docs" / "goals.md"
EXAMPLES = re.findall(r"^```goal ?(\w*)\n(.*?)\n```$", PAGE.read_text(), re.S | re.M)


def test_page_has_examples() -> None:
    """The page shows plans, questions and refusals."""
    assert {kind for kind, _ in EXAMPLES} == {"", "ask", "refuse"}


@pytest.mark.parametrize(("kind", "goal"), EXAMPLES)
def test_example(shop: World, kind: str, goal: str) -> None:
    """Each example on the page does what the page says: its plan runs, or it is asked about, or refused."""
    draft = shop.plan(goal)
    if kind == "":
        assert draft.plan is not None, (draft.questions, draft.refusals)
        shop.run(draft.plan)
    elif kind == "ask":
        assert draft.questions, draft.refusals
    else:
        assert draft.refusals, draft.questions
