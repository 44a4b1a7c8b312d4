"""Verbs that look at targets, measure and run."""

from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from harness.measuring import MeasuringProber, described

from agent_etl.connectors.registry import open_connections
from agent_etl.engine.errors import SettingsError
from agent_etl.engine.settings import load_settings
from agent_etl.engine.tasks import Task, TaskResult
from agent_etl.tools.base import Call, Effect
from agent_etl.tools.measure import RecordedProber, capabilities, existing, fits, target_duplicates
from agent_etl.tools.run import run_task
from agent_etl.tools.sql import dry_run_sql


class Kept:
    """A recorder that keeps calls in a list."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def called(self, call: Call) -> None:
        self.calls.append(call)


def test_targets_are_looked_at(tmp_path: Path) -> None:
    """A target's table, its repeated keys and its abilities are read without changing anything."""
    with closing(duckdb.connect("mart.duckdb")) as mart:
        mart.execute("CREATE TABLE t (id BIGINT); INSERT INTO t VALUES (1), (1), (2)")
    settings = load_settings(home=tmp_path / "home", connections={"mart": "duckdb:///mart.duckdb"})
    with closing(open_connections(settings)) as registry:
        table = existing(registry, "mart", "t")
        assert table is not None
        assert table.rows == 3
        assert existing(registry, "mart", "other") is None
        assert target_duplicates(registry, "mart", "t", ("id",)) == 1
        assert "merge" in capabilities(registry, "mart").modes
        with pytest.raises(SettingsError):
            capabilities(registry, "matr")


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ("BIGINT", "DOUBLE", True),
        ("DOUBLE", "INTEGER", True),
        ("DATE", "TIMESTAMP", True),
        ("DATE", "VARCHAR", True),
        ("VARCHAR", "BIGINT", False),
        ("VARCHAR", "DATE", False),
        ("BOOLEAN", "DATE", False),
    ],
)
def test_types_fit_by_themselves_or_by_a_check_of_each_value(given: str, wanted: str, expected: bool) -> None:
    """Types between which values can go unchanged fit; text does not become a number or a date."""
    assert fits(given, wanted) is expected


def test_measurements_are_recorded() -> None:
    """Each measurement of a source is one recorded read."""
    kept = Kept()
    with closing(duckdb.connect()) as connection:
        connection.execute("CREATE TABLE a (k BIGINT); INSERT INTO a VALUES (1), (1)")
        prober = MeasuringProber(connection)
        table = described(prober, "a")
        recorded = RecordedProber(prober, kept)
        assert recorded.keys(table, ("k",)).distinct == 1
        assert recorded.overlap(table, ("k",), table, ("k",)).left_unmatched == 0
    assert [(call.verb, call.effect) for call in kept.calls] == [
        ("measure_keys", Effect.READ),
        ("measure_overlap", Effect.READ),
    ]
    assert kept.calls[0].arguments["columns"] == "k"


def test_verbs_say_what_they_do_to_the_outside() -> None:
    """Running a task writes, judging SQL touches nothing."""
    assert run_task.effect is Effect.WRITE
    assert dry_run_sql.effect is Effect.DRY


def test_a_task_is_run_by_its_executor() -> None:
    """The verb gives the executor's result and records the task's name."""
    kept = Kept()

    class Runner:
        def run(self, task: Task) -> TaskResult:
            return TaskResult(task.name, task.kind, "f", rows_out=3)

    assert run_task.by(kept)(Runner(), Task("load", "out")).rows_out == 3
    assert kept.calls[0].arguments["task"] == "out"
