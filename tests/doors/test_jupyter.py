"""Live progress in a notebook."""

from agent_etl.engine.observe.events import event
from agent_etl.jupyter import LiveView


def test_the_view_follows_the_events_and_escapes_their_text() -> None:
    """Each step has a row with its state; text of an event cannot become markup."""
    view = LiveView()
    for each in (
        event("r-1", "task_started", "orders", task="extract"),
        event("r-1", "task_done", "orders", task="extract", rows_out=1200, seconds=0.5),
        event("r-1", "task_failed", "load", task="load", message="<script>alert(1)</script>"),
    ):
        view(each)
    assert "1,200 rows" in view.html()
    assert "<script>" not in view.html()
    assert "&lt;script&gt;" in view.html()
