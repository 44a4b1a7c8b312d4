"""The executor alone, killed with SIGKILL next to each durable step and run again."""

import signal
from datetime import UTC, datetime

import pytest
from faults.points import POINTS
from harness.kill import Job
from harness.shop import COPY, TOTAL_ROWS, TOTALS, Shop

from agent_etl.engine.errors import SourceError

pytestmark = pytest.mark.kill

ENGINE = sorted(name for name in POINTS if not name.startswith("checkpoint."))
"""The points that the executor passes; the graph's own are tests/faults/test_checkpoints.py's."""
APPENDED = TOTALS.replace("mode: replace", "mode: append")
KEPT = TOTALS.replace("mode: replace", "mode: scd2, key: [customer]")
MERGED = TOTALS.replace("mode: replace", "mode: merge, key: [customer]")


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def kill(shop, nursery):
    """Runs a plan of the shop in another process that dies at a fault."""

    def run(plan, fault):
        (shop.folder / "plan.yaml").write_text(plan)
        outcome = nursery.finish(Job(str(shop.folder), "plan.yaml", "r1", fault=f"{fault}:1:kill", alone=True))
        assert outcome.signal == signal.SIGKILL, outcome

    return run


@pytest.mark.parametrize("fault", ENGINE)
def test_a_killed_append_is_appended_once(shop, kill, fault):
    """Wherever the process dies, resuming appends the rows exactly once and leaves nothing half-made."""
    kill(APPENDED, fault)
    shop.run(APPENDED)
    assert shop.rows("totals") == TOTAL_ROWS
    assert len(shop.rows("_etl_loads")) == 1
    assert [path.name for path in shop.stage.root.iterdir() if path.name.startswith(".")] == []
    assert len(shop.store.loads("r1")) == 1


@pytest.mark.parametrize("fault", ["load.staged", "load.before_commit", "load.after_commit", "load.mirrored"])
@pytest.mark.parametrize("plan", [COPY, MERGED], ids=["fused", "merged"])
def test_a_killed_load_is_loaded_once(shop, kill, plan, fault):
    """A fused append and a merge also end as one clean run would."""
    kill(plan, fault)
    shop.run(plan)
    assert len(shop.rows("orders")) == 10 if plan is COPY else shop.rows("totals") == TOTAL_ROWS
    assert len(shop.rows("_etl_loads")) == 1


@pytest.mark.parametrize("fault", ["load.begin", "load.staged", "load.before_commit", "load.after_commit"])
def test_a_killed_history_keeps_its_time(shop, kill, fault):
    """A history without times of change takes the load's, and a retry after a crash the time of the first attempt."""
    kill(KEPT, fault)
    after = datetime.now(UTC)
    shop.run(KEPT)
    (load_id,) = {row[0] for row in shop.rows("_etl_loads")}
    pinned = datetime.fromisoformat(shop.store.get("r1", "moment", load_id))
    assert pinned < after
    rows = shop.rows("totals")
    assert [row[:3] for row in rows] == TOTAL_ROWS
    assert {row[3:] for row in rows} == {(pinned.replace(tzinfo=None), None)}


def test_sealed_tasks_are_not_done_again(shop, kill):
    """What was sealed before the crash is reused after it."""
    kill(APPENDED, "load.begin")
    done = shop.run(APPENDED)
    assert [name for name, result in done.items() if result.reused] == ["orders", "totals", "known", "one_each"]


@pytest.mark.parametrize("fault", ["load.after_commit", "load.mirrored"])
def test_a_source_that_changed_after_half_a_run_was_loaded(shop, kill, fault):
    """One run never mixes two versions of a source in its targets: it says so and stops."""
    second = COPY.replace("loads: [", "loads: [{name: other, from: orders, target: warehouse, table: copy2}, ")
    kill(second, fault)
    for package in shop.stage.root.iterdir():
        shop.stage.discard(package.name)
    shop.sql("DELETE FROM orders WHERE id > 4")
    with pytest.raises(SourceError, match="changed"):
        shop.run(second)


def test_a_finished_stream_is_finished_whatever_becomes_of_its_source(shop, kill):
    """A fused load that was committed before the crash is done, even when the source has changed since."""
    kill(COPY, "load.after_commit")
    shop.sql("DELETE FROM orders")
    done = shop.run(COPY)
    assert done["keep"].reused and done["keep"].rows_out == 10
    assert len(shop.rows("orders")) == 10
