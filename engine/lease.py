"""Leases: one process works on a run, or writes a file, and a dead one holds nothing."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_etl.engine.errors import Busy
from agent_etl.engine.security.paths import private_folder

__all__ = ["held", "lease"]

_PAUSE = 0.05


@contextmanager
def lease(folder: Path, run_id: str) -> Iterator[None]:
    """Hold `folder/<run_id>.lock` while the block lasts.

    Raises: Busy naming the holder's process id. Side effects: as `held`.
    """

    def refused(holder: str) -> Busy:
        return Busy(
            "Another process works on this run",
            run=run_id,
            holder=holder,
            hint="wait for it, or end that process and resume",
        )

    with held(private_folder(folder) / f"{run_id}.lock", refused):
        yield


@contextmanager
def held(path: Path, refused: Callable[[str], Busy], *, patience: float = 0.0, mode: int = 0o600) -> Iterator[None]:
    """Hold the lock file `path` while the block lasts. The kernel frees it at once when the process dies.

    Raises: what `refused` makes of the holder's process id, after `patience` seconds; OSError. Side effects: creates
    the file, which stays: removing it would let two holders lock two files of one name.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode)
    try:
        deadline = time.monotonic() + patience
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise refused(os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown")
            time.sleep(_PAUSE)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
