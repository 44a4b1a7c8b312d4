"""Nouns of the outside world: one file per system, all behind the protocols of engine/ports.py."""
