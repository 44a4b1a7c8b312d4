"""What a person sees in a terminal: the goal with its clauses, the plan, questions, the first rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agent_etl.engine.goal import Clause, Finding, Question, Refusal
from agent_etl.engine.plan import Check, Plan, Step
from agent_etl.graphs.lineage import edges
from agent_etl.graphs.report import describe

__all__ = [
    "cell",
    "clauses_view",
    "consoles",
    "finding_line",
    "plan_view",
    "question_view",
    "refusal_view",
    "rows_view",
    "table_view",
]

WIDEST_CELL = 40


def consoles(*, silent: bool = False) -> tuple[Console, Console]:
    """One console for stdout and one for stderr; `silent` mutes both. Plain text where there is no terminal."""
    out, err = (Console(stderr=stderr, quiet=silent, highlight=False, emoji=False) for stderr in (False, True))
    return out, err


def plan_view(plan: Plan) -> RenderableType:
    """The plan as a tree from each load up to its sources."""
    steps = {step.name: step for step in plan.steps()}
    parents, shown, view = edges(plan), set[str](), []
    for load in plan.loads:
        tree = Tree(_label("load", load.name, describe(load)), guide_style="dim")
        _grow(tree, load.from_, steps, parents, shown)
        view.append(tree)
    return Group(Text(f"Plan {plan.name}  {plan.hash[:12]}", "bold"), *view)


def _grow(
    tree: Tree, name: str, steps: Mapping[str, Step], parents: Mapping[str, Sequence[str]], shown: set[str]
) -> None:
    step = steps[name]
    kind = type(step).__name__.lower()
    if name in shown:
        tree.add(Text.assemble((f"{kind:<9} ", "dim"), (name, "bold"), ("  (above)", "dim")))
        return
    shown.add(name)
    branch = tree.add(_label(kind, name, describe(step)))
    for check in steps.values():
        if isinstance(check, Check) and check.on == name:
            branch.add(_label("check", check.name, describe(check)))
    for parent in parents.get(name, ()):
        _grow(branch, parent, steps, parents, shown)


def _label(kind: str, name: str, text: str) -> Text:
    return Text.assemble((f"{kind:<9} ", "dim"), (name, "bold"), "  ", (text, "cyan"))


def clauses_view(goal: str, clauses: Sequence[Clause], plan: Plan | None) -> RenderableType:
    """The goal, clause by clause, and the steps that serve each."""
    steps = {step.name: step for step in plan.steps()} if plan is not None else {}
    table = Table(box=box.SIMPLE_HEAD, title="What the goal became", title_justify="left", title_style="bold")
    table.add_column("words of the goal", overflow="fold")
    table.add_column("steps", style="cyan", overflow="fold")
    for clause in clauses:
        served = ", ".join(name for name in clause.steps if not steps or name in steps)
        table.add_row(
            Text(goal[clause.start : clause.end].strip()), Text(served or "asked about", "" if served else "yellow")
        )
    return table


def question_view(question: Question) -> RenderableType:
    """A question with the words it quotes and its grounded options."""
    lines = [Text.assemble(("“", "dim"), (question.quote, "yellow"), ("” ", "dim"), question.text)]
    lines += [
        Text.assemble("  ", (option.value, "bold"), f"  {option.label}" if option.label != option.value else "")
        for option in question.options
    ]
    if question.free:
        lines.append(Text("  or any other text", "dim"))
    return Panel(Group(*lines), title=Text(f"question {question.id}"), title_align="left", border_style="yellow")


def refusal_view(refusal: Refusal) -> RenderableType:
    """What cannot be done, and why."""
    text = Text.assemble(("“", "dim"), (refusal.quote, "red"), ("” ", "dim"), refusal.reason)
    return Panel(text, title="refused", title_align="left", border_style="red")


def finding_line(finding: Finding) -> RenderableType:
    """A check's sentence, in one line."""
    style = {"error": "bold red", "risk": "yellow", "note": "dim"}[finding.severity]
    return Text.assemble((f"{finding.severity} ", style), str(finding))


def table_view(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """A table of short cells; numbers stand right."""
    table = Table(box=box.SIMPLE_HEAD, title=Text(title), title_justify="left", title_style="bold")
    content = [list(row) for row in rows]
    for index, name in enumerate(header):
        numbers = bool(content) and all(isinstance(row[index], int | float) for row in content)
        table.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for row in content:
        table.add_row(*(Text(cell(value)) for value in row))
    return table


def rows_view(title: str, rows: Any, limit: int = 10) -> RenderableType:
    """The first rows of an Arrow table."""
    first = rows.slice(0, limit)
    columns = [column.to_pylist() for column in first.columns]
    shown = f"{title}: {min(limit, rows.num_rows)} of {rows.num_rows:,} rows"
    return table_view(shown, first.column_names, zip(*columns, strict=True))


def cell(value: object) -> str:
    """A value in a cell: integers with separators, long texts cut."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if len(text) <= WIDEST_CELL else text[: WIDEST_CELL - 1] + "…"
