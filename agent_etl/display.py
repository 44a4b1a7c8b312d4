"""What a person sees in a terminal: questions, findings, tables, the first rows. Plans: agent_etl/drawing.py."""

import shutil
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent_etl.engine.goal import Finding, Question, Refusal

__all__ = [
    "cell",
    "consoles",
    "finding_line",
    "question_view",
    "refusal_view",
    "rows_view",
    "table_view",
]

WIDEST_CELL = 40
WIDE = 160


def consoles(*, silent: bool = False) -> tuple[Console, Console]:
    """One console for stdout and one for stderr; `silent` mutes both. Plain, wide text where there is no terminal."""
    out, err = (Console(stderr=stderr, quiet=silent, highlight=False, emoji=False) for stderr in (False, True))
    for console in (out, err):
        if not console.is_terminal:
            # Nobody looks at a width there: a line that a program filters must be whole. COLUMNS still wins.
            console.width = shutil.get_terminal_size((WIDE, 50)).columns
    return out, err


def question_view(question: Question) -> RenderableType:
    """A question with the words it quotes and its grounded options."""
    lines = [Text.assemble(("“", "dim"), (question.quote, "yellow"), ("” ", "dim"), question.text)]
    lines += [
        Text.assemble("  ", (option.value, "bold"), f"  {option.label}" if option.label != option.value else "")
        for option in question.options
    ]
    if question.free:
        lines.append(Text("  or any other text", "dim"))
    return Panel(
        Group(*lines), title=Text(f"question {question.id}"), title_align="left", border_style="yellow", expand=False
    )


def refusal_view(refusal: Refusal) -> RenderableType:
    """What cannot be done, and why."""
    text = Text.assemble(("“", "dim"), (refusal.quote, "red"), ("” ", "dim"), refusal.reason)
    return Panel(text, title="refused", title_align="left", border_style="red", expand=False)


def finding_line(finding: Finding) -> RenderableType:
    """A check's sentence, in one line."""
    style = {"error": "bold red", "risk": "yellow", "note": "dim"}[finding.severity]
    return Text.assemble((f"{finding.severity} ", style), str(finding))


def table_view(
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    longest: int | None = None,
    one_line: bool = False,
) -> RenderableType:
    """A table under its title; numbers stand right, and texts are cut after `longest` characters.

    `one_line`: a row takes one line, for which its last column is cut.
    """
    table = Table(box=box.SIMPLE_HEAD)
    content = [list(row) for row in rows]
    for index, name in enumerate(header):
        numbers = bool(content) and all(isinstance(row[index], int | float) for row in content)
        whole = one_line and index < len(header) - 1
        table.add_column(Text(name), justify="right" if numbers else "left", overflow="fold", no_wrap=whole)
    for row in content:
        cells = [Text(cell(value, longest)) for value in row]
        if one_line:
            cells[-1].no_wrap, cells[-1].overflow = True, "ellipsis"
        table.add_row(*cells)
    return Group(Text(title, "bold"), table)


def rows_view(title: str, rows: Any, limit: int = 10) -> RenderableType:
    """The first rows of an Arrow table."""
    first = rows.slice(0, limit)
    columns = [column.to_pylist() for column in first.columns]
    shown = f"{title}: {min(limit, rows.num_rows)} of {rows.num_rows:,} rows"
    return table_view(shown, first.column_names, zip(*columns, strict=True), longest=WIDEST_CELL)


def cell(value: object, longest: int | None = None) -> str:
    """A value in a cell: nothing for a null, a text on one line and cut."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if longest is None or len(text) <= longest else text[: longest - 1] + "…"
