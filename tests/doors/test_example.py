import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from harness.tables import read, types

from agent_etl.connectors.files import FilesConnection
from agent_etl.example import make_shop


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """The shop of one seed is the same to the byte, that of another is not, and nothing is written twice."""
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    paths = make_shop(first)
    make_shop(second)
    make_shop(other, seed=8)
    assert sorted(path.name for path in paths) == ["crm.sqlite", "customers.csv", "orders.csv", "payments.jsonl"]
    for path in paths:
        assert path.read_bytes() == (second / path.name).read_bytes()
        assert path.read_bytes() != (other / path.name).read_bytes()
    changed = [path.stat().st_mtime_ns for path in paths]
    make_shop(first)
    assert [path.stat().st_mtime_ns for path in paths] == changed


def test_the_example_runs(tmp_path: Path) -> None:
    """The example script leaves the revenue that adding by hand gives; a second run changes nothing."""
    script = Path(__file__).parents[2] / "examples" / "shop.py"
    result = tmp_path / "shop" / "monthly_revenue.csv"
    seen = []
    for _ in range(2):
        subprocess.run([sys.executable, script, tmp_path / "shop"], check=True, capture_output=True)
        seen.append((result.stat().st_mtime_ns, result.stat().st_ino))
    assert seen[0] == seen[1]
    orders = {row for row in read(tmp_path / "shop", "orders.csv") if row[3] != "cancelled"}
    regions = {row[0]: row[2] for row in read(tmp_path / "shop", "customers.csv")}
    wanted: dict[tuple[str, str], float] = {}
    for _, customer, day, _, amount in orders:
        if customer in regions:
            key = (f"{day:%Y-%m}", regions[customer])
            wanted[key] = wanted.get(key, 0) + (amount or 0)
    found = {(month, region): revenue for month, region, revenue, _ in read(tmp_path / "shop", "monthly_revenue.csv")}
    assert found == {key: pytest.approx(value) for key, value in wanted.items()}


def test_the_shop_has_the_mess_that_it_promises(tmp_path: Path) -> None:
    """Orders are there twice or lack a customer or amount, postal codes begin with zero, some pay in parts."""
    make_shop(tmp_path)
    orders = read(tmp_path, "orders.csv")
    assert len({row[0] for row in orders}) == 500 < len(orders)
    assert any(row[4] is None for row in orders)
    customers = {row[0] for row in read(tmp_path, "customers.csv")}
    assert any(row[1] is None for row in orders) and any(row[1] not in customers for row in orders if row[1])
    assert types(tmp_path, "customers.csv")["postal_code"] == "VARCHAR"
    payments = [row[1] for row in read(tmp_path, "payments.jsonl")]
    assert len(set(payments)) < len(payments)
    assert set(payments) < {row[0] for row in orders}
    assert FilesConnection("here", tmp_path).source().describe("payments").rows == len(payments)
    with closing(sqlite3.connect(tmp_path / "crm.sqlite")) as crm:
        assert {row[0] for row in crm.execute("SELECT customer_id FROM customers")} == customers
