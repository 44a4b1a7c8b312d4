"""A DuckDB write-ahead log that lost bytes: what is gone with it is noticed, and nothing is built upon the gap."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from harness.shop import COPY, Shop

from agent_etl.engine.errors import AgentEtlError, DataLoss

pytestmark = pytest.mark.kill

_KILLED = """
import os, signal, sys
from pathlib import Path
from agent_etl.connectors.duckdb import DuckdbConnection, _opened
from harness.shop import COPY, Shop

shop = Shop(Path(sys.argv[1]))
shop.run(COPY, "r0")
warehouse = DuckdbConnection("w", shop.settings.home / "warehouse.duckdb")
# As long as somebody in this process has it open, DuckDB does not move the log into the file.
opened = _opened(warehouse.path, warehouse.config, write=True)
opened.__enter__()
for run in ("r1", "r2", "r3"):
    shop.sql("INSERT INTO orders SELECT max(id) + 1, 'c9', 100 FROM orders")
    shop.run(COPY, run)
os.kill(os.getpid(), signal.SIGKILL)
"""
LOADED = [10, 11, 12, 13]
"""Rows of r0, in the file; of r1 to r3, in its log."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose process was killed while three acknowledged loads were in the warehouse's log alone."""
    folder = tmp_path_factory.mktemp("killed") / "shop"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / "home" / "warehouse.duckdb.wal").stat().st_size > 1000
    return folder


def _positions(killed: Path, count: int) -> list[int]:
    size = (killed / "home" / "warehouse.duckdb.wal").stat().st_size
    return [size * n // count for n in range(count)]


def _judge(shop: Shop) -> str:
    """Run once more and say what came of it; the test fails when rows are missing without a word."""
    shop.sql("INSERT INTO orders SELECT max(id) + 1, 'c9', 100 FROM orders")
    try:
        shop.run(COPY, "next")
    except DataLoss as error:
        with duckdb.connect(str(shop.settings.home / "warehouse.duckdb"), read_only=True) as connection:
            there = connection.execute("SELECT run_id FROM _etl_loads ORDER BY epoch").fetchall()
        lost = [run for run in ("r0", "r1", "r2", "r3") if (run,) not in there]
        assert error.fields["runs"] == lost
        assert error.fields["rows"] == sum(LOADED[4 - len(lost) :])
        assert len(shop.rows("orders")) == sum(LOADED) - error.fields["rows"]
        return "lost"
    except AgentEtlError:
        return "refused"
    assert len(shop.rows("orders")) == sum(LOADED) + 14
    return "whole"


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_no_damage_of_the_log_goes_unnoticed(killed: Path, damage: str) -> None:
    """Wherever the log is cut or a bit of it flips, the next load finds every row, or stops and names the lost runs."""
    seen = []
    whole = (killed / "home" / "warehouse.duckdb.wal").read_bytes()
    saved = killed.with_name(f"saved-{damage}")
    shutil.copytree(killed, saved)
    try:
        for position in _positions(killed, 12):
            content = whole[:position] if damage == "cut" else _flipped(whole, position)
            (killed / "home" / "warehouse.duckdb.wal").write_bytes(content)
            shop = Shop(killed)
            seen.append(_judge(shop))
            shop.store.close()
            shutil.rmtree(killed)
            shutil.copytree(saved, killed)
    finally:
        shutil.rmtree(saved)
    assert "lost" in seen, seen


def _flipped(whole: bytes, position: int) -> bytes:
    content = bytearray(whole)
    content[position] ^= 0x10
    return bytes(content)
