"""Incremental extracts, run as a person runs them: real sources and targets, nothing lost, nothing twice."""

import hashlib
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from harness.mariadb import executed
from harness.targets import rows_of

from agent_etl import Run, run_pipeline
from agent_etl.engine.plan import Plan

pytestmark = pytest.mark.postgres

Row = tuple[Any, ...]
TARGETS = {"duckdb": "wh.duckdb:out", "sqlite": "wh.sqlite:out", "postgres": "pg:out", "parquet": "out/out.parquet"}


class World:
    """A SQLite source `orders (id, changed, cents)` and a target of some kind, in the current folder."""

    def __init__(self, kind: str, pg_url: str = "", source: str = "sqlite:///shop.sqlite") -> None:
        self.kind, self.pg_url = kind, pg_url
        Path("out").mkdir()
        urls = {
            "duckdb": "duckdb:///wh.duckdb",
            "sqlite": "sqlite:///wh.sqlite",
            "postgres": pg_url,
            "parquet": f"file://{Path.cwd()}/out/",
        }
        Path("agent_etl.toml").write_text(f'[connections]\nshop = "{source}"\nwh = "{urls[kind]}"\n')
        self.shop("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, changed INTEGER, cents INTEGER)")

    def shop(self, sql: str, rows: list[Row] | None = None) -> None:
        with closing(sqlite3.connect("shop.sqlite")) as connection, connection:
            connection.executemany(sql, rows) if rows is not None else connection.execute(sql)

    def put(self, *rows: Row) -> None:
        self.shop("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", list(rows))

    def run(self, incremental: str = "cursor: changed", mode: str = "append", **fields: Any) -> Run:
        return run_pipeline(self.plan(incremental, mode, **fields), approve="auto")

    def plan(
        self, incremental: str, mode: str = "append", key: str = "", sql: str = "", dataset: str = "orders", **load: str
    ) -> Plan:
        key = ", key: [id]" if mode == "merge" else key
        table = "out.parquet" if self.kind == "parquet" else "out"
        transforms = f'transforms: [{{name: made, sql: "{sql}"}}]\n' if sql else ""
        origin, name = "made" if sql else "read", load.get("name", "orders")
        return Plan.parse(
            f"name: {name}\nextracts:\n"
            f"- {{name: read, source: shop, dataset: {dataset}, incremental: {{{incremental}}}}}\n{transforms}"
            f"loads:\n- {{name: load, from: {origin}, target: wh, table: {table}, mode: {mode}{key}}}\n"
        )

    def rows(self, table: str = "") -> list[Row]:
        target = TARGETS[self.kind]
        place = f"{target.rpartition(':')[0]}:{table}" if table else target
        return sorted(rows_of(place, Path(), Path(), self.pg_url)[1], key=repr)

    def ids(self) -> list[int]:
        """The DuckDB target's ids alone: to give a time with a zone to Python, DuckDB would want a package more."""
        with duckdb.connect("wh.duckdb", read_only=True) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM out ORDER BY id").fetchall()]

    def hashes(self) -> dict[str, str]:
        files = [path for path in Path().rglob("*") if path.is_file() and ".agent_etl" not in path.parts]
        kept = [path for path in files if path.suffix != ".lock"]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.fixture(params=TARGETS)
def world(request: pytest.FixtureRequest, pg_url: str) -> World:
    """A world for each kind of target."""
    return World(request.param, pg_url)


def done(run: Run) -> Run:
    """The run, which must have succeeded."""
    assert run.status == "succeeded", run.report()
    return run


def test_rows_at_the_boundary_are_loaded_once_and_nothing_new_writes_nothing(world: World) -> None:
    """A row that shares the newest cursor is loaded once; a run with nothing new leaves every target file as it is."""
    mode = "merge" if world.kind in ("sqlite", "parquet") else "append"
    world.put((1, -5, 10), (2, 0, 20), (3, 7, 30))
    done(world.run(mode=mode))
    before, markers = world.hashes(), world.rows("_etl_loads") if world.kind != "parquet" else []
    again = done(world.run(mode=mode))
    assert again.loads[0].already and not again.loads[0].marker
    assert world.hashes() == before
    assert world.kind == "parquet" or world.rows("_etl_loads") == markers
    world.put((4, 7, 40), (5, 8, 50))
    run = done(world.run(mode=mode))
    assert world.rows() == [(1, -5, 10), (2, 0, 20), (3, 7, 30), (4, 7, 40), (5, 8, 50)]
    assert "read: changed from 7 to 8" in run.report()


def test_late_rows_inside_the_lag_are_loaded_once(world: World) -> None:
    """Rows that come late, but within the lag, are added once; equal rows as often as the source has them."""
    world.shop("CREATE TABLE events (changed INTEGER, text TEXT)")
    put = "INSERT INTO events VALUES (?, ?)"
    world.shop(put, [(100, "a"), (100, "a"), (95, "b")])
    spec = "cursor: changed, lag: 10"
    done(world.run(spec, dataset="events"))
    world.shop(put, [(100, "a"), (92, "late"), (50, "too late")])
    done(world.run(spec, dataset="events"))
    done(world.run(spec, dataset="events"))
    assert world.rows() == [(100, "a"), (100, "a"), (100, "a"), (92, "late"), (95, "b")]


@pytest.mark.parametrize(("kind", "seed"), [("duckdb", 1), ("postgres", 2)])
def test_batches_of_any_kind_end_as_one_full_load(kind: str, seed: int, pg_url: str) -> None:
    """Inserts and updates in any order, with ties at the boundary: merged, the target is the source."""
    world, chance = World(kind, pg_url), random.Random(seed)
    rows: dict[int, Row] = {}
    clock = 0
    for _ in range(4):
        for _ in range(chance.randrange(0, 25)):
            clock += chance.randrange(0, 2)
            key = chance.randrange(40)
            rows[key] = (key, clock, chance.randrange(1000))
        world.put(*rows.values())
        done(world.run(mode="merge"))
        assert world.rows() == sorted(rows.values(), key=repr)


@pytest.mark.parametrize(("kind", "seed"), [("sqlite", 3), ("parquet", 4)])
def test_appended_batches_hold_each_row_once(kind: str, seed: int) -> None:
    """Batches with ties and late rows inside the lag: appended, each row of the source is there as often as there."""
    world, chance = World(kind), random.Random(seed)
    world.shop("CREATE TABLE events (changed INTEGER, text TEXT)")
    rows: list[Row] = []
    clock = 100
    for _ in range(4):
        batch = [(clock - chance.randrange(0, 5), chance.choice("ab")) for _ in range(chance.randrange(0, 20))]
        clock += chance.randrange(0, 3)
        rows += batch
        world.shop("INSERT INTO events VALUES (?, ?)", batch)
        done(world.run("cursor: changed, lag: 10", dataset="events"))
        assert world.rows() == sorted(rows, key=repr)


def test_a_row_that_a_slow_writer_commits_late_is_not_lost_with_a_lag(pg_url: str) -> None:
    """Two writers in PostgreSQL, the older stamp committed last: with a lag it is loaded; without one the run warns."""
    world = World("duckdb", pg_url, source=pg_url)
    with psycopg.connect(pg_url) as slow, psycopg.connect(pg_url) as fast:
        fast.execute("CREATE TABLE orders (id int PRIMARY KEY, changed timestamptz NOT NULL)")
        fast.commit()
        slow.execute("INSERT INTO orders VALUES (1, '2024-03-01 10:00:00+00')")
        fast.execute("INSERT INTO orders VALUES (2, '2024-03-01 10:00:05+00')")
        fast.commit()
        lagging, plain = "cursor: changed, lag: 1 minute", "cursor: changed"
        done(world.run(lagging, name="lagging", dataset="public.orders"))
        warned = done(world.run(plain, mode="merge", name="plain", dataset="public.orders"))
        slow.commit()
    assert "late_commits" in [finding.code for finding in warned.findings]
    assert "committed later" in warned.report()
    run = done(world.run(lagging, name="lagging", dataset="public.orders"))
    assert "late_commits" not in [finding.code for finding in run.findings]
    assert world.ids() == [1, 2]


@pytest.mark.parametrize(
    ("kind", "nulls", "rows"),
    [
        ("postgres", "include", [(1, 5, 1), (2, None, 2)]),
        ("parquet", "include", [(1, 5, 1), (2, None, 2)]),
        ("duckdb", "exclude", [(1, 5, 1)]),
    ],
)
def test_rows_without_a_cursor_are_read_or_left_out_as_the_plan_says(
    kind: str, nulls: str, rows: list[Row], pg_url: str
) -> None:
    """`include` loads them once, `exclude` counts them as filtered."""
    world = World(kind, pg_url)
    world.put((1, 5, 1), (2, None, 2))
    runs = [done(world.run(f"cursor: changed, nulls: {nulls}")) for _ in range(2)]
    assert world.rows() == sorted(rows, key=repr)
    read = runs[0].tasks[0]
    assert (read.rows_out, read.filtered) == (len(rows), 2 - len(rows))


def test_rows_without_a_cursor_stop_the_run_by_default() -> None:
    """By default the run fails, names the column and the count, and the target is untouched."""
    world = World("duckdb")
    world.put((1, 5, 1), (2, None, 2), (3, None, 3))
    run = world.run()
    assert run.failure is not None and run.failure.code == "read_error"
    assert run.failure.fields["rows"] == 2 and run.failure.fields["column"] == "changed"
    with pytest.raises(LookupError):
        world.rows()


CURSORS = {
    "BIGINT": ["-3", "0", "9007199254740993"],
    "DECIMAL(20,4)": ["-1.0001", "0.0000", "3.1400"],
    "DATE": ["0044-03-15 (BC)", "2024-02-28", "2024-02-29"],
    "TIMESTAMP": ["1969-12-31 23:59:59.999999", "2024-03-31 02:30:00", "2024-03-31 02:30:00.000001"],
    "TIMESTAMPTZ": ["2024-03-31 00:59:59+00", "2024-03-31 03:30:00.5+02", "2024-03-31 01:30:00.500001+00"],
    "VARCHAR": ["", "Z", "a'\\\"é"],
}


@pytest.mark.parametrize("kind", CURSORS)
def test_each_type_of_cursor_goes_on_where_it_was(kind: str) -> None:
    """Zero, negative, old and fine values of each type are read once, and the next run begins at the newest one."""
    world = World("duckdb", source="duckdb:///shop.duckdb")
    for number, value in enumerate(CURSORS[kind]):
        with duckdb.connect("shop.duckdb") as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS orders (id INTEGER, changed {kind})")
            connection.execute(f"INSERT INTO orders VALUES (?, CAST(? AS {kind}))", [number, value])
        run = done(world.run())
        assert run.tasks[0].rows_out == min(number + 1, 2)
    done(world.run())
    assert world.ids() == [0, 1, 2]


def test_many_rows_that_share_the_newest_cursor_cost_no_state() -> None:
    """300,000 rows share the cursor; after three runs the target holds each once, and the markers are small."""
    world = World("duckdb", source="duckdb:///shop.duckdb")
    with duckdb.connect("shop.duckdb") as connection:
        connection.execute("CREATE TABLE orders AS SELECT range AS id, DATE '2024-01-01' AS changed FROM range(300000)")
    for _ in range(3):
        done(world.run())
    assert len(world.rows()) == 300_000
    assert len(repr(world.rows("_etl_loads"))) < 64 * 1024


def test_a_backfill_loads_each_chunk_by_a_load_of_its_own(world: World) -> None:
    """The range goes in chunk by chunk, rows outside stay away, and a second run finds nothing to do."""
    world.put(*((n, n * 10, n) for n in range(12)))
    spec = "cursor: changed, start: 10, end: 100, chunk: 30"
    run = done(world.run(spec))
    assert world.rows() == sorted(((n, n * 10, n) for n in range(1, 10)), key=repr)
    load = next(task for task in run.tasks if task.kind == "load")
    assert (load.detail["chunks"], load.rows_out, load.detail["inserted"]) == (3, 9, 9)
    before = world.hashes()
    again = done(world.run(spec))
    assert again.loads[0].already and world.hashes() == before


def test_two_pipelines_on_one_table_keep_their_own_cursors(pg_url: str) -> None:
    """What one pipeline has read says nothing about what another has read into the same table."""
    world = World("postgres", pg_url)
    world.put((1, 5, 1))
    world.shop("CREATE TABLE other (id INTEGER, changed INTEGER, cents INTEGER)")
    world.shop("INSERT INTO other VALUES (9, 2, 9)")
    done(world.run(name="one"))
    done(world.run(name="two", dataset="other"))
    world.put((2, 6, 2))
    world.shop("INSERT INTO other VALUES (8, 3, 8)")
    done(world.run(name="one"))
    done(world.run(name="two", dataset="other"))
    assert world.rows() == [(1, 5, 1), (2, 6, 2), (8, 3, 8), (9, 2, 9)]


def test_an_extract_of_two_loads_goes_back_to_the_older_cursor() -> None:
    """A table that is added later gets all rows, and the older one no row twice."""
    world = World("duckdb")
    world.put((1, 5, 1), (2, 6, 2))
    done(world.run())
    text = (
        world.plan("cursor: changed")
        .to_yaml()
        .replace("loads:", "loads:\n- {name: more, from: read, target: wh, table: more}")
    )
    done(run_pipeline(Plan.parse(text), approve="auto"))
    assert world.rows() == world.rows("more") == [(1, 5, 1), (2, 6, 2)]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "postgres"])
def test_markers_of_an_older_version_get_a_place_for_cursors(kind: str, pg_url: str) -> None:
    """A marker table without the column is altered by the first incremental load, and its markers stay."""
    world = World(kind, pg_url)
    world.put((1, 5, 1))
    done(world.run("cursor: changed", name="old"))
    statement = 'ALTER TABLE _etl_loads DROP COLUMN "cursor"'
    if kind == "duckdb":  # it drops no column of a table with a key
        names = 'load_id, "table", mode, "rows", epoch, sha256, run_id, plan_hash, loaded_at'
        with duckdb.connect("wh.duckdb") as connection:
            connection.execute(f"CREATE TABLE kept AS SELECT {names} FROM _etl_loads; DROP TABLE _etl_loads")
            connection.execute("ALTER TABLE kept RENAME TO _etl_loads")
    elif kind == "sqlite":
        with closing(sqlite3.connect("wh.sqlite")) as connection, connection:
            connection.execute(statement)
    else:
        with psycopg.connect(pg_url) as connection:
            connection.execute(statement.encode())
    world.put((2, 6, 2))
    done(world.run("cursor: changed, nulls: exclude, start: 6", name="old"))
    done(world.run("cursor: changed, nulls: exclude, start: 6", name="old"))
    assert world.rows() == [(1, 5, 1), (2, 6, 2)]
    assert len(world.rows("_etl_loads")) == 2


def test_a_csv_file_is_filtered_while_it_is_read() -> None:
    """Rows of a grown file that lie before the cursor are read past and counted as filtered."""
    world = World("sqlite", source=f"file://{Path.cwd()}/")
    Path("in.csv").write_text("id,changed\n1,2024-01-01\n2,2024-01-02\n")
    done(world.run(dataset="in.csv"))
    with Path("in.csv").open("a") as file:
        file.write("3,2024-01-02\n4,2024-01-03\n")
    run = done(world.run(dataset="in.csv"))
    assert (run.tasks[0].rows_out, run.tasks[0].filtered) == (3, 1)
    assert [row[0] for row in world.rows()] == [1, 2, 3, 4]


REFUSED = {
    "replace": ("incremental_replace", {"mode": "replace"}),
    "a total": ("partial_rows", {"mode": "merge", "sql": "SELECT cents AS id, sum(id) AS n FROM read GROUP BY cents"}),
    "a cursor that is cast": ("incremental_append", {"sql": "SELECT id, changed + 1 AS changed FROM read"}),
    "a cursor that is left out": ("incremental_append", {"sql": "SELECT id FROM read"}),
    "a rank": ("partial_rows", {"sql": "SELECT id, changed, rank() OVER (ORDER BY id) AS n FROM read"}),
    "a limit": ("partial_rows", {"sql": "SELECT * FROM read LIMIT 5"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_loaded_in_parts_is_refused_before_anything_is_read(case: str) -> None:
    """Preflight stops the plan, says what is wrong and what to do, and no target is made."""
    world = World("duckdb")
    world.put((1, 5, 1))
    code, fields = REFUSED[case]
    run = world.run(**fields)  # type: ignore[arg-type]
    found = [finding for finding in run.findings if finding.code == code]
    assert run.status != "succeeded" and found and found[0].hint
    assert not Path("wh.duckdb").exists()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("cursor: chnged", ["no column chnged", "changed"]),
        ("cursor: changed, lag: 2 days", ["lag", "number"]),
        ("cursor: changed, start: x", ["start", "BIGINT"]),
        ("cursor: changed, start: 9, end: 3", ["start is not before end"]),
    ],
)
def test_a_wrong_range_is_named_with_its_field(spec: str, words: list[str]) -> None:
    """A cursor, lag or end that does not hold is told with the extract and what is valid."""
    world = World("duckdb")
    world.put((1, 5, 1))
    run = world.run(spec)
    assert run.status != "succeeded"
    told = " ".join(str(finding) for finding in run.findings if finding.severity == "error")
    assert all(word in told for word in ("read", *words)), told


@pytest.mark.mysql
def test_mariadb_keeps_cursors_and_tells_rows_apart_by_their_bytes(mysql_url: str) -> None:
    """A text cursor with quotes and backslashes comes back as it was; `A` and `a` are two rows there too."""
    world = World("postgres", mysql_url)
    world.shop("CREATE TABLE events (changed TEXT, text TEXT)")
    put = "INSERT INTO events VALUES (?, ?)"
    world.shop(put, [("a'\\\"é", "A"), ("Z", "b ")])
    done(world.run(dataset="events"))
    world.shop(put, [("a'\\\"é", "a"), ("a'\\\"é", "A "), ("b", "c")])
    done(world.run(dataset="events"))
    again = done(world.run(dataset="events"))
    assert again.loads[0].already and not again.loads[0].marker
    rows = executed(mysql_url, "SELECT changed, text FROM `out`")
    text = "a'\\\"é"
    assert sorted(rows) == sorted([(text, "A"), ("Z", "b "), (text, "a"), (text, "A "), ("b", "c")])
    assert executed(mysql_url, "SELECT count(*) FROM _etl_loads") == [(2,)]
