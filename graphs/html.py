"""A run as self-contained HTML for notebooks: no script, no style sheet, no network; every value is escaped."""

from collections.abc import Mapping
from html import escape

from agent_etl.engine.goal import Question
from agent_etl.engine.plan import Plan
from agent_etl.engine.settings import is_home_here
from agent_etl.engine.tasks import TaskResult
from agent_etl.graphs.lineage import edges
from agent_etl.graphs.report import aside, describe, duration, outcome
from agent_etl.graphs.result import Run

__all__ = ["dag", "html"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 190, 46, 50, 16
_FILL = {"extract": "#e3f2fd", "transform": "#fff8e1", "check": "#f3e5f5", "load": "#e8f5e9"}
_CELL = 'style="text-align:left;padding:2px 10px 2px 0;vertical-align:top"'
_SHOWN = 200


def html(run: Run) -> str:
    """The run's outcome, its plan as a drawn graph, its steps as a table, questions, findings and failure."""
    parts = [f"<h4>Run {escape(run.run_id)}: {escape(outcome(run))}</h4>"]
    if run.goal:
        parts.append(f"<p><i>{escape(run.goal)}</i></p>")
    if run.plan:
        parts += [dag(run.plan, run.tasks), _steps(run.plan, run.tasks)]
    loads = [
        [f"{x.target}.{x.table}", x.mode, "already loaded" if x.already else f"{x.rows:,}", x.marker[:12]]
        for x in run.loads
    ]
    parts.append(_table("Loaded", ["target", "mode", "rows", "marker"], loads))
    parts.append(_table("Set aside", ["rows and reason"], [[line] for line in aside(run)]))
    parts.append(_table("Found", ["severity", "step", "finding"], [[f.severity, f.step, str(f)] for f in run.findings]))
    parts.append(_table("Corrected", ["repair"], [[label] for label in run.repairs]))
    asked = [[q.id, q.text, q.quote, _options(q)] for q in run.questions]
    parts.append(_table("Questions", ["id", "question", "words", "options"], asked))
    parts.append(_table("Refused", ["words", "reason"], [[r.quote, r.reason] for r in run.refusals]))
    if run.failure:
        failure = [[run.failure.step, run.failure.code, run.failure.message, run.failure.hint]]
        parts.append(_table("Failed", ["step", "code", "what", "next"], failure))
    call = _next_call(run)
    parts.append(f"<p>Next: <code>{escape(call)}</code></p>" if call else "")
    return f'<div class="agent-etl">{"".join(parts)}</div>'


def _options(question: Question) -> str:
    told = [o.value if o.label == o.value else f"{o.value}: {o.label}" for o in question.options]
    return "; ".join([*told, "or any other value"] if question.free else told)


def _next_call(run: Run) -> str:
    """The call that continues the run from a notebook; empty when nothing is to be continued."""
    given = {
        "answers": ["answers={" + ", ".join(f"{q.id!r}: …" for q in run.questions) + "}"] if run.questions else [],
        "approval": ['decision="approve"'],
    }
    if run.status not in ("waiting", "interrupted", "failed"):
        return ""
    arguments = [repr(run.run_id), *given.get(run.waits_for, [])]
    if run.secret:
        arguments.append("connections={" + ", ".join(f"{name!r}: …" for name in run.secret) + "}")
    if run.home is not None and not is_home_here(run.home):
        arguments.append(f"home={str(run.home)!r}")
    return f"resume_pipeline({', '.join(arguments)})"


def _steps(plan: Plan, tasks: tuple[TaskResult, ...]) -> str:
    results = {result.step: result for result in tasks}
    rows = []
    for step in list(plan.steps())[:_SHOWN]:
        result = results.get(step.name)
        counts = (
            [f"{result.rows_in:,}", f"{result.rows_out:,}", str(result.filtered + result.quarantined)]
            if result
            else [""] * 3
        )
        took = ("reused" if result.reused else duration(result.seconds)) if result else "not run"
        rows.append([type(step).__name__.lower(), step.name, describe(step), *counts, took])
    return _table("Steps", ["kind", "step", "what", "rows in", "rows out", "set aside", "time"], rows)


def _table(title: str, head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    header = "".join(f"<th {_CELL}>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td {_CELL}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<p><b>{escape(title)}</b></p><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def dag(plan: Plan, tasks: tuple[TaskResult, ...] = ()) -> str:
    """The plan drawn as an SVG graph, sources left, targets right. Plans of more than 200 steps are told, not drawn."""
    parents = edges(plan)
    if len(parents) > _SHOWN:
        return f"<p>{len(parents):,} steps: too many to draw</p>"
    places = _places(parents)
    width = (max(x for x, _ in places.values()) + 1) * (_WIDTH + _GAP_X)
    height = (max(y for _, y in places.values()) + 1) * (_HEIGHT + _GAP_Y)
    results = {result.step: result for result in tasks}
    drawn = [_line(places[parent], places[name]) for name, above in parents.items() for parent in above]
    drawn += [
        _box(step.name, type(step).__name__.lower(), places[step.name], results.get(step.name)) for step in plan.steps()
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="The plan" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">{"".join(drawn)}</svg>'
    )


def _places(parents: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[int, int]]:
    """Column: one right of the rightmost parent. Row: its topmost parent's, or the next one that nothing passes."""
    columns: dict[str, int] = {}
    for name, above in parents.items():
        columns[name] = max((columns[parent] + 1 for parent in above), default=0)
    reach = dict(columns)
    for name, above in parents.items():
        for parent in above:
            reach[parent] = max(reach[parent], columns[name] - 1)
    taken: set[tuple[int, int]] = set()
    places: dict[str, tuple[int, int]] = {}
    for name, above in parents.items():
        column, row = columns[name], min((places[parent][1] for parent in above), default=0)
        while (column, row) in taken:
            row += 1
        places[name] = (column, row)
        # A line to a column further right runs along the row: no box may stand there.
        taken |= {(passed, row) for passed in range(column, reach[name] + 1)}
    return places


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return place[0] * (_WIDTH + _GAP_X) + 5, place[1] * (_HEIGHT + _GAP_Y) + 5


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = _corner(start)
    x2, y2 = _corner(end)
    x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
    bend, middle = x2 - _GAP_X, x2 - _GAP_X // 2
    return f'<path d="M{x1} {y1} H{bend} C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" stroke="#90a4ae"/>'


def _box(name: str, kind: str, place: tuple[int, int], result: TaskResult | None) -> str:
    x, y = _corner(place)
    shown = name if len(name) <= 24 else name[:23] + "…"
    told = kind if result is None or kind == "check" else f"{kind}, {result.rows_out:,} rows"
    return (
        f"<g><title>{escape(name)}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{_FILL[kind]}" stroke="#607d8b"/>'
        f'<text x="{x + 10}" y="{y + 19}" font-weight="bold" fill="#263238">{escape(shown)}</text>'
        f'<text x="{x + 10}" y="{y + 36}" fill="#546e7a">{escape(told)}</text></g>'
    )
