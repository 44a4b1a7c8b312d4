"""Interruption: what a run does in any of its threads can be ended from another one.

Whoever opens a connection inside a run says how its work is ended (`interruptible`). Ctrl-C asks the run's
Interruption, which ends all of that and what begins later, again and again until it is closed: drivers forget a
request that comes just before the query begins. Nothing commits after it (`check`), so targets roll back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Self

__all__ = ["Interruption", "check", "interruptible", "pause"]

_AGAIN = 0.1  # seconds between two requests

_current: "ContextVar[Interruption | None]" = ContextVar("interruption", default=None)


@dataclass
class _Work:
    """One thing that runs: how it is ended. The lock keeps it from being ended when it is closed already."""

    cancel: Callable[[], object]
    lock: Lock = field(default_factory=Lock)
    running: bool = True

    def end(self) -> None:
        with self.lock:
            if self.running:
                try:
                    self.cancel()
                except Exception:  # a driver may have nothing to end just now, or no way to; it is asked again
                    return

    def forget(self) -> None:
        with self.lock:
            self.running = False


class Interruption:
    """Ends the work of one run. Inside `with` it is the one of this context and of the threads that inherit it."""

    def __init__(self) -> None:
        self._works: dict[int, _Work] = {}
        self._lock = Lock()
        self._asked = Event()
        self._closed = Event()

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """End all that runs now, and all that begins until `close`. Side effects: a thread, until then."""
        if not self._asked.is_set():
            self._asked.set()
            Thread(target=self._ending, name="interrupting", daemon=True).start()

    def close(self) -> None:
        """Ask nothing any more."""
        self._closed.set()

    def wait(self, seconds: float) -> bool:
        """Whether the run is asked to end within that time."""
        return self._asked.wait(seconds)

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)

    @contextmanager
    def over(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Inside, `ask` calls `cancel` from another thread."""
        work = _Work(cancel)
        with self._lock:
            self._works[id(work)] = work
        try:
            yield
        finally:
            with self._lock:
                del self._works[id(work)]
            work.forget()

    def _ending(self) -> None:
        while not self._closed.is_set():
            with self._lock:
                works = list(self._works.values())
            for work in works:
                work.end()
            self._closed.wait(_AGAIN)


@contextmanager
def interruptible(cancel: Callable[[], object]) -> Iterator[None]:
    """Inside, the run of this context may call `cancel` from another thread, to end what goes on here."""
    interruption = _current.get()
    if interruption is None:
        yield
        return
    with interruption.over(cancel):
        yield


def check() -> None:
    """Go no further when the run of this context is to end. Raises: KeyboardInterrupt."""
    interruption = _current.get()
    if interruption is not None and interruption.asked:
        raise KeyboardInterrupt


def pause(seconds: float) -> None:
    """Sleep, unless the run of this context is to end. Raises: KeyboardInterrupt."""
    interruption = _current.get()
    (interruption or Interruption()).wait(seconds)
    check()
