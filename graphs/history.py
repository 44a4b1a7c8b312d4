"""Looking at runs. Nothing here loads the state machine: a list of runs comes at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_etl.engine.settings import load_settings
from agent_etl.engine.store import RunStore
from agent_etl.graphs.reading import read_run, summary
from agent_etl.graphs.result import Run, RunSummary

__all__ = ["get_run", "list_runs"]

Home = Path | str | None


def get_run(run_id: str, *, home: Home = None) -> Run:
    """A run as it stands. Raises: UnknownRun."""
    with _store(home) as store:
        return read_run(store, store.get_run(run_id), {})


def list_runs(*, home: Home = None) -> list[RunSummary]:
    """The home's runs, newest first."""
    with _store(home) as store:
        return [summary(store, row) for row in store.list_runs()]


@contextmanager
def _store(home: Home) -> Iterator[RunStore]:
    settings = load_settings(home=home)
    with RunStore(settings.home, url=settings.store_url) as store:
        yield store
