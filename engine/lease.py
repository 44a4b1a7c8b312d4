"""Leases: one process works on a run, or on a pipeline, or writes a file, and a dead one holds nothing.

The kernel keeps them, so no clock is asked: a process that stands still keeps its lease, a killed one loses it at once.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agent_etl.engine.errors import Busy
from agent_etl.engine.security.paths import private_folder

__all__ = ["Holder", "free", "held", "lease", "sole"]

_PAUSE = 0.05
_GLANCE = 1.0
"""Seconds: longer than anybody who only looks whether a lease is free has it in hand."""
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease: process id, host, and the run that it works on, where that is known."""

    pid: str = "unknown"
    host: str = "unknown"
    run: str = ""


@contextmanager
def lease(folder: Path, run_id: str) -> Iterator[None]:
    """Hold `folder/<run_id>.lock` while the block lasts.

    Raises: Busy naming the holder's process id and host. Side effects: as `held`.
    """

    def refused(holder: Holder) -> Busy:
        return Busy(
            "Another process works on this run",
            run=run_id,
            holder=holder.pid,
            host=holder.host,
            hint="wait for it, or end that process and resume",
        )

    with held(private_folder(folder) / f"{run_id}.lock", refused, patience=_GLANCE, run=run_id):
        yield


def free(folder: Path, run_id: str) -> bool:
    """Whether nobody holds `folder/<run_id>.lock` now. Side effects: none that last."""
    try:
        descriptor = os.open(folder / f"{run_id}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextmanager
def sole(folder: Path, pipeline: str, run_id: str) -> Iterator[None]:
    """Hold `folder/<pipeline>.lock`: the same pipeline is not run twice at once.

    Raises: Busy naming the run that holds it, its process and host. Side effects: as `held`.
    """

    def refused(holder: Holder) -> Busy:
        return Busy(
            "The same pipeline runs already",
            run=holder.run,
            holder=holder.pid,
            host=holder.host,
            hint=f"look at it: agent-etl show {holder.run}",
        )

    with held(private_folder(folder) / f"{pipeline}.lock", refused, patience=_GLANCE, run=run_id):
        yield


@contextmanager
def held(
    path: Path, refused: Callable[[Holder], Busy], *, patience: float = 0.0, mode: int = 0o600, run: str = ""
) -> Iterator[None]:
    """Hold the lock file `path` while the block lasts. The kernel frees it at once when the process dies.

    Raises: what `refused` makes of the holder, after `patience` seconds; OSError. Side effects: creates the file, which
    stays: removing it would let two holders lock two files of one name.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode)
    try:
        deadline = time.monotonic() + patience
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise refused(_holder(os.pread(descriptor, _LONGEST, 0)))
            time.sleep(_PAUSE)
        with suppress(OSError):  # on a full disk the lock holds all the same, without a name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(Holder(str(os.getpid()), socket.gethostname(), run))).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(written: bytes) -> Holder:
    """Who wrote the lock file; it may be written this very moment."""
    try:
        return Holder(**json.loads(written))
    except (ValueError, TypeError):
        return Holder()


def _locked(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
