"""What is measured: each job runs in a process of its own and prints one JSON line with its seconds and peak memory."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["JOBS", "main"]


def pg_ours(url: str, folder: str) -> float:
    """PostgreSQL to the warehouse by `run_pipeline`, planning to report."""
    return _pipeline("Load bench_rows from pg into table bench_copy", folder, {"pg": url})


def pg_bare(url: str, folder: str) -> float:
    """The same by a bare script: ADBC streams, the server casts, DuckDB stores."""
    import adbc_driver_postgresql.dbapi as adbc
    import duckdb

    from benchmarks.data import COLUMNS

    items = ['(amount * 100)::int8 AS "amount"' if name == "amount" else f'"{name}"' for name in COLUMNS]
    began = time.perf_counter()
    with (
        adbc.connect(url) as source,
        source.cursor() as cursor,
        duckdb.connect(str(Path(folder) / "bare.duckdb")) as target,
    ):
        cursor.execute(f"SELECT {', '.join(items)} FROM bench_rows")
        reader = cursor.fetch_record_batch()
        target.register("reader", reader)
        target.execute(
            "CREATE TABLE bench_copy AS SELECT * REPLACE ("
            "(amount::DECIMAL(14, 0) * 0.01::DECIMAL(2, 2))::DECIMAL(12, 2) AS amount) FROM reader"
        )
        target.unregister("reader")
    return time.perf_counter() - began


def csv_ours(source: str, folder: str) -> float:
    """CSV to Parquet by `run_pipeline`, planning to report."""
    return _pipeline(f"Load {source} and write it to {folder}/ours.parquet", folder, {})


def csv_bare(source: str, folder: str) -> float:
    """The same by DuckDB's own COPY."""
    import duckdb

    began = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM '{source}') TO '{folder}/bare.parquet' (FORMAT parquet)")
    return time.perf_counter() - began


def planning(folder: str) -> float:
    """A goal over the 20 tables of `folder`'s database: the draft alone, the catalogue being read."""
    from agent_etl.agents.planner import PlanRequest
    from agent_etl.agents.rules.planner import RulesPlanner
    from agent_etl.connectors.registry import open_connections
    from agent_etl.engine.probe import SourceProber
    from agent_etl.engine.settings import load_settings
    from agent_etl.tools.catalog import survey

    url = f"sqlite:///{folder}/twenty.sqlite"
    settings = load_settings(home=Path(folder) / "home", connections={"shop": url})
    connections = open_connections(settings)
    try:
        joins = " and ".join(f"t{number} on id" for number in range(1, 20))
        goal = f"Join shop.t0 with {joins} and write id, v0 and v19 to wide_table"
        began = time.perf_counter()
        catalogue = survey(goal, connections)
        surveyed = time.perf_counter()
        draft = RulesPlanner().plan(PlanRequest(goal, catalogue, SourceProber(connections, settings)))
        seconds = time.perf_counter() - surveyed
    finally:
        connections.close()
    kept = f"{len(draft.plan.extracts)} extracts" if draft.plan else f"{len(draft.questions)} questions"
    print(f"  survey {surveyed - began:.2f} s, {kept}", file=sys.stderr)
    return seconds


def importing() -> float:
    """`import agent_etl`."""
    began = time.perf_counter()
    import agent_etl  # noqa: F401

    return time.perf_counter() - began


def _pipeline(goal: str, folder: str, connections: dict[str, str]) -> float:
    from agent_etl import run_pipeline

    began = time.perf_counter()
    run = run_pipeline(goal, connections=connections, home=Path(folder) / "home", approve="auto")
    report = run.report()
    seconds = time.perf_counter() - began
    if run.status != "succeeded":
        raise RuntimeError(report)
    return seconds


JOBS: dict[str, Callable[..., float]] = {
    job.__name__: job for job in (pg_ours, pg_bare, csv_ours, csv_bare, planning, importing)
}


def main(name: str, *arguments: str) -> None:
    """Run one job and print `{"seconds": …, "mib": …}`."""
    seconds = JOBS[name](*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "mib": peak}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(*sys.argv[1:])
