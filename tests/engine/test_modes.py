"""What a load's mode needs, and what means nothing to it."""

import pytest

from agent_etl.engine.errors import PlanError
from agent_etl.engine.plan import Plan

PLAN = """
name: p
extracts: [{{name: people, source: here, dataset: people.csv}}]
loads: [{{name: out, from: people, target: warehouse, table: t, {line}}}]
"""


@pytest.mark.parametrize(
    "line",
    [
        "mode: merge, key: [id], delete_by: gone, delete_missing: true",
        "mode: scd2, key: [id, part], effective: changed, delete_missing: true",
    ],
)
def test_a_mode_with_what_it_knows_holds(line):
    """A plan with deletes or a history comes back from its YAML as it was."""
    plan = Plan.parse(PLAN.format(line=line))
    assert Plan.parse(plan.to_yaml()) == plan


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("mode: scd2", "mode scd2 needs a key"),
        ("mode: append, delete_by: gone", "delete_by means nothing in mode append, valid is merge"),
        ("mode: scd2, key: [id], delete_by: gone", "delete_by means nothing in mode scd2, valid is merge"),
        ("mode: replace, delete_missing: true", "delete_missing means nothing in mode replace, valid are merge, scd2"),
        ("mode: merge, key: [id], effective: day", "effective means nothing in mode merge, valid is scd2"),
        ("mode: merge, key: [id, gone], delete_by: Gone", "delete_by names Gone, which is part of the key"),
        ("mode: scd2, key: [id, day], effective: day", "effective names day, which is part of the key"),
    ],
)
def test_what_means_nothing_is_refused(line, problem):
    """A field that a mode does not know is an error that names the step and the modes that do."""
    with pytest.raises(PlanError) as caught:
        Plan.parse(PLAN.format(line=line))
    assert caught.value.fields["step"] == "out"
    assert problem in str(caught.value.fields["problem"])
