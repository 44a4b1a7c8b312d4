"""The deterministic machine: no model, no graph."""
