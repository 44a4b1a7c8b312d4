"""Plans over a small shop, and the ledger of a home that a test can fill."""

from agent_etl.engine.plan import Plan

__all__ = ["ORDERS", "PAYMENTS", "SHOP", "Written", "planned"]

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
INSERT INTO customers VALUES (1, 'Ann', 'north'), (2, 'Bob', 'south'), (3, 'Cid', NULL);
CREATE TABLE blank (id INTEGER PRIMARY KEY, name TEXT);
"""
ORDERS = "id,customer_id,amount,status,day\n" + "\n".join(
    ["1,1,10.5,paid,2024-01-01", "2,1,20,paid,2024-01-02", "3,2,30,open,2024-02-01", "4,9,40,open,2024-02-02"]
)
PAYMENTS = "id,order_id,amount\n1,1,500\n2,1,550\n3,2,2000\n4,3,3000\n"

EXTRACTS = """
- {name: orders, source: here, dataset: orders.csv}
- {name: payments, source: here, dataset: payments.csv}
- {name: customers, source: shop, dataset: customers}
"""


class Written:
    """Which tables this home has loaded: a set, so that a test can say so."""

    def __init__(self) -> None:
        self.tables: set[str] = set()

    def has_written(self, target: str, table: str) -> bool:
        return table in self.tables


def planned(steps: str = "", loads: str = "", extracts: str = EXTRACTS, checks: str = "[]") -> Plan:
    """A plan from YAML lists; without loads the last step goes to the warehouse."""
    loads = loads or "- {name: out, from: result, target: warehouse, table: t}"
    parts = {"extracts": extracts, "transforms": steps or "[]", "loads": loads, "checks": checks}
    return Plan.parse("name: p\n" + "".join(f"{name}:\n  {indented(text)}\n" for name, text in parts.items()))


def indented(text: str) -> str:
    """The text below a YAML key."""
    return text.strip().replace("\n", "\n  ")
