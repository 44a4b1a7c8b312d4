"""Repairs without a model."""

from typing import Any

from agent_etl.agents.orchestrator import GUESSES, LOSES, TARGET, WIDENS
from agent_etl.agents.planner import Repair, RepairRequest
from agent_etl.agents.rules.repair import repair
from agent_etl.engine.bind import bind
from agent_etl.engine.plan import Extract, Load, Plan, Transform
from agent_etl.engine.schema import Catalogue, Column, Table
from agent_etl.engine.tasks import StepFailure

EXTRACT = Extract(
    name="orders",
    source="here",
    dataset="orders.csv",
    columns=("id", "amount"),
    where="amount > 3",
    options={"delimiter": ",", "types": {"id": "BIGINT", "amount": "BIGINT"}},
    expect={"id": "BIGINT", "amount": "BIGINT"},
)
PLAN = Plan(
    name="p",
    extracts=(EXTRACT,),
    transforms=(Transform(name="total", sql="SELECT sum(amount) AS total, count(*) AS n FROM orders"),),
    loads=(Load(name="load", from_="total", target="warehouse", table="totals"),),
)


def table(*columns: tuple[str, str], dataset: str = "orders.csv") -> Table:
    return Table("here", dataset, tuple(Column(*column) for column in columns))


def proposed(
    code: str, now: Table, *, step: str = "orders", plan: Plan = PLAN, target: Table | None = None, **fields: Any
) -> tuple[Repair, ...]:
    kind = "load" if step == "load" else "extract"
    failure = StepFailure(step, kind, code, "it failed", fields=fields)
    prober: Any = None
    return repair(RepairRequest(plan, failure, Catalogue((now,)), prober, target))


def test_a_late_type_is_widened_or_set_aside() -> None:
    """A column whose type breaks late is read as the type that fits, as text, or its rows are set aside; all ask."""
    found = proposed(
        "read_error", table(("id", "BIGINT"), ("amount", "BIGINT")), column="amount", line=30001, found="DOUBLE", rows=3
    )
    assert [each.consent for each in found] == [WIDENS, WIDENS, LOSES]
    extracts = [each.plan.extracts[0] for each in found]
    assert [each.options["types"]["amount"] for each in extracts] == ["DOUBLE", "VARCHAR", "BIGINT"]
    assert extracts[0].expect["amount"] == "DOUBLE"
    assert extracts[2].options["on_error"] == "quarantine"
    assert all(each.options["delimiter"] == "," for each in extracts)
    assert "30001" in found[0].label
    assert "3 rows" in found[2].label


def test_a_late_type_of_a_streaming_load_is_found_by_its_dataset() -> None:
    """A read that failed inside a load is repaired at the extract that was streaming."""
    found = proposed("read_error", table(("id", "BIGINT")), step="load", dataset="orders.csv", column="amount")
    assert {each.edits[0].step for each in found} == {"orders"}


def test_a_renamed_column_keeps_its_old_name_downstream() -> None:
    """The new name is read, filtered and aliased, so that every later step binds unchanged; it asks first."""
    now = table(("id", "BIGINT"), ("amount_usd", "BIGINT"), ("note", "VARCHAR"))
    (found,) = proposed("schema_changed", now, column="amount")
    assert found.consent == GUESSES
    raw = found.plan.extracts[0]
    assert raw.columns == ("id", "amount_usd")
    assert raw.expect == {"id": "BIGINT", "amount_usd": "BIGINT"}
    assert raw.options["types"] == {"id": "BIGINT", "amount_usd": "BIGINT"}
    bound = bind(found.plan, Catalogue((now,)))
    assert bound.findings == ()
    assert [column.name for column in bound.columns["orders"]] == ["id", "amount"]


def test_a_rename_without_a_column_list_keeps_the_order() -> None:
    """An extract of all columns gives them all again, in the source's order, the renamed one under its old name."""
    every = EXTRACT.model_copy(update={"columns": None, "where": None})
    plan = PLAN.model_copy(update={"extracts": (every,)})
    now = table(("amount_usd", "BIGINT"), ("id", "BIGINT"))
    (found,) = proposed("schema_changed", now, plan=plan, column="amount")
    bound = bind(found.plan, Catalogue((now,)))
    assert [column.name for column in bound.columns["orders"]] == ["amount", "id"]


def test_two_candidates_are_no_candidate() -> None:
    """When two new columns could be the one that is gone, nothing is proposed."""
    now = table(("id", "BIGINT"), ("amount_usd", "BIGINT"), ("amount_eur", "BIGINT"))
    assert proposed("schema_changed", now, column="amount") == ()


def test_another_type_is_no_candidate() -> None:
    """A column of another type is not taken for the one that is gone."""
    assert proposed("schema_changed", table(("id", "BIGINT"), ("amount_usd", "DATE")), column="amount") == ()


def test_a_changed_type_is_taken_as_it_is_after_asking() -> None:
    """A source column with another type than the plan expects can be taken as it is now."""
    (found,) = proposed("schema_changed", table(("id", "BIGINT"), ("amount", "DOUBLE")), column="amount")
    assert found.consent == WIDENS
    assert found.plan.extracts[0].expect == {"id": "BIGINT", "amount": "DOUBLE"}


def test_a_column_that_the_target_lacks_is_added_there() -> None:
    """The load may evolve the target by exactly the columns that it lacks, with their types; it asks first."""
    source = table(("id", "BIGINT"), ("amount", "BIGINT"))
    target = Table("warehouse", "totals", (Column("total", "HUGEINT"),))
    (found,) = proposed("target_schema_mismatch", source, step="load", target=target)
    assert found.consent == TARGET
    assert found.plan.loads[0].evolve == {"n": "BIGINT"}


def test_what_no_repair_is_known_for() -> None:
    """A failure of another kind, or a target that lacks nothing, has no repair."""
    source = table(("id", "BIGINT"), ("amount", "BIGINT"))
    whole = Table("warehouse", "totals", (Column("total", "HUGEINT"), Column("n", "BIGINT")))
    assert proposed("disk_full", source) == ()
    assert proposed("target_schema_mismatch", source, step="load", target=whole) == ()
