"""Looking at runs. Nothing here loads the state machine: a list of runs comes at once."""

from pathlib import Path

from agent_etl.engine.security.paths import standing
from agent_etl.engine.settings import load_settings
from agent_etl.graphs.reading import opened_store, read_run, summary
from agent_etl.graphs.result import Run, RunSummary

__all__ = ["get_run", "list_runs"]

Home = Path | str | None


def get_run(run_id: str, *, home: Home = None) -> Run:
    """A run as it stands. Raises: UnknownRun; SettingsError for a home that cannot be used."""
    with opened_store(load_settings(home=home), run_id) as store:
        return read_run(store, store.get_run(run_id), {})


def list_runs(*, home: Home = None) -> list[RunSummary]:
    """The home's runs, newest first; none where no home is. Raises: SettingsError for a home that cannot be used."""
    settings = load_settings(home=home)
    if settings.store_url is None and not standing(settings.home):
        return []
    with opened_store(settings) as store:
        return [summary(store, row) for row in store.list_runs()]
