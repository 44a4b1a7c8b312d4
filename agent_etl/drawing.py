"""A plan drawn in a terminal: the goal with what its clauses became, and the tree of steps."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agent_etl.agents.planner import PlanDraft
from agent_etl.engine.goal import Clause
from agent_etl.engine.plan import Check, Plan, Step
from agent_etl.graphs.lineage import edges
from agent_etl.graphs.report import describe
from agent_etl.graphs.result import Run

__all__ = ["clauses_view", "plan_view", "show_plan"]


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
    # One line a step: what is too long for the terminal stands whole in the plan itself.
    parts = ((f"{kind:<9} ", "dim"), (name, "bold"), "  ", (text, "cyan"))
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def clauses_view(draft: PlanDraft) -> RenderableType:
    """The goal, clause by clause, and what each became: steps, a question or a refusal."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("words of the goal", overflow="fold")
    table.add_column("became", style="cyan", overflow="fold")
    for clause in draft.clauses:
        table.add_row(Text(draft.goal[clause.start : clause.end].strip()), _became(clause, draft))
    return Group(Text("What the goal became", "bold"), table)


def _became(clause: Clause, draft: PlanDraft) -> Text:
    def touches(span: tuple[int, int]) -> bool:
        return span[0] < clause.end and clause.start < span[1]

    if any(touches(refusal.span) for refusal in draft.refusals):
        return Text("refused", "red")
    if any(touches(question.span) for question in draft.questions):
        return Text("a question", "yellow")
    return Text(", ".join(clause.steps)) if clause.steps else Text("understood, not planned yet", "dim")


def show_plan(run: Run, console: Console) -> None:
    """Print the goal with what its clauses became and how it was understood, and the plan."""
    if run.draft is not None:
        if run.draft.clauses:
            console.print(clauses_view(run.draft))
        for line in run.draft.echo:
            console.print(line, markup=False, style="dim", soft_wrap=True)
    if run.plan is not None:
        console.print(plan_view(run.plan))
