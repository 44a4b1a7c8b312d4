"""Fresh worlds for fault tests: each kind of target is filled once, every round works on a copy of it."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.kill import Job, Nursery
from harness.mariadb import MariadbServer
from harness.pipelines import Pipeline
from harness.postgres import PostgresServer

__all__ = ["Rounds", "World"]


@dataclass(frozen=True)
class World:
    """One round's folder, and `pg_url`, its database, where the pipeline's target is a server's."""

    folder: Path
    pg_url: str | None

    def job(self, run_id: str = "job", *, resume: bool = False, fault: str = "") -> Job:
        """The pipeline's job in this world."""
        return Job(str(self.folder), "plan.yaml", run_id, resume, fault)


class Rounds:
    """Makes worlds below `folder`."""

    def __init__(self, nursery: Nursery, postgres: PostgresServer, mariadb: MariadbServer, folder: Path) -> None:
        self.nursery = nursery
        self._servers: dict[str, PostgresServer | MariadbServer] = {"postgres": postgres, "mysql": mariadb}
        self._folder = folder
        self._laid: dict[tuple[str, bool, str], World] = {}
        self._number = itertools.count(1)

    @contextmanager
    def world(self, pipeline: Pipeline) -> Iterator[World]:
        """A world in which the first load has been done and the job has not; gone when the block ends."""
        # What the first load leaves depends on its own mode, not on the mode or the rows of the second one.
        first = (pipeline.kind, pipeline.staged, pipeline.first_mode)
        laid = self._laid.get(first)
        if laid is None:
            laid = self._laid[first] = self._lay(pipeline)
        number = next(self._number)
        folder = self._folder / f"round{number}"
        server, name, pg_url = self._servers.get(pipeline.kind), f"round{number}", None
        if server is not None and laid.pg_url:
            server.copy(laid.pg_url.rsplit("/", 1)[1], name)
            pg_url = server.url(name)
        pipeline.copy(laid.folder, folder, pg_url)
        try:
            yield World(folder, pg_url)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if server is not None:
                server.drop(name)

    def _lay(self, pipeline: Pipeline) -> World:
        number = next(self._number)
        server, pg_url = self._servers.get(pipeline.kind), None
        if server is not None:
            server.copy(None, f"laid{number}")
            pg_url = server.url(f"laid{number}")
        world = World(self._folder / f"laid{number}", pg_url)
        pipeline.lay(world.folder, pg_url)
        outcome = self.nursery.finish(Job(str(world.folder), "before.yaml", "before"))
        if outcome.status != "succeeded":
            log = "\n".join(path.read_text() for path in world.folder.glob("report-*.log"))
            raise RuntimeError(f"the first load ended as {outcome.status}: {outcome.error}\n{log[-3000:]}")
        return world
