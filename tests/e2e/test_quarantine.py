"""Rows that cannot be read or fail a check go beside the target, and come back when they are replayed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from harness.poison import KINDS, Poison

from agent_etl import Plan, resume_pipeline, run_pipeline
from agent_etl.engine.errors import PlanError, TargetError, UsageError
from agent_etl.graphs.quarantine import list_letters, replay_letters, show_letters
from agent_etl.graphs.result import Run

pytestmark = pytest.mark.postgres


def laid(poison: Poison, folder: Path, pg_url: str) -> Plan:
    poison.lay(folder, pg_url)
    return Plan.parse((folder / "plan.yaml").read_text())


def run(plan: Plan) -> Run:
    return run_pipeline(plan, home="home", approve="auto")


def fixed() -> Plan:
    return Plan.parse(Path("fixed.yaml").read_text())


def states(letters: list[dict[str, Any]]) -> Counter[str]:
    return Counter(letter["state"] for letter in letters)


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_loaded_or_set_aside(tmp_path: Path, pg_url: str, kind: str) -> None:
    """Each poisoned row lies beside the target once, with check, line and raw text; all others are in the target."""
    poison = Poison(kind, 0.05)
    done = run(laid(poison, tmp_path, pg_url))
    assert done.status == "succeeded", done.report()
    rows, letters = poison.found(tmp_path, pg_url)
    assert len(rows) == poison.good()
    assert len(letters) == len(poison.bad()) == 50
    by = Counter(letter["check_name"] or letter["reason"].partition(" in ")[0] for letter in letters)
    assert by == {
        "missing columns": 10, "too many columns": 10, "does not fit the type": 10, "positive": 10, "once": 10,
    }  # fmt: skip
    lines = (tmp_path / "orders.csv").read_text().split("\n")
    for letter in letters:
        raw = json.loads(letter["raw"])
        assert (letter["run_id"], letter["state"], letter["cut_bytes"]) == (done.run_id, "open", None)
        if letter["check_name"] is None:
            there = lines[letter["line"] - 1]
            assert raw == there if isinstance(raw, str) else there.startswith(raw["id"] + ",")
        else:
            assert set(raw) == {"id", "name", "cents"}
    aside = done.quarantined()
    assert sorted(aside["raw"].to_pylist()) == sorted(letter["raw"] for letter in letters)
    told = done.report()
    assert "30 quarantined" in told
    assert "kept: 10 rows, check positive, cents: expected cents from 0.0 to ∞" in told
    assert f"agent-etl quarantine show {poison.named}" in told
    assert "check once" in done._repr_html_()


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_poisoned_rows_leave_the_target_untouched(tmp_path: Path, pg_url: str, kind: str) -> None:
    """Above the threshold the run fails with counts and reasons, no value and no target; raising it resumes."""
    poison = Poison(kind, 0.2, threshold=0.05)
    plan = laid(poison, tmp_path, pg_url)
    failed = run(plan)
    assert failed.status == "failed"
    assert failed.failure is not None and failed.failure.code == "check_failed"
    assert failed.failure.fields["failing"] == 120
    assert failed.failure.fields["rows"] == 1000
    assert len(failed.failure.fields["reasons"]) == 3
    assert "Zoë" not in failed.report() and "n/a" not in failed.report()
    assert poison.found(tmp_path, pg_url) == ([], [])
    assert failed.quarantined().num_rows >= 120
    raised = Plan.parse(plan.to_yaml().replace("0.05", "0.5"))
    done = resume_pipeline(failed.run_id, decision=raised, home="home")
    if done.status == "waiting":
        done = resume_pipeline(failed.run_id, decision="approve", home="home")
    assert done.status == "succeeded", done.report()
    rows, letters = poison.found(tmp_path, pg_url)
    assert (len(rows), len(letters)) == (800, 200)


def test_the_default_tolerates_a_few_in_a_thousand(tmp_path: Path, pg_url: str) -> None:
    """Without a word in the plan, 0.1 % of poisoned rows are set aside and 20 % stop the run."""
    for share, status in ((0.001, "succeeded"), (0.2, "failed")):
        folder = tmp_path / status
        poison = Poison("duckdb", share, rows=2_000)
        plan = laid(poison, folder, pg_url).model_dump(mode="json", by_alias=True, exclude_defaults=True)
        plan["extracts"][0]["options"].pop("max_rejects")
        for check in plan["checks"]:
            check.pop("threshold")
        plan["extracts"][0]["dataset"] = str(folder / "orders.csv")
        plan["loads"][0]["table"] = f"orders_{status}"
        connections = {"wh": f"duckdb:///{folder}/wh.duckdb"}
        done = run_pipeline(Plan.model_validate(plan), home="home", approve="auto", connections=connections)
        assert done.status == status, done.report()


@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_loads_what_passes_now_and_does_nothing_twice(tmp_path: Path, pg_url: str, kind: str) -> None:
    """After the plan was fixed the rows are loaded once and their letters closed; the rest stays open with reasons."""
    poison = Poison(kind, 0.05)
    run(laid(poison, tmp_path, pg_url))
    before = poison.found(tmp_path, pg_url)
    unchanged = replay_letters(poison.named, home="home")
    assert sum(each.replayed for each in unchanged) == 0
    assert len(poison.found(tmp_path, pg_url)[0]) == len(before[0])
    done = replay_letters(poison.named, plan=fixed(), home="home")
    assert (sum(each.replayed for each in done), sum(each.open for each in done)) == (30, 20)
    rows, letters = poison.found(tmp_path, pg_url)
    assert len(rows) == poison.good() + 30
    assert states(letters) == {"open": 20, "replayed": 30}
    assert {letter["reason"] for letter in letters if letter["state"] == "open"} == {
        "2 cells, the header has 3",
        "4 cells, the header has 3",
    }
    again = replay_letters(poison.named, plan=fixed(), home="home")
    assert sum(each.replayed for each in again) == 0
    assert poison.found(tmp_path, pg_url) == (rows, letters)
    counts = list_letters(poison.named, home="home")
    assert sum(count.rows for count in counts if count.state == "open") == 20
    assert show_letters(poison.named, limit=5, reason="4 cells", home="home").num_rows == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_merge_keeps_its_letters_through_reruns(tmp_path: Path, pg_url: str, kind: str) -> None:
    """The same plan over the same file writes nothing again; after a replay its letters stay closed."""
    poison = Poison(kind, 0.05, mode="merge")
    plan = laid(poison, tmp_path, pg_url)
    run(plan)
    first = poison.found(tmp_path, pg_url)
    assert run(plan).loads[0].already
    assert poison.found(tmp_path, pg_url) == first
    started = first[1][0]["run_id"]
    edited = Plan.parse(Path("fixed.yaml").read_text().replace("  - name\n", "  - id\n"))
    replay_letters(started, plan=edited, home="home")
    assert states(poison.found(tmp_path, pg_url)[1])["replayed"] == 20
    assert run(plan).status == "succeeded"
    rows, letters = poison.found(tmp_path, pg_url)
    assert states(letters)["replayed"] == 20
    assert len(rows) == poison.good() + 20


def test_a_load_that_replaces_closes_older_letters(tmp_path: Path, pg_url: str) -> None:
    """A later replace has read the whole source again: what an earlier one set aside is not open any more."""
    for kind in ("sqlite", "parquet"):
        poison = Poison(kind, 0.05, mode="replace")
        plan = laid(poison, tmp_path, pg_url)
        run(plan)
        lines = (tmp_path / "orders.csv").read_text().replace("n/a", "7")
        (tmp_path / "orders.csv").write_text(lines)
        run(plan)
        rows, letters = poison.found(tmp_path, pg_url)
        assert len(rows) == poison.good() + 10
        assert states(letters) == {"replaced": 50, "open": 40}


def test_rows_that_a_step_cannot_take_alone_are_refused(tmp_path: Path, pg_url: str) -> None:
    """Rows in front of a sum are not replayed by themselves: the total of a part would stand for the whole."""
    poison = Poison("duckdb", 0.05)
    plan = laid(poison, tmp_path, pg_url).to_yaml()
    total = "SELECT id % 7 AS id, any_value(name) AS name, sum(cents) AS cents FROM read GROUP BY ALL"
    plan = plan.replace("SELECT id, upper(name) AS name, cents AS cents FROM read", total)
    done = run(Plan.parse(plan))
    assert done.status == "succeeded", done.report()
    with pytest.raises(PlanError) as error:
        replay_letters(done.run_id, home="home")
    assert (error.value.fields["step"], error.value.fields["problem"]) == ("kept", "it groups rows")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_raw_values_are_kept_as_they_were(tmp_path: Path, pg_url: str, kind: str) -> None:
    """NUL, quotes, emoji and control characters survive as JSON text; a raw text above 1 MiB is cut and says so."""
    poison = Poison(kind)
    poison.lay(tmp_path, pg_url)
    odd = "nul\x00 quote'' \\ ✓🙂\u2028\u202e <b>"
    huge = "é" * 700_000
    lines = ["id,name,cents", "1,fine,1", f'2,"{odd}",bad', f'3,"{huge}",bad', '4,"a\nb",bad']
    (tmp_path / "orders.csv").write_bytes(("\n".join(lines) + "\n").encode())
    plan = Plan.parse((tmp_path / "plan.yaml").read_text().replace("max_rejects: 0.5", "max_rejects: 3"))
    done = run(plan)
    assert done.status == "succeeded", done.report()
    rows, letters = poison.found(tmp_path, pg_url)
    assert len(rows) == 1
    kept = {letter["number"]: letter for letter in letters}
    assert json.loads(kept[1]["raw"]) == {"id": "2", "name": odd, "cents": "bad"}
    assert len(kept[2]["raw"].encode()) <= 1_048_576 < kept[2]["cut_bytes"]
    assert json.loads(kept[3]["raw"])["name"] == "a\nb"
    assert "bad" not in done.report()
    if kind == "postgres":
        with pytest.raises(TargetError, match="NUL"):
            replay_letters(poison.named, plan=fixed(), home="home")
        assert poison.found(tmp_path, pg_url) == (rows, letters)
        return
    replayed = replay_letters(poison.named, plan=fixed(), home="home")
    assert (sum(each.replayed for each in replayed), sum(each.open for each in replayed)) == (2, 1)


def test_a_place_or_a_plan_that_is_not_there_is_named(tmp_path: Path, pg_url: str) -> None:
    """A table without dead letters, and a plan that does not load the table, are told with what is valid."""
    poison = Poison("duckdb", 0.05)
    plan = laid(poison, tmp_path, pg_url)
    run(plan)
    assert list_letters("wh:other", home="home") == ()
    with pytest.raises(UsageError, match="no such table"):
        replay_letters(poison.named, plan=Plan.parse(plan.to_yaml().replace("orders_out", "elsewhere")), home="home")
    with pytest.raises(UsageError):
        replay_letters("no-such-run", home="home")
