"""Events travel as plain values."""

import json

from agent_etl.engine.observe.events import KINDS, Event, event


def test_an_event_round_trips_through_json():
    """An event that was stored is the event that happened."""
    for kind in KINDS:
        happened = event("r1", kind, "orders", rows=3)
        assert Event.from_dict(json.loads(json.dumps(happened.to_dict()))) == happened
