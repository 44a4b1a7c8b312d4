"""Verbs that an agent may call, each typed, with a declared effect, each recorded."""
