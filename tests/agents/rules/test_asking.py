"""What cannot be grounded is asked about or refused in the goal's own words; nothing is dropped, nothing guessed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import World

from agent_etl.agents.planner import PlanDraft

ASKED = [
    ("join orders with payments and sum amount by status", "column", "amount"),
    ("Load orders.csv, keep only status = 'compleetd'", "value", "'compleetd'"),
    ("dedupe order_items.csv on order_id and write it to lines", "duplicates", "order_id"),
    ("Load orders.csv where amount is not 50", "nulls", "amount is not 50"),
    ("From payments.csv, keep order_id and month of order_id", None, None),
    ("Load orders.csv, total amount in cents per currency", "unit", "in cents"),
    ("Load orders.csv, save it to xx, then save it to yy", "target", "yy"),
    ("For each customer list the full name and the number of orders", "empty", "customer"),
    ("From orders and customers count orders per region", "unmatched", "customers"),
    ("Load orders.csv and upsert it into t", "key", "upsert it into t"),
    ("Load orders.csv, number of currencies per status", "count", "currencies"),
]

REFUSED = [
    ("Load orders.csv, write it to t, then email the CSV to cfo@example.com", "email the CSV to cfo@example.com"),
    ("Train a churn model on orders.csv and write the scores to s", "Train a churn model"),
    ("load orders.csv and compute profit per product", "profit per product"),
    ("join orders and customers on client_no and sum the amount per client segment", "client_no"),
    ("clean up the customers table", "clean up"),
    ("load last week's orders into recent_orders", "last week's"),
    ("load orders.csv, convert amounts to USD and store in orders_usd", "to USD"),
    ("the best customers", "best customers"),
    ("big orders into big_orders", "big orders"),
    ("active customers into a", "active customers"),
    ("Every day at 6am load orders.csv into o", "Every day at 6am"),
    ("Load nowhere.csv into t", "nowhere.csv"),
    ("Load orders.csv, pivot status into columns", "pivot status"),
    ("Load orders.csv, rank customers by amount", "rank customers"),
    ("running total of amount per day from orders.csv", "running total"),
    ("Load orders.csv twice", "twice"),
    ("Load orders.csv, sum amount by status, then sum amount by currency", "sum amount by status"),
    ("Load orders.csv, first 3 rows", "first 3 rows"),
    ("Load orders.csv where amount > 1,000", "1,000"),
    ("Load orders.csv where order_date is 05/02/2024", "05/02/2024"),
    ("write orders.csv to snowflake", "snowflake"),
    ("Load orders.csv and save it to slack", "slack"),
    ("top 2 orders per currency by amount from orders.csv", "top 2 orders per"),
    ("full outer join orders and payments on order_id", "full outer"),
    ("orders and customers", "customers"),
    ("From orders.csv and payments.csv: number of orders and payments per status", "payments per status"),
    ("Load orders.csv, compute total amount per currency and write it to m by status", "by status"),
    ("Load orders.csv and append it to z, replacing it", "append it to z"),
    ("Load orders.csv, drop amount, sum amount per status", "amount"),
    ("Load orders.csv, compute total amount per currency, limit 1", "limit 1"),
    ("From orders.csv and products.parquet count orders per category", "products"),
    ("Load orders.csv, total status per currency", "total status"),
    ("Load orders.csv, order_date - amount as x", "order_date - amount"),
    ("delete all customers from the warehouse who have not ordered since 2022", "delete all customers"),
    ("From order_items.csv, sum quantity - 1 per order_id", "quantity - 1"),
    ("From orders.csv, average revenue per month", "revenue"),
    ("From orders.csv and customers: revenue per region, only customers with at least 3 orders", "only customers"),
    ("From orders.csv, customers and payments, without payments, keep order_id and full_name", "without payments"),
    ("From orders.csv total amount across currencies", "across currencies"),
    ("Load orders.csv and save as orders.csv", "save as orders.csv"),
    ("mask emails in customers, write customers_safe", "mask emails"),
]


def quoted(draft: PlanDraft) -> list[str]:
    return [one.quote for one in (*draft.questions, *draft.refusals)]


@pytest.mark.parametrize(("goal", "kind", "quote"), ASKED)
def test_asks(shop: World, goal: str, kind: str | None, quote: str | None) -> None:
    """Ambiguous words become a question with grounded options, never a plan."""
    draft = shop.plan(goal)
    assert draft.plan is None
    if kind is not None and quote is not None:
        question = next(one for one in draft.questions if one.id.startswith(f"{kind}-"))
        assert quote in question.quote
        assert question.options
        assert goal[slice(*question.span)] == question.quote


@pytest.mark.parametrize(("goal", "words"), REFUSED)
def test_refuses(shop: World, goal: str, words: str) -> None:
    """What cannot be done or names nothing is refused with its words, and there is no plan."""
    draft = shop.plan(goal)
    assert draft.plan is None
    assert any(words.lower() in quote.lower() for quote in quoted(draft)), quoted(draft)
    assert all(goal[slice(*one.span)] == one.quote for one in draft.refusals)


WORDS = [
    "completely",
    "roughly",
    "recent",
    "valid",
    "important",
    "domestic",
    "suspicious",
    "gently",
    "reversed",
    "weekly",
]
PLACES = [
    "Load {} orders.csv, keep only status = 'completed' and write it to t",
    "Load orders.csv, keep only {} status = 'completed' and write it to t",
    "Load orders.csv, keep only status = 'completed' {} and write it to t",
    "Load orders.csv, keep only status = 'completed', {} write it to t",
    "Load orders.csv, keep only status = 'completed' and write it to t {}",
    "From orders.csv count {} orders per status and replace t",
    "From orders.csv count orders {} per status and replace t",
    "From orders.csv count orders per {} status and replace t",
    "From orders.csv and payments.csv per currency the {} number of orders and the total {} amount_cents",
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("place", PLACES)
def test_no_word_is_dropped(shop: World, word: str, place: str) -> None:
    """A word that nothing understands stops the plan, wherever it stands."""
    assert shop.plan(place.format("", "").replace("  ", " ").strip()).plan is not None
    assert shop.plan(place.format(word, word)).plan is None


def test_answers_resolve(shop: World) -> None:
    """Answering each question by its id leads to a plan that records the answers."""
    draft = shop.answered("From orders and customers count orders per region", "drop")
    assert draft.plan is not None
    assert list(draft.plan.answers.values()) == ["drop"]
    assert sorted(shop.run(draft.plan)) == [("EU", 5), ("US", 1)]
    kept = shop.answered("From orders and customers count orders per region", "keep")
    assert kept.plan is not None
    assert sorted(shop.run(kept.plan), key=str) == [("EU", 5), ("US", 1), (None, 1)]


def test_wrong_answer_asks_again(shop: World) -> None:
    """An answer outside the options does not count."""
    draft = shop.answered("From orders and customers count orders per region", "perhaps")
    assert draft.plan is None
    assert draft.questions


def test_empty_groups_keep_zeros(shop: World) -> None:
    """`for each customer` keeps customers without orders when the answer says so."""
    draft = shop.answered("For each customer list the full name and the number of orders", "keep")
    assert draft.plan is not None
    assert sorted(shop.run(draft.plan)) == [("Ann", 3), ("Bob", 1), ("Cid", 2), ("Dee", 0)]


def test_existing_target_without_a_mode(shop: World) -> None:
    """Writing to a table that is there already asks whether rows are replaced or added."""
    shop.add("summary", "SELECT 'x' AS status, 1 AS count_orders", connection="warehouse", kind="duckdb")
    draft = shop.plan("Count orders per status in orders.csv and write it to summary")
    assert [one.id.split("-")[0] for one in draft.questions] == ["mode"]
    answered = shop.answered("Count orders per status in orders.csv and write it to summary", "append")
    assert answered.plan is not None
    assert answered.plan.loads[0].mode == "append"


def test_a_total_without_a_place(shop: World) -> None:
    """A total that the goal does not name never leaves a column of the target as it was without asking."""
    shop.add("summary", "SELECT 'x' AS status, 1 AS orders, 'y' AS note", connection="warehouse", kind="duckdb")
    goal = "Count orders per status in orders.csv and append it to summary"
    draft = shop.plan(goal)
    assert [[option.value for option in one.options] for one in draft.questions] == [["orders", "new"]]
    for answer, name in (("orders", "orders"), ("new", "count_orders")):
        answered = shop.answered(goal, answer)
        assert answered.plan is not None
        shop.run(answered.plan)
        assert shop.columns == ["status", name]
    named = shop.plan("Count orders per status in orders.csv as orders and append it to summary")
    assert named.plan is not None


def test_missing_file_is_refused(shop: World) -> None:
    """A file that the survey did not find is refused by its name."""
    shop.missing = ("nowhere.csv",)
    draft = shop.plan("Load nowhere.csv and orders.csv, join them on order_id")
    assert draft.plan is None
    assert "nowhere.csv" in quoted(draft)


GOAL = (
    "From orders and payments compute per order status the number of orders and the total amount_cents in dollars and "
    "replace order_status_summary"
)


def test_every_word_lies_in_a_clause(shop: World) -> None:
    """Clauses cover every word of the goal, and every clause of a plan names the steps that serve it."""
    draft = shop.plan(GOAL)
    assert draft.plan is not None
    covered = {at for clause in draft.clauses for at in range(clause.start, clause.end)}
    assert all(at in covered or GOAL[at].isspace() for at in range(len(GOAL)))
    assert all(clause.steps for clause in draft.clauses)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(goal=st.text(max_size=60))
def test_any_text_gives_a_draft(shop: World, goal: str) -> None:
    """Whatever the text, there is a draft and never an exception; a draft without a plan says why."""
    draft = shop.plan(goal)
    assert draft.plan is not None or draft.questions or draft.refusals


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        st.sampled_from([*GOAL.split(), "'", "(", ")", ",", "by", "not", "=", "3", "2024", "to"]), max_size=14
    )
)
def test_shuffled_goals_give_drafts(shop: World, words: list[str]) -> None:
    """Words of the language in any order never raise."""
    draft = shop.plan(" ".join(words))
    assert draft.plan is not None or draft.questions or draft.refusals


TESTS = str(Path(__file__).parents[2])
_SCRIPT = """
import sys
sys.path[:0] = [{tests!r}]
from worlds import World
world = World()
world.add('orders.csv', "SELECT 1 AS order_id, 'a' AS status, 2.5 AS amount")
world.add('payments.csv', "SELECT 1 AS payment_id, 1 AS order_id, 100 AS amount_cents")
sys.stdout.write(world.plan({goal!r}).plan.to_json())
world.close()
"""


def test_same_bytes_under_any_hash_seed(shop: World) -> None:
    """The same goal over the same catalogue gives the same bytes in every process."""
    found = set()
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT.format(goal=GOAL, tests=TESTS)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_twenty_tables_under_a_second(shop: World) -> None:
    """Planning over twenty wide tables takes less than a second."""
    columns = ", ".join(f"i AS column_{n}" for n in range(20))
    for number in range(20):
        shop.add(f"wide_{number}.csv", f"SELECT {columns} FROM range(10) t(i)")
    started = time.perf_counter()
    assert shop.plan(GOAL).plan is not None
    assert time.perf_counter() - started < 1.0
