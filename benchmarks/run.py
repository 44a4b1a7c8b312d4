"""`python benchmarks/run.py`: our times as ratios to bare scripts, measured in turns in one run; 1 over a limit.

--pg-rows and --csv-rows are the sizes (5 and 20 million), --rounds how often each job runs (the best time counts),
--only takes part of: postgres, csv, start. --json FILE keeps the result.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness.postgres import PostgresServer

from benchmarks.data import csv_file, filled_table

_REPO = Path(__file__).resolve().parents[1]
_COMMAND = Path(sys.executable).parent / "agent-etl"


@dataclass(frozen=True)
class Line:
    """One line of the result: what was measured, its value, and the limit that it must stay below."""

    what: str
    value: float
    unit: str
    limit: float
    detail: str = ""

    @property
    def holds(self) -> bool:
        """The value is within the limit."""
        return self.value <= self.limit


def main() -> int:
    """Measure, print, keep; 1 when a limit is missed."""
    options = _options()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="agent-etl-bench-") as name:
        folder = Path(name)
        if "postgres" in options.only:
            lines += _postgres(folder, options.pg_rows, options.rounds)
        if "csv" in options.only:
            lines += _csv(folder, options.csv_rows, options.rounds)
        if "start" in options.only:
            lines += _start(folder, options.rounds)
    for line in lines:
        mark = "ok" if line.holds else "OVER"
        print(f"{line.what:<44} {line.value:>8.2f} {line.unit:<5} limit {line.limit:<7g} {mark:<5} {line.detail}")
    if options.json:
        options.json.write_text(json.dumps([asdict(line) | {"holds": line.holds} for line in lines], indent=1))
    return int(not all(line.holds for line in lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pg-rows", type=int, default=5_000_000)
    parser.add_argument("--csv-rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=("postgres", "csv", "start"), default=["postgres", "csv", "start"])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _postgres(folder: Path, rows: int, rounds: int) -> list[Line]:
    source = csv_file(folder, rows)
    server = PostgresServer.start()
    try:
        filled_table(server.url(), source, "bench_rows")
        source.unlink()
        return _compare(f"PostgreSQL -> DuckDB, {rows:,} rows", "pg", server.url(), folder, rounds, limit=1.5)
    finally:
        server.stop()


def _csv(folder: Path, rows: int, rounds: int) -> list[Line]:
    source = csv_file(folder, rows)
    lines = _compare(f"CSV -> Parquet, {rows:,} rows", "csv", str(source), folder, rounds, limit=1.3)
    source.unlink()
    return lines


def _compare(what: str, job: str, source: str, folder: Path, rounds: int, *, limit: float) -> list[Line]:
    ours, bare = [], []
    for _ in range(rounds):
        for name, results in ((f"{job}_bare", bare), (f"{job}_ours", ours)):
            work = Path(tempfile.mkdtemp(dir=folder))
            results.append(_child(name, source, str(work), cwd=work))
            shutil.rmtree(work)
    best, base = min(result["seconds"] for result in ours), min(result["seconds"] for result in bare)
    peak, base_peak = max(result["mib"] for result in ours), max(result["mib"] for result in bare)
    return [
        Line(what, best / base, "x", limit, f"{best:.2f} s against {base:.2f} s"),
        Line(f"{what}: peak memory", peak, "MiB", 1024, f"bare script {base_peak:.0f} MiB"),
    ]


def _start(folder: Path, rounds: int) -> list[Line]:
    with closing(sqlite3.connect(folder / "twenty.sqlite")) as connection, connection:
        for number in range(20):
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, v{number} TEXT, w{number} REAL)")
            connection.executemany(f"INSERT INTO t{number} VALUES (?, ?, ?)", [(i, str(i), i) for i in range(1000)])
    planning = min(_child("planning", str(folder), cwd=folder)["seconds"] for _ in range(rounds))
    importing = min(_child("importing", cwd=folder)["seconds"] for _ in range(rounds))
    return [
        Line("planning over 20 tables", planning, "s", 1.0),
        Line("import agent_etl", importing, "s", 0.2),
        Line("agent-etl --help", min(_wall("--help") for _ in range(rounds + 2)), "s", 0.3),
        Line("agent-etl demo", min(_wall("demo") for _ in range(rounds)), "s", 5.0),
    ]


def _child(name: str, *arguments: str, cwd: Path) -> dict[str, float]:
    """Run one job in a process of its own, in a clean home, with bytecode kept as an installation keeps it."""
    done = subprocess.run(
        [sys.executable, str(_REPO / "benchmarks" / "jobs.py"), name, *arguments],
        cwd=cwd,
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _environment() -> dict[str, str]:
    unwanted = "PYTHONDONTWRITEBYTECODE"
    return {key: value for key, value in os.environ.items() if not key.startswith("AGENT_ETL_") and key != unwanted}


def _wall(argument: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [str(_COMMAND), argument],
            cwd=folder,
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
