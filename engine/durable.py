"""Durability: what was written survives a power loss from here on."""

import os
from pathlib import Path

__all__ = ["sync"]


def sync(path: Path) -> None:
    """Bring a file's bytes, or a folder's names, to the disk. Raises: OSError. Side effects: fsync."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
