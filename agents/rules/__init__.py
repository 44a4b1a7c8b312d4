"""The keyless planner: plain words in, a typed draft, a question or a refusal out. Deterministic."""
