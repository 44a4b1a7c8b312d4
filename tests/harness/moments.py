"""Wait for a moment in another process."""

import time
from pathlib import Path

__all__ = ["wait_until_stopped"]


def wait_until_stopped(pid: int, seconds: float = 30.0) -> None:
    """Until the process stands still (SIGSTOP), as it does at a fault point whose action is stop.

    Raises: TimeoutError; ProcessLookupError when it ended instead.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            raise ProcessLookupError(f"process {pid} ended before its fault point") from None
        if state == "T":
            return
        if state == "Z":
            raise ProcessLookupError(f"process {pid} ended before its fault point")
        if time.monotonic() > deadline:
            raise TimeoutError("the process never reached its fault point")
        time.sleep(0.005)
