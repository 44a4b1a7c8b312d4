"""The example shop: three small messy files, made from a seed; the same seed gives the same bytes."""

import csv
import io
import json
from datetime import date, timedelta
from pathlib import Path
from random import Random

__all__ = ["make_shop"]

_REGIONS = ("north", "south", "east", "west")
_STATUSES = ("paid", "paid", "paid", "shipped", "cancelled")
_FIRST = ("Ada", "Bo", "Chidi", "Dana", "Eli", "Femi", "Gül", "Hana", "Ivo", "Jürgen", "Kofi", "Lia")
_LAST = ("Okafor", "Lind", "O'Neil", "Díaz", "Sato", "Berg", "Novak", "Haddad")


def make_shop(folder: Path, seed: int = 7, orders: int = 500) -> tuple[Path, ...]:
    """Write customers.csv, orders.csv and payments.jsonl into `folder`; gives their paths.

    The mess is a real shop's: some orders were exported twice, some have no customer or no known one, amounts are
    missing, postal codes begin with zero, names hold commas and quotes, and an order has none or several payments,
    in cents. Side effects: the three files; one whose content is the same already is left untouched.
    """
    random = Random(seed)  # noqa: S311
    people = _customers(random, max(orders // 8, 4))
    bought = _orders(random, orders, len(people))
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "customers.csv": _csv(("customer_id", "name", "region", "postal_code", "signed_up_on"), people),
        "orders.csv": _csv(("order_id", "customer_id", "ordered_on", "status", "amount"), _twice(random, bought)),
        "payments.jsonl": _payments(random, bought),
    }
    for name, text in contents.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
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


def _csv(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
