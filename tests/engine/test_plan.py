"""Plans: what a person edits is what runs, and what is wrong is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_etl.engine.errors import PlanError
from agent_etl.engine.plan import Check, Extract, Load, Plan, Transform

_SMALL = """
name: totals
extracts:
- {name: orders, source: here, dataset: orders.csv}
transforms:
- name: totals
  sql: |
    SELECT status, sum(amount) AS total
    FROM orders
    GROUP BY status
loads:
- {name: load_totals, from: totals, target: warehouse, table: totals, mode: merge, key: [status]}
"""

_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30).map(str.strip)
_names = st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True)


@st.composite
def _plans(draw: st.DrawFn) -> Plan:
    first, second, third, fourth = draw(st.lists(_names, min_size=4, max_size=4, unique=True))
    value = st.one_of(_texts, st.integers(-(2**53), 2**53), st.booleans(), st.none())
    return Plan(
        name=draw(_names),
        goal=draw(_texts),
        clauses=((0, 3),),
        answers=draw(st.dictionaries(_names, _texts, max_size=2)),
        extracts=(
            Extract(
                name=first,
                source=draw(_texts),
                dataset=draw(_texts),
                columns=tuple(draw(st.lists(_texts, max_size=3))),
                options=draw(st.dictionaries(_names, value, max_size=3)),
                why=(0,),
            ),
        ),
        transforms=(Transform(name=second, sql="\n".join(draw(st.lists(_texts, min_size=1, max_size=3)))),),
        checks=(Check(name=third, on=second, kind="accepted", columns=("a",), values=tuple(draw(st.lists(value)))),),
        loads=(Load(name=fourth, **{"from": second}, target="warehouse", table=draw(_texts)),),
    )


@given(_plans())
def test_round_trip(plan: Plan) -> None:
    """A plan comes back equal, with the same hash, from its YAML and from its JSON."""
    for text in (plan.to_yaml(), plan.to_json()):
        again = Plan.parse(text)
        assert again == plan
        assert again.hash == plan.hash


def test_yaml_shows_sql_as_sql() -> None:
    """SQL of several lines stands in the YAML as a block, lists of names on one line."""
    text = Plan.parse(_SMALL).to_yaml()
    assert "  sql: |-\n    SELECT status, sum(amount) AS total\n    FROM orders\n    GROUP BY status\n" in text
    assert "  key: [status]\n" in text


def test_hash_follows_content_alone() -> None:
    """Spelling does not change a plan's hash, content does."""
    plan = Plan.parse(_SMALL)
    assert Plan.parse(plan.to_yaml()).hash == plan.hash
    assert plan.model_copy(update={"name": "other"}).hash != plan.hash


@pytest.mark.parametrize(
    ("found", "meant", "step", "words"),
    [
        ("source: here", "sorce: here", "orders", ["sorce", "source", "dataset"]),
        ("mode: merge", "mode: upsert", "load_totals", ["mode", "append", "replace", "merge"]),
        (", key: [status]", "", "load_totals", ["merge needs a key"]),
        ("from: totals", "from: total", None, ["load_totals", "'total'", "orders"]),
        ("name: totals\n  sql", "name: orders\n  sql", None, ["two steps are named 'orders'"]),
        ("name: orders, source", "name: my orders, source", "my orders", ["name", "a-z"]),
    ],
)
def test_errors_name_step_field_and_what_is_valid(found: str, meant: str, step: str | None, words: list[str]) -> None:
    """An edit that breaks a plan is told with its step, its field and what would be valid."""
    with pytest.raises(PlanError) as caught:
        Plan.parse(_SMALL.replace(found, meant, 1))
    assert caught.value.fields.get("step") == step
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b", "name: [", "just words", "42"])
def test_what_is_no_plan_is_told_so(text: str) -> None:
    """A text that is no mapping is refused as such, not by a traceback."""
    with pytest.raises(PlanError):
        Plan.parse(text)
