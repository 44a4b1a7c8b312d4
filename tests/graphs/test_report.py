"""Runs told to people."""

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent_etl.agents.planner import PlanDraft
from agent_etl.engine.errors import UsageError
from agent_etl.engine.goal import Clause, Finding, Option, Question, Refusal
from agent_etl.engine.plan import Check, Extract, Load, Plan, Transform
from agent_etl.engine.tasks import StepFailure, TaskResult
from agent_etl.graphs.html import dag
from agent_etl.graphs.lineage import edges, lineage
from agent_etl.graphs.report import describe
from agent_etl.graphs.result import Run

GOAL = "Load o.csv, email it and keep the best"
EVIL = "<script>alert('x')</script>"
PLAN = Plan(
    name="p",
    goal=GOAL,
    extracts=(Extract(name="o", source="here", dataset=EVIL), Extract(name="c", source="crm", dataset="customers")),
    transforms=(Transform(name="s", sql="WITH o AS (SELECT * FROM c) SELECT o.id FROM o JOIN main.x USING (id)"),),
    checks=(Check(name="k", on="s", kind="not_null", columns=("id",)),),
    loads=(Load(name="l", from_="s", target="warehouse", table="t"), Load(name="m", from_="o", target="w", table="u")),
)
START = datetime(2024, 1, 1, tzinfo=UTC)
RESULTS = (
    TaskResult("o", "extract", "f1", rows_in=10, rows_out=7, filtered=2, quarantined=1, seconds=75),
    TaskResult("k", "check", "f2", seconds=0.5),
    TaskResult("l", "load", "f3", rows_in=7, rows_out=1234567, seconds=0.25),
)
DRAFT = PlanDraft(
    GOAL,
    PLAN,
    (Clause(0, 10, ("o",)), Clause(12, 20)),
    refusals=(Refusal("email it", (12, 20), "a pipeline sends no mail"),),
    echo=("reads o.csv",),
)
QUESTION = Question("best", "Best by what?", "the best", (30, 38), (Option("amount", "the amount"),))


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


def run(status: str = "succeeded", **fields: object) -> Run:
    known: dict[str, object] = {"goal": GOAL, "plan": PLAN, "plan_hash": PLAN.hash, "draft": DRAFT, "tasks": RESULTS}
    return Run("r1", status, started=START, ended=START + timedelta(seconds=2), **{**known, **fields})  # type: ignore[arg-type]


def test_explain_shows_what_each_span_became() -> None:
    """Every clause is quoted with its steps, its refusal or its question."""
    told = run("waiting", refusals=DRAFT.refusals, questions=(QUESTION,), waits_for="answers").explain()
    assert '"Load o.csv"\n      became o' in told
    assert '"email it"\n      refused: a pipeline sends no mail' in told
    assert '"the best"\n      asked: Best by what?' in told


def test_report_counts_rows_and_time() -> None:
    """Each step stands with its rows, what was set aside and its time; loads with their marker."""
    told = run().report()
    assert "succeeded in 2.00 s" in told
    assert "7 rows, 2 filtered, 1 quarantined, 1 min 15 s" in told
    assert "warehouse.t: 1,234,567 rows, append (marker f3)" in told
    assert "not run" in told


def test_a_load_says_what_it_deletes() -> None:
    """What a merge deletes by, what a history takes its times from, and what became of the table's rows stand there."""
    common = {"from": "s", "target": "w", "key": ["id"]}
    merged = Load.model_validate(
        {"name": "l", "table": "t", "mode": "merge", "delete_by": "x", "delete_missing": True, **common}
    )
    kept = Load.model_validate({"name": "m", "table": "u", "mode": "scd2", "effective": "day", **common})
    assert describe(merged) == "merge t in w with s by id, deleting by x, deleting what is missing"
    assert describe(kept) == "scd2 u in w with s by id, valid from day"
    detail = {"target": "w", "table": "t", "mode": "merge", "inserted": 1, "updated": 0, "deleted": 1200}
    done = TaskResult("l", "load", "f3", rows_out=3, detail=detail)
    told = run(plan=PLAN.model_copy(update={"loads": (merged, kept)}), tasks=(done,)).report()
    assert "w.t: 3 rows, merge (1 inserted, 0 updated, 1,200 deleted) (marker f3)" in told


def test_report_of_a_waiting_run_says_how_to_answer() -> None:
    """Questions stand with their options and the command that answers; an approval with its own."""
    asked = run("waiting", waits_for="answers", questions=(QUESTION,)).report()
    assert "agent-etl resume r1 --answer best=VALUE" in asked
    assert "amount: the amount" in asked
    assert "agent-etl resume r1 --approve" in run("waiting", waits_for="approval").report()


def test_report_of_a_failed_run_says_where_why_and_what_next() -> None:
    """A failure stands with its step, code, fields and hint."""
    failure = StepFailure("o", "extract", "not_found", "A file is not there", "look again", fields={"dataset": "o.csv"})
    told = run("failed", failure=failure).report()
    assert "Failed at o: A file is not there (not_found)\n  dataset: o.csv\n  next: look again" in told
    assert "Try again: agent-etl resume r1\n" in told
    assert "agent-etl resume r1 --plan plan.yaml" in told


def test_report_names_the_home_that_is_not_found_by_itself(home: Path, tmp_path: Path) -> None:
    """The command that continues a run works where it is read: it names another home and what must be given again."""
    assert "agent-etl resume r1\n" in run("interrupted", home=home).report()
    told = run("waiting", waits_for="approval", home=tmp_path / "other", secret=("crm",)).report()
    assert f"agent-etl resume r1 --approve --connection crm=URL --home {tmp_path / 'other'}\n" in told
    assert f"agent-etl show r1 --plan --home {tmp_path / 'other'} > plan.yaml" in told


def test_report_of_a_refused_goal_says_what_to_do() -> None:
    """What cannot be grounded can be said otherwise; a plan that a person rejected needs no advice."""
    assert "Next: say it otherwise" in run("refused", refusals=DRAFT.refusals).report()
    assert "Next:" not in run("refused", refusals=(Refusal("", (0, 0), "the plan was rejected"),)).report()


def test_report_keeps_its_columns_under_long_names() -> None:
    """The steps of a plan stand in columns, however long a step's name is."""
    long = "a_very_long_name_of_a_step_that_says_a_lot"
    plan = Plan(
        name="p",
        extracts=(
            Extract(name=long, source="here", dataset="o.csv"),
            Extract(name="c", source="here", dataset="c.csv"),
        ),
        loads=(Load(name="l", from_=long, target="w", table="t"),),
    )
    lines = [line for line in run(plan=plan, tasks=(), draft=None).report().splitlines() if "not run" in line]
    assert len({line.index("not run") for line in lines}) == 1


def test_html_escapes_every_value() -> None:
    """A hostile name, message, question or goal never becomes markup; nothing is fetched and nothing runs."""
    hostile = run(
        "failed",
        goal=EVIL,
        findings=(Finding("risk", EVIL, EVIL, EVIL),),
        questions=(Question(EVIL, EVIL, EVIL, (0, 1), (Option(EVIL, EVIL),)),),
        refusals=(Refusal(EVIL, (0, 1), EVIL),),
        repairs=(EVIL,),
        failure=StepFailure(EVIL, "x", EVIL, EVIL, EVIL),
    )
    page = hostile._repr_html_()
    assert "script" not in Tags(page).tags
    assert EVIL not in page
    assert "src=" not in page
    assert "svg" in Tags(page).tags


def test_the_plan_is_drawn_as_a_graph() -> None:
    """Each step is a box and each reading a line, in well-formed SVG."""
    drawn = ElementTree.fromstring(dag(PLAN, RESULTS))
    names = {title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")}
    assert names == {"o", "c", "s", "k", "l", "m"}
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}path"))) == sum(map(len, edges(PLAN).values()))


def test_a_plan_too_large_to_draw_is_told() -> None:
    """Hundreds of steps are counted instead of drawn."""
    many = tuple(Extract(name=f"e{number}", source="here", dataset="o.csv") for number in range(300))
    load = Load(name="l", from_="e1", target="w", table="t")
    assert "301 steps" in dag(Plan(name="p", extracts=many, loads=(load,)))


def test_lineage_names_sources_and_steps() -> None:
    """Each target's sources are those that its rows really come from."""
    first, second = lineage(PLAN)
    assert (first.table, first.sources, first.steps) == ("t", ("here." + EVIL, "crm.customers"), ("s",))
    assert (second.table, second.sources, second.steps) == ("u", ("here." + EVIL,), ())


def test_to_dict_is_json() -> None:
    """Machines get everything, in types that JSON has."""
    import json

    record = json.loads(json.dumps(run(findings=(Finding("note", "c", "s", "m", evidence=(("n", "1"),)),)).to_dict()))
    assert record["plan"]["loads"][0]["from"] == "s"
    assert record["loads"][0]["marker"] == "f3"
    assert record["findings"][0]["evidence"] == {"n": "1"}


def test_a_dataset_that_is_not_there_names_what_is() -> None:
    """An unknown step is refused with the plan's steps."""
    with pytest.raises(UsageError) as raised:
        run(read_dataset=lambda step: step).dataset("nothing")
    assert raised.value.fields["valid"] == ["c", "k", "l", "m", "o", "s"]


def test_no_line_runs_through_a_box() -> None:
    """A line to a step further right passes where no box stands, so the drawing shows no reading that is not there."""
    plan = Plan(
        name="p",
        extracts=tuple(Extract(name=name, source="here", dataset=name) for name in ("orders", "payments")),
        transforms=(
            Transform(name="per_order", sql="SELECT order_id FROM payments"),
            Transform(name="summary", sql="SELECT * FROM orders JOIN per_order USING (order_id)"),
        ),
        loads=(Load(name="load", from_="summary", target="w", table="t"),),
    )
    boxes = {
        title.text: float(box.attrib["y"])
        for group in ElementTree.fromstring(dag(plan)).iter("{http://www.w3.org/2000/svg}g")
        for title, box in [(group[0], group[1])]
    }
    assert boxes["per_order"] == boxes["payments"] != boxes["orders"]


def test_html_of_a_waiting_run_says_which_call_continues_it(home: Path, tmp_path: Path) -> None:
    """In a notebook the next thing to do is a call: with its answers, its decision, its home, its lost passwords."""
    asked = run("waiting", waits_for="answers", questions=(QUESTION,), home=home)._repr_html_()
    assert "resume_pipeline(&#x27;r1&#x27;, answers={&#x27;best&#x27;: …})" in asked
    waiting = run("waiting", waits_for="approval", home=tmp_path / "other", secret=("crm",))._repr_html_()
    for part in (
        "decision=&quot;approve&quot;",
        "connections={&#x27;crm&#x27;: …}",
        f"home=&#x27;{tmp_path / 'other'}",
    ):
        assert part in waiting
    assert "resume_pipeline" not in run()._repr_html_()


def test_a_run_is_short_where_it_is_only_named() -> None:
    """In a debugger or a list a run is its id and its outcome, not its whole plan."""
    assert repr(run()) == "<Run r1: succeeded in 2.00 s>"
