"""Clocks that lie: no lease, no order of loads and no result asks them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

_SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char *by = getenv("CLOCK_SHIFT"); return by ? atol(by) : 0; }
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += shift();
    return code;
}
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec; at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""
_PLAN = """
name: clocked
extracts: [{name: sales, source: here, dataset: sales.csv}]
transforms: [{name: days, sql: "SELECT CAST(sold AS DATE) AS day, count(*) AS n FROM sales GROUP BY ALL ORDER BY ALL"}]
loads: [{name: load, from: days, target: warehouse, table: days, mode: merge, key: [day]}]
"""
DAY = 86_400


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    (tmp_path / "plan.yaml").write_text(_PLAN)
    return tmp_path


def _sold(folder: Path, count: int) -> None:
    moments = "".join(f"2024-03-{10 + n % 2:02d} {n % 24:02d}:30:00\n" for n in range(count))
    (folder / "sales.csv").write_text(f"sold\n{moments}")


def _run(folder: Path, run_id: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent_etl", "run", "plan.yaml", "--run-id", run_id, "--approve", "auto"],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler makes the false clock")
def test_a_clock_that_jumps_does_not_change_the_order(folder: Path, home: Path) -> None:
    """A day forward, then two back: each load builds on the one before, and the newest rows are those that stay."""
    (folder / "shim.c").write_text(_SHIM)
    shim = folder / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(folder / "shim.c"), "-ldl"], check=True)
    for number, shift in enumerate((0, DAY, -DAY), 1):
        _sold(folder, 24 * number)
        _run(folder, f"r{number}", LD_PRELOAD=str(shim), CLOCK_SHIFT=str(shift))
    markers = _rows(home / "warehouse.duckdb", "SELECT run_id, epoch, loaded_at FROM _etl_loads ORDER BY epoch")
    assert [(run, epoch) for run, epoch, _ in markers] == [("r1", 1), ("r2", 2), ("r3", 3)]
    times = [str(at) for _, _, at in markers]
    assert times == sorted(times) and times[0][:10] < times[1][:10]
    assert _rows(home / "warehouse.duckdb", "SELECT sum(n) FROM days") == [(72,)]


def test_the_time_zone_does_not_change_the_result(folder: Path, home: Path) -> None:
    """The same rows come out in UTC, Kathmandu and New York, also over the hour that summer time skips."""
    _sold(folder, 48)
    found = []
    for zone in ("UTC", "Asia/Kathmandu", "America/New_York"):
        own = folder / zone.replace("/", "-")
        _run(folder, "r", TZ=zone, AGENT_ETL_HOME=str(own))
        found.append(_rows(own / "warehouse.duckdb", "SELECT * FROM days ORDER BY ALL"))
    assert len(found[0]) == 2
    assert found[0] == found[1] == found[2]
