"""What a run shows of itself: events and logs, redacted."""
