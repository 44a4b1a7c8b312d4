"""What a target has lost is noticed before anything is built upon it; what the mirror has missed is healed."""

import shutil

import duckdb
import pytest
from harness.shop import COPY, TOTALS, Shop

from agent_etl.engine.errors import DataLoss
from agent_etl.engine.mirror import lost
from agent_etl.engine.ports import Marker
from agent_etl.engine.records import LoadRecord

MERGE = TOTALS.replace("mode: replace", "mode: merge, key: [customer]")


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.store.close()


def grown(shop):
    """One more order, so that the next run has something else to load."""
    shop.sql("INSERT INTO orders SELECT max(id) + 1, 'c9', 100 FROM orders")


@pytest.mark.parametrize("target", ["warehouse", "sqlite:///{folder}/out.sqlite"], ids=["duckdb", "sqlite"])
def test_a_restored_backup_is_noticed(shop, target):
    """A target that is older than what was loaded into it stops the next append, which names table, loads and runs."""
    plan = COPY.replace("target: warehouse", f"target: '{target.format(folder=shop.folder)}'")
    path = shop.settings.home / "warehouse.duckdb" if target == "warehouse" else shop.folder / "out.sqlite"
    shop.run(plan, "r1")
    shutil.copy(path, shop.folder / "backup")
    grown(shop)
    second = shop.run(plan, "r2")["keep"].fingerprint
    shutil.copy(shop.folder / "backup", path)
    grown(shop)
    with pytest.raises(DataLoss) as caught:
        shop.run(plan, "r3")
    fields = caught.value.fields
    assert (fields["table"], fields["loads"], fields["runs"], fields["rows"]) == ("orders", [second], ["r2"], 11)
    assert "resume r2 --force" in caught.value.hint


def test_what_was_lost_is_loaded_again_in_its_order(shop):
    """The run whose load was lost may do it again, the oldest first; then the next run goes on."""
    shop.run(MERGE, "r1")
    backup = shop.folder / "backup"
    shutil.copy(shop.settings.home / "warehouse.duckdb", backup)
    for run in ("r2", "r3"):
        grown(shop)
        shop.run(MERGE, run)
    whole = shop.rows("totals")
    shutil.copy(backup, shop.settings.home / "warehouse.duckdb")
    with pytest.raises(DataLoss) as caught:
        shop.run(MERGE, "r3")
    assert caught.value.fields["runs"] == ["r2"]
    shop.run(MERGE, "r2")
    shop.run(MERGE, "r3")
    assert shop.rows("totals") == whole
    grown(shop)
    shop.run(MERGE, "r4")


def test_a_replace_needs_nothing_that_was_lost(shop):
    """A load that replaces the table builds on nothing, and afterwards nothing is missing."""
    shop.run(COPY, "r1")
    (shop.settings.home / "warehouse.duckdb").unlink()
    grown(shop)
    with pytest.raises(DataLoss):
        shop.run(COPY, "r2")
    shop.run(COPY.replace("append", "replace"), "r3")
    grown(shop)
    shop.run(COPY, "r4")
    assert len(shop.rows("orders")) == 11 + 12


def test_a_load_that_the_mirror_missed_is_put_there(shop):
    """A run that died between its commit and the mirror is in the mirror again when the table is loaded next."""
    shop.run(COPY, "r1")
    first = shop.store.loads("r1")[0]
    shop.store.create_run("dead", "copy", {})
    with duckdb.connect(str(shop.settings.home / "warehouse.duckdb")) as connection:
        connection.execute(
            "INSERT INTO _etl_loads BY NAME "
            "SELECT * REPLACE ('x' AS load_id, 2 AS epoch, 'dead' AS run_id) FROM _etl_loads"
        )
        connection.execute(
            "INSERT INTO _etl_loads BY NAME "
            "SELECT * REPLACE ('y' AS load_id, 3 AS epoch, 'foreign' AS run_id) FROM _etl_loads WHERE epoch = 2"
        )
    grown(shop)
    shop.run(COPY, "r2")
    assert [load.load_id for load in shop.store.loads("dead")] == ["x"]
    assert shop.store.loads("foreign") == ()
    assert shop.store.loads_into(first.target, "orders")[0] == first


def record(load_id, epoch):
    return LoadRecord("r", "s", "t", "x", "append", load_id, 1, epoch, "2026", True)


def marker(load_id, epoch, mode="append"):
    return Marker(load_id, "x", mode, 1, epoch, "", "r", "", "2026")


@pytest.mark.parametrize(
    ("mirrored", "shown", "missing"),
    [
        ([("a", 1), ("b", 2)], [("a", 1), ("b", 2)], []),
        ([("a", 1), ("b", 2)], [("a", 1)], ["b"]),
        ([("a", 1), ("b", 2)], [], ["a", "b"]),
        ([("a", 1), ("a", 3)], [("a", 1)], ["a"]),
        ([("a", 1)], [("a", 3)], []),
        ([("a", 1), ("b", 2)], [("c", 2, "replace")], []),
        ([("a", 1), ("b", 900)], [("b", 900), ("c", 901)], []),
    ],
    ids=["whole", "the last", "all", "done twice", "done again", "replaced", "a list that was cut"],
)
def test_what_counts_as_lost(mirrored, shown, missing):
    """Lost is what was mirrored and is not shown, unless a replace came after it or the list begins after it."""
    found = lost([record(*load) for load in mirrored], [marker(*load) for load in shown])
    assert [load.load_id for load in found] == missing
