"""The executor does each task once, and a task that is done is done."""

from contextlib import closing

import pytest
from harness.shop import COPY, TOTAL_ROWS, TOTALS, Shop

from agent_etl.connectors.registry import open_connections
from agent_etl.engine.duck import attached, connect
from agent_etl.engine.errors import (
    AgentEtlError,
    CheckFailed,
    Corrupt,
    GuardError,
    PlanError,
    SchemaChanged,
    UsageError,
)
from agent_etl.engine.executor import Executor
from agent_etl.engine.interruption import Interruption
from agent_etl.engine.plan import Plan


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.store.close()


def test_a_whole_plan_runs(shop):
    """Extract, transform, checks and load give the rows that the SQL says, and every row is accounted for."""
    done = shop.run(TOTALS)
    assert shop.rows("totals") == TOTAL_ROWS
    read = done["orders"]
    assert (read.rows_in, read.rows_out, read.filtered, read.quarantined) == (10, 9, 1, 0)
    assert (done["totals"].rows_out, done["known"].rows_in, done["keep"].rows_out) == (3, 3, 3)
    assert {task.step: task.status for task in shop.store.tasks("r1")} == dict.fromkeys(done, "done")
    load = shop.store.loads("r1")[0]
    assert (load.table, load.rows, load.reconciled) == ("totals", 3, True)
    assert shop.store.has_written(load.target, "totals")


def test_a_task_that_is_done_is_not_done_again(shop):
    """Running a run's tasks again reuses every output and writes nothing."""
    first = shop.run(TOTALS)
    again = shop.run(TOTALS)
    assert all(result.reused for result in again.values())
    assert {name: result.fingerprint for name, result in again.items()} == {
        name: result.fingerprint for name, result in first.items()
    }
    assert shop.rows("_etl_loads")[0] is not None and len(shop.rows("_etl_loads")) == 1


def test_an_append_is_done_once_in_a_run(shop):
    """The same run appends its rows once, however often it is resumed."""
    first = shop.run(COPY)
    assert first["keep"].detail["fused"] and first["orders"].detail["fused"]
    shop.run(COPY)
    assert len(shop.rows("orders")) == 10
    assert [task.result.rows_out for task in shop.store.tasks("r1") if task.step == "orders"] == [10]


def test_a_fused_load_gives_what_a_staged_one_gives(shop):
    """Streaming straight into the target gives the same rows and counts as loading a package."""
    fused = shop.run(COPY, "r1")
    check = COPY + "checks: [{name: some, on: orders, kind: row_count, low: 1}]\n"
    staged = shop.run(check.replace("table: orders", "table: staged"), "r2")
    assert "fused" not in staged["keep"].detail and fused["keep"].rows_out == staged["keep"].rows_out == 10
    assert shop.rows("orders") == shop.rows("staged") != []


def test_a_failing_check_stops_the_load(shop):
    """Nothing reaches the target when a check on what it is made of fails; the counts are told, no row."""
    broken = TOTALS.replace(
        "checks:", "checks:\n  - {name: cheap, on: orders, kind: range, columns: [amount], high: 50}"
    )
    with pytest.raises(CheckFailed) as caught:
        shop.run(broken)
    assert (caught.value.fields["check"], caught.value.fields["failing"]) == ("cheap", 4)
    assert not (shop.settings.home / "warehouse.duckdb").exists()
    failed = [task for task in shop.store.tasks("r1") if task.status == "failed"]
    assert [task.failure.code for task in failed] == ["check_failed"]
    assert [event.kind for event in shop.events][-1] == "task_failed"


def test_a_check_may_only_warn(shop):
    """A check with severity warn tells what it found and lets the load go on."""
    warned = TOTALS.replace(
        "checks:", "checks:\n  - {name: cheap, on: orders, kind: range, columns: [amount], high: 50, severity: warn}"
    )
    done = shop.run(warned)
    assert done["cheap"].detail["failing"] == 4
    assert shop.rows("totals") == TOTAL_ROWS
    assert [event.fields["message"] for event in shop.events if event.kind == "finding"] == ["4 of 9 rows"]


def test_a_renamed_column_is_found_before_reading(shop):
    """A column that is gone is named with what may have taken its place; nothing is read or written."""
    plan = TOTALS.replace("where: id > 0", "where: id > 0, expect: {customer: VARCHAR, amount: BIGINT, id: BIGINT}")
    shop.sql("ALTER TABLE orders RENAME COLUMN customer TO customer_name")
    with pytest.raises(SchemaChanged) as caught:
        shop.run(plan)
    assert caught.value.fields["column"] == "customer"
    assert caught.value.fields["candidates"] == ["customer_name"]
    assert not (shop.settings.home / "warehouse.duckdb").exists()


def test_a_changed_type_is_found_before_reading(shop):
    """A column whose type is not the one that the plan was made for stops the extract."""
    plan = COPY.replace("dataset: orders", "dataset: orders, expect: {amount: VARCHAR}")
    with pytest.raises(SchemaChanged) as caught:
        shop.run(plan)
    assert (caught.value.fields["column"], caught.value.fields["expected"]) == ("amount", "VARCHAR")


def test_a_resumed_run_works_on_with_what_it_has_read(shop):
    """A source that changes between a crash and the resume does not mix into the run."""
    shop.run(TOTALS, only=1)
    shop.sql("UPDATE orders SET amount = 0")
    done = shop.run(TOTALS)
    assert done["orders"].reused
    assert shop.rows("totals") == TOTAL_ROWS


def test_another_run_reads_the_source_as_it_is_now(shop):
    """A new run sees new rows."""
    shop.run(TOTALS)
    shop.sql("INSERT INTO orders VALUES (10, 'c0', 1000)")
    shop.run(TOTALS, "r2")
    assert shop.rows("totals")[0] == ("c0", 1180, 4)


def test_damaged_packages_are_never_loaded(shop):
    """A flipped byte in a staged part stops the load; resuming makes the package again."""
    staged = shop.run(TOTALS, only=2)
    for step in ("totals", "orders"):
        part = shop.stage.root / staged[step].fingerprint / "part-0000.parquet"
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
        with pytest.raises(Corrupt) as caught:
            shop.run(TOTALS)
        assert caught.value.fields["path"] == str(part)
        assert not (shop.settings.home / "warehouse.duckdb").exists()
    shop.run(TOTALS)
    assert shop.rows("totals") == TOTAL_ROWS


def test_rows_keep_their_order(shop):
    """A transform's ORDER BY is the order of the staged rows."""
    connections = open_connections(shop.settings, cwd=shop.folder)
    executor = Executor(
        Plan.parse(TOTALS),
        run_id="r1",
        connections=connections,
        stage=shop.stage,
        store=shop.store,
        settings=shop.settings,
    )
    duck = connect()
    with attached(duck, executor.relation("totals")) as select:
        assert [row[0] for row in duck.execute(select).fetchall()] == ["c0", "c2", "c1"]
    with pytest.raises(UsageError):
        executor.relation("keep")
    duck.close()
    executor.close()
    connections.close()


def test_a_cycle_is_a_plan_error(shop):
    """Transforms that read each other are refused when the executor is made."""
    plan = """
        name: circle
        extracts: [{name: orders, source: shop, dataset: orders}]
        transforms: [{name: a, sql: SELECT * FROM b}, {name: b, sql: SELECT * FROM a}]
        loads: [{name: keep, from: a, target: warehouse, table: t}]
    """
    with pytest.raises(PlanError, match="circle"):
        shop.run(plan)


def test_sql_outside_the_language_is_refused(shop):
    """A plan written by hand goes through the same guard."""
    with pytest.raises(GuardError):
        shop.run(TOTALS.replace("FROM orders GROUP", "FROM read_csv('/etc/passwd') GROUP"))


def test_events_tell_each_task(shop):
    """A listener hears each task start and end, with its rows."""
    shop.run(TOTALS)
    told = [(event.kind, event.step) for event in shop.events if event.kind in ("task_started", "task_done")]
    assert told[:2] == [("task_started", "orders"), ("task_done", "orders")]
    assert {event.step: event.fields["rows"] for event in shop.events if event.kind == "task_done"}["keep"] == 3


def test_a_query_that_begins_after_an_interruption_ends_too(shop):
    """Ctrl-C between a task's start and its query's start is not forgotten: the query does not run for minutes."""
    sql = "SELECT max(sqrt(x.range * y.range)) AS m FROM range(10000000) x, range(1000000) y"
    plan = TOTALS.replace("checks:", f"  - {{name: endless, sql: '{sql}'}}\nchecks:")
    with shop.executor(plan) as executor, closing(Interruption()) as interruption, interruption:
        interruption.ask()
        with pytest.raises(AgentEtlError):
            executor.relation("endless")
