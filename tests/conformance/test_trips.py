"""Values of every kind from every source into every target, through the executor, compared by the target's own SQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from harness.kinds import HARD, WIDE, Kind, canonical, page
from harness.mariadb import MariadbServer
from harness.postgres import PostgresServer
from harness.trips import MANY, SYSTEMS, Place, lay, rows, same_many

from agent_etl.connectors.registry import open_connections
from agent_etl.engine.errors import TargetError
from agent_etl.engine.executor import Executor
from agent_etl.engine.plan import Plan
from agent_etl.engine.settings import Settings, load_settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.store import RunStore

pytestmark = [pytest.mark.postgres, pytest.mark.mysql]


TEXTS = ("csv", "jsonl")
TIMES = ("day", "stamp", "instant", "recent")
LONG = {"d6": "DECIMAL(10,6)", "d9": "DECIMAL(38,9)", "ts": "TIMESTAMP"}
RING = [*pairwise([*SYSTEMS, SYSTEMS[0]])]
# PostgreSQL holds all that is hard and gives it to all; the others give what they hold of it to a neighbour.
STAR = [*dict.fromkeys([*(("postgres", target) for target in SYSTEMS), *RING])]


@dataclass
class World:
    """All systems, twice: the sources as laid, and empty targets; one store for all runs."""

    sources: dict[str, Place]
    targets: dict[str, Place]
    settings: Settings
    store: RunStore
    folder: Path
    described: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)

    def options(self, source: str, table: str, kinds: list[Kind]) -> dict[str, object]:
        """The read options that a description of the table gives; of text files, with the types that a plan says."""
        if (source, table) not in self.described:
            place = self.sources[source]
            types = {"types": {kind.name: kind.types[source] for kind in kinds}} if source in TEXTS else None
            with closing(open_connections(self.settings, cwd=self.folder)) as connections:
                found = connections[f"from_{source}"].source().describe(place.dataset(table), types)
            self.described[source, table] = dict(found.options)
        return self.described[source, table]

    def plan(self, source: str, target: str, tables: dict[str, list[Kind]], *, staged: bool) -> str:
        """A plan that moves these tables, `staged` through a transform; else the engine may fuse read and load."""
        extracts, transforms, loads = [], [], []
        for table, kinds in tables.items():
            dataset = self.sources[source].dataset(table)
            options = self.options(source, table, kinds)
            extracts.append({"name": table, "source": f"from_{source}", "dataset": dataset, "options": options})
            if staged:
                transforms.append({"name": f"all_{table}", "sql": f"SELECT * FROM {table}"})
            load = {"name": f"load_{table}", "from": f"all_{table}" if staged else table, "target": f"to_{target}"}
            loads.append(
                {**load, "table": self.targets[target].dataset(arrived(source, table, staged)), "mode": "append"}
            )
        steps = {"extracts": extracts, "transforms": transforms, "loads": loads}
        return json.dumps({"name": f"{source}_to_{target}", **steps})

    def places(self) -> Iterator[tuple[str, Place]]:
        """Each connection's name and place."""
        yield from ((f"from_{system}", place) for system, place in self.sources.items())
        yield from ((f"to_{system}", place) for system, place in self.targets.items())

    @contextmanager
    def executor(self, text: str, run_id: str) -> Iterator[Executor]:
        """The executor of a plan over all systems."""
        connections = open_connections(self.settings, cwd=self.folder)
        stage = Stage(self.settings.home / "stages" / run_id)  # not shared: what is staged already is not fused
        made = Executor(
            Plan.parse(text),
            run_id=run_id,
            connections=connections,
            stage=stage,
            store=self.store,
            settings=self.settings,
        )
        try:
            yield made
        finally:
            made.close()
            connections.close()


def arrived(source: str, table: str, staged: bool) -> str:
    """The name of the target's table."""
    return f"of_{source}_{table}_{'staged' if staged else 'fused'}"


@pytest.fixture(scope="module")
def world(
    postgres: PostgresServer, mariadb: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Every system with the values of every kind in it, laid by its own client."""
    folder = tmp_path_factory.mktemp("trips")
    with postgres.database() as pg, mariadb.database() as my:
        sides = []
        for side in ("from", "to"):
            (folder / side).mkdir()
            where = {"duckdb": folder / f"{side}.duckdb", "sqlite": folder / f"{side}.sqlite"}
            servers = {"postgres": postgres.url(pg), "mysql": mariadb.url(my)}
            sides.append({s: Place(s, servers.get(s) or str(where.get(s, folder / side))) for s in SYSTEMS})
        sources, targets = sides
        for place in sources.values():
            lay(place, sources["duckdb"])
        urls = {f"{side}_{s}": p.url for side, all in (("from", sources), ("to", targets)) for s, p in all.items()}
        settings = load_settings(home=folder / "home", connections=urls)
        store = RunStore(settings.home)
        yield World(sources, targets, settings, store, folder)
        store.close()


def held(system: str) -> list[Kind]:
    return [kind for kind in WIDE if system in kind.types]


@pytest.mark.parametrize("source", SYSTEMS)
def test_sources_hold_what_was_meant(world: World, source: str) -> None:
    """Each source, read by its own client, holds exactly the values of the table of kinds."""
    for table, kinds in {"wide": held(source), **{k.name: [k] for k in HARD if source in k.types}}.items():
        found = rows(world.sources[source], table, kinds)
        for position, kind in enumerate(kinds):
            wanted = [canonical(kind.family, value) for value in kind.values]
            column = [row[position] for row in found]
            assert column == wanted + [None] * (len(found) - len(wanted)), kind.name


@pytest.mark.parametrize("target", SYSTEMS)
@pytest.mark.parametrize("source", SYSTEMS)
def test_values_survive_the_trip(world: World, source: str, target: str) -> None:
    """What every target can hold arrives exactly from every source, straight and, for some pairs, through a package."""
    kinds = held(source)
    wanted = rows(world.sources[source], "wide", kinds)
    for staged in (False, True) if (source, target) in RING else (False,):
        text = world.plan(source, target, {"wide": kinds}, staged=staged)
        with world.executor(text, f"{source}-{target}-{staged}") as executor:
            done = [executor.run(task) for task in executor.tasks()]
        assert bool(done[-1].detail.get("fused")) is not staged
        found = rows(world.targets[target], arrived(source, "wide", staged), kinds)
        for position, kind in enumerate(kinds):
            assert [row[position] for row in found] == [row[position] for row in wanted], (kind.name, staged)


@pytest.mark.parametrize(("source", "target"), STAR)
def test_what_cannot_be_held_is_refused(world: World, source: str, target: str) -> None:
    """A value that the target cannot hold ends its load with the column's name and leaves no table; others arrive."""
    hard = [kind for kind in HARD if source in kind.types]
    text = world.plan(source, target, {kind.name: [kind] for kind in hard}, staged=False)
    with world.executor(text, f"{source}-{target}-hard") as executor:
        tasks = {task.name: task for task in executor.tasks()}
        for kind in hard:
            table = arrived(source, kind.name, False)
            executor.run(tasks[kind.name])
            if target in kind.refused:
                with pytest.raises(TargetError) as refused:
                    executor.run(tasks[f"load_{kind.name}"])
                assert refused.value.fields["column"] == kind.name
                assert not world.targets[target].has(table), kind.name
                continue
            executor.run(tasks[f"load_{kind.name}"])
            wanted = rows(world.sources[source], kind.name, [kind])
            if target in kind.becomes:
                wanted = [(value and kind.becomes[target],) for (value,) in wanted]
            assert rows(world.targets[target], table, [kind]) == wanted, kind.name


@pytest.mark.parametrize(("source", "target"), RING)
def test_long_tables_survive_the_trip(world: World, source: str, target: str) -> None:
    """Every row of several batches arrives as it was: the target's own table of the same rows says so."""
    kinds = [Kind(n, "", (), dict.fromkeys(SYSTEMS, t)) for n, t in LONG.items()]
    staged = len(source) % 2 == 0
    with world.executor(world.plan(source, target, {"many": kinds}, staged=staged), f"{source}-many") as executor:
        for task in executor.tasks():
            executor.run(task)
    place = world.targets[target]
    name = arrived(source, "many", staged)
    ((count, ids, *_, same),) = same_many(place, name, world.sources[target], world.sources["duckdb"])
    assert (count, ids, same) == (MANY, MANY * (MANY + 1) // 2, MANY)


def test_the_zone_of_the_process_does_not_matter(world: World) -> None:
    """Times and instants are the same in every target when the process lives in Kathmandu."""
    extracts, loads = [], []
    for source in SYSTEMS:
        options = world.options(source, "wide", held(source))
        names = [kind.name for kind in held(source) if kind.name in TIMES]
        dataset = world.sources[source].dataset("wide")
        extract = {"name": f"read_{source}", "source": f"from_{source}", "dataset": dataset, "options": options}
        extracts.append({**extract, "columns": ["id", *names]})
        for target in (t for s, t in RING if s == source):
            table = world.targets[target].dataset(f"zoned_{source}")
            load = {"name": f"load_{source}_{target}", "from": f"read_{source}", "target": f"to_{target}"}
            loads.append({**load, "table": table, "mode": "append"})
    (world.folder / "zoned.json").write_text(json.dumps({"name": "zoned", "extracts": extracts, "loads": loads}))
    lines = [f"{name} = {json.dumps(place.url)}" for name, place in world.places()]
    (world.folder / "agent_etl.toml").write_text("[connections]\n" + "\n".join(lines) + "\n")
    environment = {**os.environ, "TZ": "Asia/Kathmandu", "AGENT_ETL_HOME": str(world.folder / "zoned_home")}
    command = [sys.executable, "-m", "agent_etl", "run", "zoned.json", "--approve", "auto"]
    done = subprocess.run(command, cwd=world.folder, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    for source in SYSTEMS:
        kinds = [kind for kind in held(source) if kind.name in TIMES]
        wanted = rows(world.sources[source], "wide", kinds)
        for target in (t for s, t in RING if s == source):
            assert rows(world.targets[target], f"zoned_{source}", kinds) == wanted, (source, target)


def test_the_page_says_what_is_tried() -> None:
    """docs/types.md is the table of kinds that these tests try; `python -m harness.kinds` in tests/ writes it."""
    assert (Path(__file__).parents[2] / "docs" / "types.md").read_text(encoding="utf-8") == page()
