"""The command line. Commands import what they need when they are called: `--help` loads none of it."""

import gc
import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent_etl.exits import Exit, guarded, leave

__all__ = ["main"]

app = typer.Typer(
    help="A goal in plain words becomes a checked, executed, monitored and resumable data pipeline.",
    epilog="Exit codes: 0 succeeded, 2 usage, 3 waiting for an answer, 4 refused, 5 failed, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
)

Goal = Annotated[str, typer.Argument(metavar="GOAL|PLAN.yaml", help="A goal in words, or the path of a plan file.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as `agent-etl runs` lists them.")]
Named = Annotated[
    list[str] | None,
    typer.Option("--connection", "-c", metavar="NAME=URL", help="A connection, besides agent_etl.toml. Repeatable."),
]
Answers = Annotated[
    list[str] | None,
    typer.Option("--answer", "-a", metavar="ID=VALUE", help="An answer to a question. Repeatable."),
]
Home = Annotated[Path | None, typer.Option(help="The home folder. Default: AGENT_ETL_HOME, else .agent_etl")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no plan, only the outcome.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", envvar="AGENT_ETL_DEBUG", help="A traceback when something goes wrong.")
]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        import agent_etl

        typer.echo(agent_etl.__version__)
        raise typer.Exit


@app.command("run")
@guarded
def _run(
    goal: Goal,
    connection: Named = None,
    answer: Answers = None,
    approve: Annotated[
        str, typer.Option(metavar="risky|ask|auto", help="When to ask before writing: when it is risky, always, never.")
    ] = "risky",
    run_id: Annotated[str | None, typer.Option(help="An id of your own for the run.")] = None,
    home: Home = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Exit:
    """Run a goal or a plan file, to its end or to a question."""
    from agent_etl.commands.execute import Operation

    return Operation(home, json=json, quiet=quiet).run(goal, connection or (), answer or (), approve, run_id)


@app.command("resume")
@guarded
def _resume(
    run: RunId,
    connection: Named = None,
    answer: Answers = None,
    approve: Annotated[bool | None, typer.Option("--approve/--reject", help="The decision about the plan.")] = None,
    plan: Annotated[Path | None, typer.Option(metavar="EDITED.yaml", help="Run this plan instead.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also a run that crashed too often, or one whose target has lost its rows.")
    ] = False,
    home: Home = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Exit:
    """Continue a run that waits, failed or was interrupted. What was done is not done again."""
    from agent_etl.commands.execute import Operation

    return Operation(home, json=json, quiet=quiet).resume(
        run, connection or (), answer or (), approve, plan, force=force
    )


@app.command("plan")
@guarded
def _plan(
    goal: Goal,
    connection: Named = None,
    answer: Answers = None,
    home: Home = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Exit:
    """Print the plan for a goal as YAML, run nothing. What was understood and what is asked goes to stderr."""
    from agent_etl.commands.draft import plan

    return plan(goal, connection or (), answer or (), home, json=json, quiet=quiet)


@app.command("runs")
@guarded
def _runs(home: Home = None, json: Json = False, verbose: Verbose = False) -> Exit:
    """List the runs of this home, newest first."""
    from agent_etl.commands.look import runs

    return runs(home, json=json)


@app.command("show")
@guarded
def _show(
    run: RunId,
    plan: Annotated[bool, typer.Option("--plan", help="Only its plan, as YAML: edit it, then resume --plan.")] = False,
    home: Home = None,
    json: Json = False,
    verbose: Verbose = False,
) -> Exit:
    """Show a run: what its goal became, its plan, its report."""
    from agent_etl.commands.look import show

    return show(run, home, json=json, plan=plan)


@app.command("inspect")
@guarded
def _inspect(
    source: Annotated[str, typer.Argument(help="A connection, a URL, a database file, a folder or a data file.")],
    table: Annotated[str | None, typer.Argument(help="One table of it.")] = None,
    connection: Named = None,
    home: Home = None,
    json: Json = False,
    verbose: Verbose = False,
) -> Exit:
    """Show a source's tables, or a table's columns and keys."""
    from agent_etl.commands.sources import inspect

    return inspect(source, table, connection or (), home, json=json)


@app.command("connections")
@guarded
def _connections(connection: Named = None, home: Home = None, json: Json = False, verbose: Verbose = False) -> Exit:
    """List the connections that goals may name. Passwords are not shown."""
    from agent_etl.commands.sources import connections

    return connections(connection or (), home, json=json)


@app.command("doctor")
@guarded
def _doctor(
    connection: Named = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Learn from the targets what was loaded.")] = False,
    accept_loss: Annotated[bool, typer.Option("--accept-loss", help="Go on without what targets have lost.")] = False,
    home: Home = None,
    json: Json = False,
    verbose: Verbose = False,
) -> Exit:
    """Check versions, home, disk, run store, every connection, and what was loaded."""
    from agent_etl.commands.doctor import doctor

    return doctor(connection or (), home, json=json, rebuild=rebuild, accept_loss=accept_loss)


quarantine = typer.Typer(help="Rows that were set aside: list, show, replay them.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")


@quarantine.command("list")
@guarded
def _quarantine_list(
    place: Annotated[str | None, typer.Argument(metavar="[TARGET[:TABLE]]", help="Default: every connection.")] = None,
    connection: Named = None,
    home: Home = None,
    json: Json = False,
    verbose: Verbose = False,
) -> Exit:
    """Count what was set aside, by table, run, step and reason."""
    from agent_etl.commands.quarantine import listed

    return listed(place, connection or (), home, json=json)


@quarantine.command("show")
@guarded
def _quarantine_show(
    place: Annotated[str, typer.Argument(metavar="TARGET:TABLE")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 20,
    reason: Annotated[str | None, typer.Option(help="Only rows whose reason holds this text.")] = None,
    connection: Named = None,
    home: Home = None,
    json: Json = False,
    verbose: Verbose = False,
) -> Exit:
    """Show rows that were set aside, with their raw text."""
    from agent_etl.commands.quarantine import shown

    return shown(place, limit, reason, connection or (), home, json=json)


@quarantine.command("replay")
@guarded
def _quarantine_replay(
    what: Annotated[str, typer.Argument(metavar="RUN|TARGET:TABLE", help="Whose open rows.")],
    plan: Annotated[Path | None, typer.Option(metavar="FIXED.yaml", help="Replay through this plan instead.")] = None,
    connection: Named = None,
    home: Home = None,
    json: Json = False,
    verbose: Verbose = False,
) -> Exit:
    """Load rows that were set aside and pass now; exit code 5 when some stay open."""
    from agent_etl.commands.quarantine import replayed

    return replayed(what, plan, connection or (), home, json=json)


@app.command("demo")
@guarded
def _demo(
    folder: Annotated[Path, typer.Argument(help="Where the example shop and its home go.")] = Path("agent-etl-demo"),
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> Exit:
    """Run a real pipeline over an example shop made on the spot."""
    from agent_etl.demo import demo

    return demo(folder, json=json, quiet=quiet)


def main() -> None:
    """Run the command line of this process and end it. Side effects: what the terminal cannot write is escaped."""
    # What is imported stays: to look through it for garbage again and again takes a fifth of a short command.
    gc.set_threshold(50_000, 20, 100)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as ended:
        leave(ended)
