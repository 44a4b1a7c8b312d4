"""The two goals that the product is accepted by: from Python and the command line, into DuckDB and PostgreSQL.

Over the real data beside the repository, which a bare checkout lacks (those tests skip, and say so), and over made
tables of the same names and columns, which are always there.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from e2e.acceptance import CATALOGUE, GOALS, STATUSES, Goal, by_hand, make_media, make_shop

from agent_etl import Plan, run_pipeline

# Every door into every system over the real data; over the made one each door and each system once.
WAYS = [
    *(("real", door, system) for door in ("python", "command") for system in ("duckdb", "postgres")),
    ("made", "python", "duckdb"),
    ("made", "command", "postgres"),
]
# The fan-out trap by hand: a join that repeats an order for each of its payments, and then counts orders.
TRAP = """
name: trap
extracts:
- {name: raw_orders, source: here, dataset: raw_orders.csv}
- {name: raw_payments, source: here, dataset: raw_payments.csv}
transforms:
- name: summary
  sql: >-
    SELECT o.status, COUNTED AS number_of_orders, sum(p.amount) / 100 AS total_amount_paid_in_dollars
    FROM raw_orders o LEFT JOIN raw_payments p ON p.order_id = o.id GROUP BY o.status
loads: [{name: load, from: summary, target: warehouse, table: order_status_summary, mode: replace}]
"""
Run = Callable[[str | Plan, Path], dict[str, Any]]


@pytest.fixture
def folder_of(way: tuple[str, str, str], request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Goal], Path]:
    """The folder that holds a goal's raw files; the real ones are read in place."""

    def find(goal: Goal) -> Path:
        if way[0] == "real":
            return Path(request.getfixturevalue("shared_data")) / goal.folder
        (tmp_path / "data").mkdir()
        (make_shop if goal is STATUSES else make_media)(tmp_path / "data")
        return tmp_path / "data"

    return find


@pytest.fixture
def target(way: tuple[str, str, str], request: pytest.FixtureRequest) -> str | None:
    """The URL of the PostgreSQL database that is the warehouse; None when it is the home's own DuckDB file."""
    return str(request.getfixturevalue("pg_url")) if way[2] == "postgres" else None


@pytest.fixture
def run(way: tuple[str, str, str], target: str | None, home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a goal or a plan in a folder through the door, and gives the run's record, which each door has."""
    connections = {"warehouse": target} if target else {}

    def in_python(what: str | Plan, folder: Path) -> dict[str, Any]:
        monkeypatch.chdir(folder)
        return run_pipeline(what, connections=connections).to_dict()

    def by_command(what: str | Plan, folder: Path) -> dict[str, Any]:
        if isinstance(what, Plan):
            plan = home.parent / "plan.yaml"
            plan.write_text(what.to_yaml())
            what = str(plan)
        options = [part for name, url in connections.items() for part in ("--connection", f"{name}={url}")]
        command = [sys.executable, "-m", "agent_etl", "run", what, "--json", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
        record: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == {"succeeded": 0, "failed": 5}[record["status"]], done.stderr
        return record

    return in_python if way[1] == "python" else by_command


def loaded(home: Path, url: str | None, table: str) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    """The columns with their types, and the rows in the order in which they were stored."""
    if url is None:
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
            types = {name: kind for name, kind, *_ in warehouse.execute(f"DESCRIBE {table}").fetchall()}
            return types, warehouse.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
    with psycopg.connect(url) as connection:
        types = dict(
            connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                (table,),
            ).fetchall()
        )
        return types, connection.execute(f"SELECT * FROM {table} ORDER BY ctid".encode()).fetchall()


def tables(home: Path, url: str | None) -> list[str]:
    """The names of all tables of the warehouse."""
    if url is None:
        assert not (home / "warehouse.duckdb").exists()
        return []
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT relname FROM pg_stat_user_tables")]


@pytest.mark.postgres
@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.table)
def test_the_goal_gives_what_hand_written_sql_gives(
    goal: Goal, run: Run, folder_of: Callable[[Goal], Path], home: Path, target: str | None
) -> None:
    """All rows and values are those of SQL by hand, in the order that the words ask for, in types that fit them."""
    folder = folder_of(goal)
    record = run(goal.words, folder)
    assert record["status"] == "succeeded", record
    expected = by_hand(goal, folder)
    types, rows = loaded(home, target, goal.table)
    assert types == {name: kinds[target is not None] for name, kinds in goal.columns.items()}
    assert sorted(rows) == sorted(expected)
    if goal.descending:
        place = list(goal.columns).index(goal.descending)
        assert [row[place] for row in rows] == [row[place] for row in expected]
    assert [load["rows"] for load in record["loads"]] == [len(expected)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("way", "counted"),
    [
        (("real", "python", "postgres"), "count(o.id)"),
        (("real", "command", "duckdb"), "count(*)"),
        (("made", "python", "duckdb"), "count(*)"),
        (("made", "command", "postgres"), "count(o.id)"),
    ],
    ids=lambda part: part if isinstance(part, str) else "-".join(part),
)
def test_a_plan_that_falls_into_the_trap_is_stopped(
    counted: str, run: Run, folder_of: Callable[[Goal], Path], home: Path, target: str | None
) -> None:
    """A plan by hand that counts an order once for each payment fails with a finding, and the target is not touched."""
    record = run(Plan.parse(TRAP.replace("COUNTED", counted)), folder_of(STATUSES))
    assert record["status"] == "failed"
    assert (record["failure"]["code"], record["failure"]["step"]) == ("fan_out", "summary")
    assert counted in record["failure"]["message"]
    assert "counts each row of raw_orders once for every matching row of raw_payments" in record["failure"]["message"]
    assert tables(home, target) == []


def test_the_made_tables_tempt(tmp_path: Path) -> None:
    """Over the made tables the wrong plans give other rows than the right one: the tests above can fail."""
    make_shop(tmp_path)
    make_media(tmp_path)
    statuses, catalogue = by_hand(STATUSES, tmp_path), by_hand(CATALOGUE, tmp_path)
    with duckdb.connect() as connection:
        joined = f"'{tmp_path}/raw_orders.csv' o LEFT JOIN '{tmp_path}/raw_payments.csv' p ON p.order_id = o.id"
        trapped = connection.execute(f"SELECT status, count(*), sum(amount) / 100 FROM {joined} GROUP BY 1").fetchall()
        unpaid = connection.execute(f"SELECT DISTINCT status FROM {joined} WHERE p.id IS NOT NULL").fetchall()
    assert {row[:2] for row in trapped} != {row[:2] for row in statuses}
    assert len(unpaid) < len(statuses)
    names = [row[0] for row in catalogue]
    assert len(names) == len(set(names)) + 1
    assert min(row[1] for row in catalogue) == 10
