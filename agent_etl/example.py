"""The example shop: messy files and a customer database, made from a seed; the same seed gives the same bytes."""

import csv
import io
import json
import sqlite3
from datetime import date, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

__all__ = ["make_shop"]

_REGIONS = ("north", "south", "east", "west")
_STATUSES = ("paid", "paid", "paid", "shipped", "cancelled")
_FIRST = ("Ada", "Bo", "Chidi", "Dana", "Eli", "Femi", "Gül", "Hana", "Ivo", "Jürgen", "Kofi", "Lia")
_LAST = ("Okafor", "Lind", "O'Neil", "Díaz", "Sato", "Berg", "Novak", "Haddad")


def make_shop(folder: Path, seed: int = 7, orders: int = 500) -> tuple[Path, ...]:
    """Write customers.csv, orders.csv, payments.jsonl and crm.sqlite into `folder`; gives their paths.

    The mess is a real shop's: some orders were exported twice, some have no customer or no known one, amounts are
    missing, postal codes begin with zero, names hold commas and quotes, and an order has none or several payments,
    in cents. crm.sqlite has the same customers with their e-mail addresses and segments.
    Side effects: the four files; one whose content is the same already is left untouched.
    """
    random = Random(seed)  # noqa: S311
    people = _customers(random, max(orders // 8, 4))
    bought = _orders(random, orders, len(people))
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "customers.csv": _csv(("customer_id", "name", "region", "postal_code", "signed_up_on"), people).encode(),
        "orders.csv": _csv(
            ("order_id", "customer_id", "ordered_on", "status", "amount"), _twice(random, bought)
        ).encode(),
        "payments.jsonl": _payments(random, bought).encode(),
        "crm.sqlite": _crm(random, people),
    }
    for name, content in contents.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    return tuple(folder / name for name in contents)


def _customers(random: Random, count: int) -> list[tuple[object, ...]]:
    start = date(2023, 1, 1)
    return [
        (
            number,
            f"{random.choice(_LAST)}, {random.choice(_FIRST)}" + (' "VIP"' if random.random() < 0.05 else ""),
            random.choice(_REGIONS),
            f"{random.randrange(1000, 99999):05d}",
            start + timedelta(days=random.randrange(360)),
        )
        for number in range(1, count + 1)
    ]


def _orders(random: Random, count: int, customers: int) -> list[tuple[object, ...]]:
    start = date(2024, 1, 1)
    rows: list[tuple[object, ...]] = []
    for number in range(1001, 1001 + count):
        chance = random.random()
        customer = "" if chance < 0.01 else customers + 1 if chance < 0.02 else random.randint(1, customers)
        amount = "" if random.random() < 0.01 else f"{random.randrange(500, 25000) / 100:.2f}"
        rows.append((number, customer, start + timedelta(days=random.randrange(182)), random.choice(_STATUSES), amount))
    return rows


def _twice(random: Random, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The export as it came: one order in twenty-five is there twice."""
    return [row for row in rows for _ in range(2 if random.random() < 0.04 else 1)]


def _payments(random: Random, orders: list[tuple[object, ...]]) -> str:
    lines, number = [], 0
    for order_id, _, ordered_on, status, amount in orders:
        cents = round(float(str(amount or "0")) * 100)
        if status == "cancelled" or not cents:
            continue
        parts = 2 if random.random() < 0.15 else 1
        for part in range(parts):
            number += 1
            share = cents // parts if part else cents - cents // parts * (parts - 1)
            method = random.choice(("card", "transfer", "voucher"))
            payment = {"payment_id": number, "order_id": order_id, "method": method, "amount": share}
            lines.append(json.dumps({**payment, "paid_on": str(ordered_on)}))
    return "\n".join(lines) + "\n"


def _crm(random: Random, people: list[tuple[object, ...]]) -> bytes:
    """An SQLite database: one table, `customers`, with a key; some have no e-mail address."""
    rows = [
        (
            number,
            name,
            f"customer{number}@example.com" if random.random() < 0.9 else None,
            random.choice(("consumer", "business", "partner")),
            str(signed_up_on),
        )
        for number, name, _, _, signed_up_on in people
    ]
    with TemporaryDirectory(prefix="agent_etl_") as folder:
        path = Path(folder) / "crm.sqlite"
        connection = sqlite3.connect(path)
        try:
            connection.execute(
                "CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, "
                "segment TEXT NOT NULL, created_on DATE NOT NULL)"
            )
            connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", rows)
            connection.commit()
        finally:
            connection.close()
        return path.read_bytes()


def _csv(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
