"""Orders over numbers that a source keeps as text."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness.bench import planned

from agent_etl.agents import transform
from agent_etl.agents.workbench import Workbench
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Plan

Bench = Callable[[Plan], Workbench]


def found(bench: Bench, sql: str) -> list[Finding]:
    Path("meters.csv").write_text("meter,reading,site\n1,9,a\n2,10,b\n3,n/a,b\n")
    extracts = "- {name: meters, source: here, dataset: meters.csv}"
    plan = planned(f'- {{name: result, sql: "{sql}"}}', extracts=extracts)
    return [one for one in transform.prove(plan, bench(plan)) if one.code == "text_order"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT site, max(reading) AS r FROM meters GROUP BY 1",
        "SELECT m.site, min(m.reading) AS r FROM meters m GROUP BY 1",
        "SELECT arg_max(meter, reading) AS m FROM meters",
        "SELECT * FROM meters ORDER BY reading DESC LIMIT 1",
        "SELECT DISTINCT ON (site) * FROM meters ORDER BY site, reading DESC",
        "SELECT * FROM meters QUALIFY row_number() OVER (PARTITION BY site ORDER BY reading DESC) = 1",
    ],
)
def test_letters_that_decide_are_a_risk(bench: Bench, sql: str) -> None:
    """The highest, the first and the latest of numbers in text is asked about: letters put 9 above 10."""
    (finding,) = found(bench, sql)
    assert (finding.severity, dict(finding.evidence)) == ("risk", {"column": "reading", "holds": "numbers"})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT site, max(TRY_CAST(reading AS DOUBLE)) AS r FROM meters GROUP BY 1",
        "SELECT * FROM meters ORDER BY reading",
        "SELECT max(site) AS s FROM meters",
        "SELECT * FROM meters ORDER BY meter DESC LIMIT 1",
    ],
)
def test_casts_names_and_shown_orders_are_silent(bench: Bench, sql: str) -> None:
    """Nothing is said where a number is compared as one, names are ordered, or no row depends on the order."""
    assert found(bench, sql) == []
