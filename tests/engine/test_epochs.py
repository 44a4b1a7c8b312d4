"""A run that was overtaken writes nothing; a run that was only interrupted goes on."""

import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from harness.shop import Shop
from harness.targets import rows_of

from agent_etl.engine import faults
from agent_etl.engine.errors import ReadError, StaleRun

PLAN = """
name: totals
extracts: [{{name: orders, source: shop, dataset: orders}}]
transforms: [{{name: totals, sql: "SELECT customer, sum(amount) AS total FROM orders GROUP BY customer"}}]
loads: [{{name: keep, from: totals, target: wh, table: {table}, mode: {mode}{more}}}]
"""
OLD = [("c0", 180), ("c1", 120), ("c2", 150)]
NEW = [("c0", 1180), ("c1", 120), ("c2", 150)]
KINDS = ("duckdb", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres), "parquet")


class Overtaking:
    """A shop whose totals go into one table of one target; runs of it can be taken task by task."""

    def __init__(self, folder, kind, mode, pg_url):
        urls = {
            "duckdb": f"duckdb:///{folder}/wh.duckdb",
            "sqlite": f"sqlite:///{folder}/wh.sqlite",
            "postgres": pg_url,
            "parquet": f"file://{folder}/out/",
        }
        self.shop = Shop(folder, {"wh": urls[kind]})
        self._target = {
            "duckdb": "wh.duckdb:totals",
            "sqlite": "wh.sqlite:totals",
            "postgres": "pg:totals",
            "parquet": "out/totals.parquet",
        }[kind]
        self._folder, self._pg_url = folder, pg_url
        table = "totals.parquet" if kind == "parquet" else "totals"
        self.plan = PLAN.format(table=table, mode=mode, more=", key: [customer]" if mode == "merge" else "")

    def more_orders(self):
        """Another order of c0: a run that begins now loads NEW instead of OLD."""
        self.shop.sql("INSERT INTO orders VALUES (10, 'c0', 1000)")

    def rows(self):
        """What the target holds, sorted."""
        names, rows = rows_of(self._target, self._folder, self.shop.settings.home, self._pg_url)
        assert names == ["customer", "total"]
        return sorted((customer, int(total)) for customer, total in rows)


@pytest.fixture
def overtaking(tmp_path, request):
    kind, mode = request.param
    pg_url = request.getfixturevalue("pg_url") if kind == "postgres" else None
    made = Overtaking(tmp_path, kind, mode, pg_url)
    yield made
    made.shop.store.close()


def over(*modes):
    """One test for each target and mode."""
    cases = [
        pytest.param((kind.values[0], mode), marks=kind.marks, id=f"{kind.values[0]}-{mode}")
        for kind in (kind if hasattr(kind, "values") else pytest.param(kind) for kind in KINDS)
        for mode in modes
    ]
    return pytest.mark.parametrize("overtaking", cases, indirect=True)


@over("replace", "merge")
def test_a_load_that_another_run_overtook_is_refused(overtaking):
    """Rows read before another run read and loaded newer ones do not go over them."""
    shop, plan = overtaking.shop, overtaking.plan
    with shop.executor(plan, "first") as first:
        *before, load = first.tasks()
        for task in before:
            first.run(task)
        overtaking.more_orders()
        shop.run(plan, "second")
        with pytest.raises(StaleRun) as caught:
            first.run(load)
    assert (caught.value.fields["epoch"], caught.value.fields["newest"], caught.value.fields["run"]) == (0, 1, "second")
    assert overtaking.rows() == NEW
    assert shop.store.loads("first") == ()


@over("replace", "merge")
def test_a_run_that_is_resumed_after_another_has_loaded_is_refused(overtaking):
    """What a run knew of its target outlives its process; a new run goes through."""
    shop, plan = overtaking.shop, overtaking.plan
    shop.run(plan, "crashed", only=2)
    overtaking.more_orders()
    shop.run(plan, "second")
    with pytest.raises(StaleRun):
        shop.run(plan, "crashed")
    assert overtaking.rows() == NEW
    shop.run(plan, "third")
    assert overtaking.rows() == NEW


@over("append")
def test_appends_do_not_refuse_each_other(overtaking):
    """Rows of two runs that append to one table at the same time both arrive, once each."""
    shop, plan = overtaking.shop, overtaking.plan
    shop.run(plan, "first", only=2)
    overtaking.more_orders()
    shop.run(plan, "second")
    shop.run(plan, "first")
    assert overtaking.rows() == sorted(OLD + NEW)


@over("replace", "merge")
def test_a_run_that_nobody_overtook_is_resumed(overtaking, monkeypatch):
    """A commit that was not written down, and a load that failed, are no foreign work."""
    shop, plan = overtaking.shop, overtaking.plan
    for fault in ("load.before_commit", "load.after_commit"):
        shop.run(plan, f"before {fault}")
        shop.sql("DELETE FROM orders WHERE id = 10")
        overtaking.more_orders()
        monkeypatch.setattr(faults, "_hits", Counter())
        monkeypatch.setenv("AGENT_ETL_FAULT", f"{fault}:1:raise")
        shop.run(plan, fault)
        retried = [row.detail["code"] for row in shop.store.audit_rows(fault) if row.action == "retry"]
        assert retried == ["injected_fault"]
        assert overtaking.rows() == NEW


@over("replace")
def test_a_repaired_plan_loads_over_what_its_own_run_has_loaded(overtaking):
    """The newest load being the run's own, another plan of that run builds upon it."""
    shop = overtaking.shop
    shop.run(overtaking.plan, "job")
    repaired = overtaking.plan.replace("sum(amount)", "sum(amount) + 1")
    shop.run(repaired, "job")
    assert overtaking.rows() == [(customer, total + 1) for customer, total in OLD]


@pytest.mark.parametrize("overtaking", [("sqlite", "replace")], indirect=True)
def test_a_dropped_table_is_loaded_again(overtaking):
    """The epochs of a table that is gone stay known, so a new run makes it again."""
    shop, plan = overtaking.shop, overtaking.plan
    shop.run(plan, "first")
    with closing(sqlite3.connect(shop.folder / "wh.sqlite")) as connection:
        connection.execute("DROP TABLE totals")
    shop.run(plan, "second")
    assert overtaking.rows() == OLD


@pytest.mark.parametrize("overtaking", [("sqlite", "replace")], indirect=True)
def test_a_target_that_does_not_answer_stops_its_own_load_alone(overtaking):
    """Reading goes on while a target is broken; the load is what fails, and once it answers the load goes through."""
    shop, plan = overtaking.shop, overtaking.plan
    broken = shop.folder / "wh.sqlite"
    broken.write_bytes(b"no database" * 100)
    shop.run(plan, only=2)
    with pytest.raises(ReadError):
        shop.run(plan)
    broken.unlink()
    shop.run(plan)
    assert overtaking.rows() == OLD
