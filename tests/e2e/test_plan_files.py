"""Plans written by hand: a wrong one ends in a sentence that says where it is wrong and what is valid."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_etl import Plan, list_runs, plan_pipeline
from agent_etl.cli import app
from agent_etl.engine.errors import PlanError

# ruff: noqa: E501

RIGHT = """
name: totals
extracts:
- {name: sales, source: here, dataset: sales.csv}
transforms:
- {name: kept, sql: SELECT * FROM sales WHERE amount > 0}
- {name: totals, sql: "SELECT region, sum(amount) AS total FROM kept GROUP BY region"}
checks:
- {name: filled, on: totals, kind: not_null, columns: [region]}
loads:
- {name: load, from: totals, target: shop, table: totals, mode: merge, key: [region]}
"""
KEPT, TOTALS = "SELECT * FROM sales WHERE amount > 0", '"SELECT region, sum(amount) AS total FROM kept GROUP BY region"'
LOAD = "{name: load, from: totals, target: shop, table: totals, mode: merge, key: [region]}"
CHECK = "{name: filled, on: totals, kind: not_null, columns: [region]}"

UNREADABLE = {
    "not YAML": (RIGHT, "name: [", ["YAML", "line 1"]),
    "not a mapping": (RIGHT, "- sales", ["mapping", "extracts"]),
    "empty": (RIGHT, "", ["mapping", "nothing", "agent-etl plan"]),
    "nothing to do": (RIGHT, "name: x\nextracts: []\nloads: []\n", ["reads nothing", "extracts"]),
    "rows that go nowhere": (
        RIGHT,
        "name: x\nextracts: [{name: sales, source: here, dataset: sales.csv}]\nloads: []\n",
        ["writes nothing", "loads"],
    ),
    "a key twice": ("name: totals\nextracts", "name: totals\nname: sums\nextracts", ["line 3", "name", "twice"]),
    "no name": ("name: totals\nextracts", "extracts", ["name", "missing", "valid"]),
    "no loads": (f"loads:\n- {LOAD}\n", "", ["loads", "missing", "valid", "transforms"]),
    "a misspelt part": ("transforms:", "transform:", ["transform", "valid", "transforms"]),
    "a misspelt field": ("dataset: sales.csv", "datset: sales.csv", ["sales", "datset", "valid", "dataset"]),
    "a missing field": (", dataset: sales.csv", "", ["sales", "dataset", "missing", "valid"]),
    "a word for a list": ("columns: [region]", "columns: region", ["filled", "columns", "list"]),
    "a list for a word": ("dataset: sales.csv", "dataset: [sales.csv]", ["sales", "dataset", "text"]),
    "a step that is a word": (f"- {CHECK}", "- filled", ["checks"]),
    "an unknown mode": ("mode: merge", "mode: upsert", ["load", "mode", "append", "replace", "merge"]),
    "an unknown kind": ("kind: not_null", "kind: filled", ["filled", "kind", "not_null"]),
    "an unknown format": ("mode: merge", "format: xlsx, mode: merge", ["load", "format", "csv", "parquet"]),
    "a merge without a key": (", key: [region]", "", ["load", "key"]),
    "a name with a space": ("name: kept", "name: my kept", ["my kept", "name"]),
    "two steps of one name": ("name: kept,", "name: sales,", ["sales", "two steps"]),
    "a load of an unknown step": ("from: totals", "from: total", ["load", "total", "valid", "totals"]),
    "a check of an unknown step": ("on: totals", "on: totls", ["filled", "totls", "valid", "totals"]),
    "a password": ("source: here", "source: 'postgresql://u:hunter2@localhost/x'", ["sales", "password", "${NAME}"]),
}

REFUSED = {
    "an unknown source": ("source: here", "source: her", ["sales", "her", "source", "here", "shop"]),
    "an unknown target": ("target: shop", "target: shpo", ["load", "shpo", "target", "shop"]),
    "a missing file": ("dataset: sales.csv", "dataset: sale.csv", ["sales", "sale.csv", "sales.csv"]),
    "a missing file by a path": ("dataset: sales.csv", "dataset: ./data/sales.csv", ["sales", "./data/sales.csv"]),
    "a dataset above the folder": ("source: here, dataset: sales.csv", "source: box, dataset: ../sales.csv", ["sales"]),
    "an unknown column": ("dataset: sales.csv", "dataset: sales.csv, columns: [id, amout]", ["sales", "amout", "amount"]),
    "an unknown column in where": ("dataset: sales.csv", "dataset: sales.csv, where: amout > 1", ["sales", "where", "amount"]),
    "a where that is no condition": ("dataset: sales.csv", "dataset: sales.csv, where: amount + 1", ["sales", "where"]),
    "a where that reads a file": (
        "dataset: sales.csv",
        "dataset: sales.csv, where: \"amount > (SELECT max(amount) FROM 'sales.csv')\"",
        ["sales", "where"],
    ),
    "an unknown option": ("dataset: sales.csv", "dataset: sales.csv, options: {sep: ';'}", ["sales", "sep", "delimiter"]),
    "an expected column that is gone": ("dataset: sales.csv", "dataset: sales.csv, expect: {amt: BIGINT}", ["sales", "amt"]),
    "an unknown column in SQL": ("WHERE amount", "WHERE amout", ["kept", "amout", "amount", "sql"]),
    "an unknown table": ("FROM sales", "FROM sails", ["kept", "sails", "sales"]),
    "an unknown function": ("sum(amount)", "summ(amount)", ["totals", "summ", "sum"]),
    "two statements": (KEPT, '"SELECT * FROM sales; SELECT 1"', ["kept", "one SELECT"]),
    "a DELETE": (KEPT, "DELETE FROM sales", ["kept", "SELECT"]),
    "a CREATE": (KEPT, "CREATE TABLE x AS SELECT * FROM sales", ["kept", "SELECT"]),
    "a COPY": (KEPT, "\"COPY sales TO 'out.csv'\"", ["kept", "SELECT"]),
    "a file read": (KEPT, "\"SELECT * FROM read_csv('sales.csv')\"", ["kept", "read_csv", "extract"]),
    "a file as a table": (KEPT, "\"SELECT * FROM 'sales.csv'\"", ["kept", "sales.csv"]),
    "broken SQL": (KEPT, "SELECT * FORM sales WHERE", ["kept", "sql"]),
    "empty SQL": (KEPT, "''", ["kept", "sql"]),
    "a step that reads itself": ("FROM sales WHERE", "FROM kept WHERE", ["kept", "itself"]),
    "a step that reads a later one": ("FROM sales WHERE", "FROM totals WHERE", ["kept", "totals"]),
    "types that do not compare": ("amount > 0", "region + 1 > 0", ["kept", "cast"]),
    "an unused extract": ("transforms:", "- {name: more, source: here, dataset: sales.csv}\ntransforms:", ["more", "reads"]),
    "two loads of one table": (f"- {LOAD}", f"- {LOAD}\n- {LOAD.replace('name: load', 'name: again')}", ["again", "totals"]),
    "a check of a missing column": ("columns: [region]", "columns: [regon]", ["filled", "regon", "region"]),
    "a check without columns": (", columns: [region]", "", ["filled", "columns"]),
    "a check with broken SQL": ("kind: not_null, columns: [region]", "kind: expression, sql: totl > 1", ["filled", "totl", "total"]),
    "a key that is no column": ("key: [region]", "key: [regon]", ["load", "regon", "region", "key"]),
    "a key that is not unique": ("from: totals, target: shop, table: totals", "from: sales, target: shop, table: other", ["load", "region", "rows"]),
    "a format for a table": ("mode: merge", "format: csv, mode: merge", ["load", "format"]),
    "a folder outside": ("target: shop, table: totals", "target: box, table: ../totals.csv", ["load"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def world(home: Path) -> None:
    Path("box").mkdir()
    Path("sales.csv").write_text("id,region,amount\n1,north,10\n2,south,20\n3,north,30\n")
    Path("agent_etl.toml").write_text(
        '[connections]\nshop = "sqlite:///shop.sqlite"\nbox = "file://' + f'{Path.cwd()}/box/"\n'
    )
    with closing(sqlite3.connect("shop.sqlite")) as shop:
        shop.executescript("CREATE TABLE totals (region TEXT, total INT); INSERT INTO totals VALUES ('west', 7)")
        shop.commit()


def run(before: str, after: str, *options: str) -> tuple[Result, str]:
    """The command over the right plan with one thing changed, and everything that it said."""
    text = after if before == RIGHT else RIGHT.replace(before, after)
    assert text != RIGHT, "the change changes nothing"
    Path("plan.yaml").write_text(text)
    result = CliRunner().invoke(app, ["run", "plan.yaml", *options])
    said = result.stdout + result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit), said
    assert "Traceback" not in said and "no name here" not in said, said
    return result, said


def untouched() -> list[Any]:
    """What the targets hold: the rows of the table that was there, and the names of all."""
    with closing(sqlite3.connect("shop.sqlite")) as shop:
        tables = [row[0] for row in shop.execute("SELECT name FROM sqlite_master ORDER BY 1")]
        return [tables, shop.execute("SELECT * FROM totals").fetchall(), sorted(Path("box").iterdir())]


def test_the_plan_that_is_changed_below_is_right() -> None:
    """The plan itself runs to its end."""
    Path("plan.yaml").write_text(RIGHT)
    result = CliRunner().invoke(app, ["run", "plan.yaml", "--approve", "auto"])
    assert result.exit_code == 0, result.stdout + result.stderr


@pytest.mark.parametrize("wrong", UNREADABLE)
def test_a_plan_that_cannot_be_read_is_a_usage_error(wrong: str) -> None:
    """Exit 2, one message naming the step, the field and what is valid; no run is begun and no target is touched."""
    before, after, words = UNREADABLE[wrong]
    was = untouched()
    result, said = run(before, after)
    assert result.exit_code == 2, said
    assert result.stderr.count("error:") == 1
    missing = [word for word in words if word not in result.stderr]
    assert not missing, said
    assert "hunter2" not in said
    assert untouched() == was
    assert list_runs() == []
    with pytest.raises(PlanError):
        Plan.parse(Path("plan.yaml").read_text())


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_plan_that_does_not_hold_fails_before_anything_is_done(wrong: str) -> None:
    """Exit 5 names step, field and what is valid, the run ends failed, nothing is touched; plan_pipeline agrees."""
    before, after, words = REFUSED[wrong]
    was = untouched()
    result, said = run(before, after)
    assert result.exit_code == 5, said
    told = result.stdout.partition("\nFailed at ")[2]
    missing = [word for word in words if word not in told]
    assert not missing, said
    assert untouched() == was
    assert [each.status for each in list_runs()] == ["failed"]
    found = plan_pipeline(Plan.parse(Path("plan.yaml").read_text())).findings
    assert any(each.severity == "error" and each.step == words[0] for each in found)


def test_a_machine_reads_the_same(home: Path) -> None:
    """With --json the failure has its step, code, field and hint as fields."""
    result, _ = run("key: [region]", "key: [regon]", "--json")
    failure = json.loads(result.stdout)["failure"]
    assert (failure["step"], failure["code"], failure["fields"]["field"]) == ("load", "unknown_column", "key")
    assert "region" in failure["hint"]


def test_a_path_in_a_plan_is_one_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the folder where the command runs, wherever the plan's file is."""
    Path("plans").mkdir()
    text = RIGHT.replace("target: shop, table: totals, mode: merge, key: [region]", "target: here, table: out/t.csv")
    Path("plans/plan.yaml").write_text(text)
    result = CliRunner().invoke(app, ["run", "plans/plan.yaml"])
    assert result.exit_code == 0, result.stdout + result.stderr
    assert hashlib.sha256((tmp_path / "out/t.csv").read_bytes()).hexdigest()
