"""What a run was started with, as it is remembered: enough to go on in another process, and no secret."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent_etl.engine.errors import SettingsError, UnknownRun, UsageError
from agent_etl.engine.plan import Plan
from agent_etl.engine.records import RunRecord
from agent_etl.engine.security.secrets import redact
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.engine.store import RunStore, new_run_id
from agent_etl.engine.tasks import fingerprint
from agent_etl.graphs.archive import Archive

__all__ = ["Request", "pipeline_of", "settings_for", "start_run"]


_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Request:
    """`folder` is the current directory of the start: relative paths keep their meaning. `plan` is the hash of a plan
    that was given instead of a goal. `connections` are the given URLs without passwords; those of `secret` lost one."""

    approve: str = "risky"
    planner: str = "rules"
    folder: str = "."
    plan: str = ""
    connections: Mapping[str, str] = field(default_factory=dict)
    secret: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: RunRecord) -> "Request":
        """The request of a run that the store knows."""
        values: dict[str, Any] = dict(row.request)
        return cls(**{**values, "secret": tuple(values.get("secret", ()))})

    @classmethod
    def remembering(cls, connections: Mapping[str, str], **values: str) -> "Request":
        """A request whose connections hold no secret any more. A `${NAME}` reference is none."""
        safe = {name: redact(url) for name, url in connections.items()}
        lost = tuple(sorted(name for name, url in connections.items() if safe[name] != url))
        return cls(connections=safe, secret=lost, folder=str(Path.cwd()), **values)

    def pipeline(self, goal: str) -> str:
        """What tells this pipeline from others: what was asked, over which connections, from which folder."""
        return fingerprint(self.plan or goal.strip(), sorted(self.connections.items()), self.folder)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able fields."""
        return {**asdict(self), "connections": dict(self.connections), "secret": list(self.secret)}


def settings_for(request: Request, home: Path | str | None, connections: Mapping[str, str]) -> Settings:
    """The settings of a run: what is given now wins over the settings as they are, and those over what was remembered.

    Raises: SettingsError naming a connection whose password was not kept.
    """
    now = load_settings(home=home)
    remembered = {n: url for n, url in request.connections.items() if n not in connections and n not in now.connections}
    lost = sorted(name for name in remembered if name in request.secret)
    if lost:
        raise SettingsError(
            "A connection's password is not kept with the run",
            connection=lost[0],
            url=remembered[lost[0]],
            hint=f"give it again: connections={{{lost[0]!r}: …}}, --connection {lost[0]}=URL or agent_etl.toml",
        )
    return load_settings(home=home, connections={**remembered, **connections})


def pipeline_of(goal: str | Plan, connections: Mapping[str, str]) -> str:
    """What tells the pipeline of a goal, asked in the current folder, from others."""
    request = Request.remembering(connections, plan=goal.hash if isinstance(goal, Plan) else "")
    return request.pipeline("" if isinstance(goal, Plan) else goal)


def start_run(
    goal: str | Plan,
    *,
    home: Path | str | None = None,
    run_id: str | None = None,
    connections: Mapping[str, str] | None = None,
    approve: str = "risky",
    planner: str = "rules",
    answers: Mapping[str, str] | None = None,
) -> str:
    """Write a new run down and give its id. Nothing is read or run yet.

    Raises: UsageError for an id that is taken or is no word. Side effects: the run's row and documents.
    """
    if run_id is not None and not _ID.fullmatch(run_id):
        raise UsageError("A run's id is a word of letters, digits, dots, _ and -", got=run_id)
    settings = load_settings(home=home, connections=connections)
    with RunStore(settings.home, url=settings.store_url) as store:
        chosen = run_id or new_run_id()
        if run_id is not None and _taken(store, run_id):
            raise UsageError(
                "A run of that id is there already", run=run_id, hint=f"resume it: agent-etl resume {run_id}"
            )
        archive = Archive(store, chosen)
        # The documents come first: a run whose row is there has everything that it was started with.
        archive.save_answers(dict(answers or {}), given=True)
        plan_hash = archive.save_plan(goal) if isinstance(goal, Plan) else ""
        request = Request.remembering(connections or {}, approve=approve, planner=planner, plan=plan_hash)
        text = goal.goal if isinstance(goal, Plan) else goal
        store.create_run(chosen, text, request.to_dict())
    return chosen


def _taken(store: RunStore, run_id: str) -> bool:
    try:
        store.get_run(run_id)
    except UnknownRun:
        return False
    return True
