"""The lease on a run: one process works on it, and a dead one holds nothing."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_etl.engine.errors import Busy
from agent_etl.engine.security.paths import private_folder

__all__ = ["lease"]


@contextmanager
def lease(folder: Path, run_id: str) -> Iterator[None]:
    """Hold `folder/<run_id>.lock` while the block lasts. The kernel frees it at once when the process dies.

    Raises: Busy naming the holder's process id. Side effects: creates the lock file, which stays: removing it would
    let two holders lock two files of one name.
    """
    path = private_folder(folder) / f"{run_id}.lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise Busy(
                "Another process works on this run",
                run=run_id,
                holder=holder,
                hint="wait for it, or end that process and resume",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
