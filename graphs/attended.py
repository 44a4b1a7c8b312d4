"""Work that a person may break off: it runs in a thread of its own, so that the main thread always hears signals."""

import threading
from collections.abc import Callable
from contextvars import copy_context

from agent_etl.engine.interruption import Interruption

__all__ = ["attended"]

_TURN = 0.02  # seconds


def attended(work: Callable[[], object], interruption: Interruption) -> None:
    """Do the work; Ctrl-C asks `interruption`, waits until the work has ended, and is raised unless it came too late.

    A database's driver keeps the main thread deaf while a query runs, and may swallow the signal; so the work is done
    elsewhere. A second Ctrl-C waits no longer. Outside of the main thread no signal is heard and the work is done here.

    Raises: KeyboardInterrupt; what the work raises. Side effects: a thread while the work lasts.
    """
    raised: list[BaseException] = []
    done = threading.Event()

    def inside() -> None:
        with interruption:
            work()

    if threading.current_thread() is not threading.main_thread():
        inside()
        return

    def outside() -> None:
        try:
            inside()
        except BaseException as error:
            raised.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=copy_context().run, args=(outside,), name="run", daemon=True)
    thread.start()
    try:
        _await(done)
    except KeyboardInterrupt:
        interruption.ask()
        _await(done)
    if raised:
        raise raised[0]


def _await(done: threading.Event) -> None:
    # Not `join`: interrupted, it takes the thread for ended. In short turns: a signal that the system gave to another
    # thread wakes nobody.
    while not done.wait(_TURN):
        pass
