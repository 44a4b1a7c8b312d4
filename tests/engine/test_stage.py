"""Staged packages exist whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta

import pytest

from agent_etl.engine.duck import attached, columns_of, connect
from agent_etl.engine.errors import Corrupt, DiskFull, ReadError, UsageError
from agent_etl.engine.manifest import SetAside
from agent_etl.engine.schema import Column
from agent_etl.engine.stage import Stage

NUMBERS = (Column("n", "BIGINT"), Column("t", "VARCHAR"))
FIVE = "SELECT range AS n, 'row ' || range AS t FROM range(5)"


@pytest.fixture
def duck():
    connection = connect()
    yield connection
    connection.close()


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path / "year=2024 [a]*" / "stage")


def seal(stage, duck, fingerprint="f1", select=FIVE, columns=NUMBERS):
    with stage.writer(fingerprint, columns) as writer:
        rows = writer.write(duck, select)
        return writer.seal(rows_in=rows)


def rows_of(duck, relation):
    with attached(duck, relation) as select:
        return duck.sql(select).to_arrow_table().to_pylist()


def test_a_sealed_package_gives_its_rows_in_order(stage, duck):
    """What was written is read back, in order, also below a folder whose name looks like a partition and a glob."""
    manifest = seal(stage, duck)
    assert stage.sealed("f1") == manifest
    stage.verify(manifest)
    assert rows_of(duck, stage.relation(manifest)) == [{"n": n, "t": f"row {n}"} for n in range(5)]
    assert (manifest.rows, manifest.rows_in, len(manifest.parts)) == (5, 5, 1)


def test_nothing_is_left_of_a_writer_that_fails(stage, duck):
    """A package that was not sealed does not exist, and its files are gone."""
    with pytest.raises(ReadError), stage.writer("f1", NUMBERS) as writer:
        writer.write(duck, FIVE)
        writer.write(duck, "SELECT CAST(t AS BIGINT) AS n, t FROM (SELECT 'x' AS t)")
    assert stage.sealed("f1") is None
    assert list(stage.root.iterdir()) == []


def test_rejected_rows_lie_beside_the_package(stage, duck):
    """Rows that were set aside are counted and kept with their reason."""
    with stage.writer("f1", NUMBERS) as writer:
        rows = writer.write(duck, FIVE)
        aside = writer.set_aside(
            duck, "SELECT 3 AS line, 'n' AS column_name, 'no number' AS reason, 'x,y' AS raw", "{}"
        )
        manifest = writer.seal(rows_in=rows + aside)
    assert (manifest.rows_in, manifest.rows, manifest.quarantined) == (6, 5, 1)
    (kept,) = stage.aside(manifest, "read", None).files.values()
    columns = "number, line, check_name, column_name, reason, raw, cut_bytes"
    assert duck.execute(f"SELECT {columns} FROM {kept}").fetchall() == [(1, 3, None, "n", "no number", "x,y", None)]
    assert manifest.reasons == (SetAside(None, "n", "no number", 1),)
    stage.verify(manifest)


@pytest.mark.parametrize("text", ["", "{", '{"version": 1}', '{"version": 1, "fingerprint": "f2"}', "[]", "null"])
def test_half_a_manifest_is_no_package(stage, duck, text):
    """A manifest that power loss left empty or cut counts as unsealed, and the package can be made again."""
    seal(stage, duck)
    (stage.root / "f1" / "manifest.json").write_text(text)
    assert stage.sealed("f1") is None
    assert seal(stage, duck) == stage.sealed("f1")


def test_a_newer_manifest_is_a_clear_error(stage, duck):
    """A package of a newer version is not guessed at."""
    seal(stage, duck)
    path = stage.root / "f1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(UsageError, match="newer"):
        stage.sealed("f1")


def test_changed_bytes_are_named(stage, duck):
    """A flipped byte, a cut file and a missing file are each named with what was expected and found."""
    manifest = seal(stage, duck)
    path = stage.root / "f1" / manifest.parts[0].name
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (bytes(flipped), whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(Corrupt) as caught:
            stage.verify(manifest)
        assert caught.value.fields["path"] == str(path)
        assert caught.value.fields["expected"] != caught.value.fields["found"]
    path.unlink()
    with pytest.raises(Corrupt):
        stage.verify(manifest)
    stage.discard("f1")
    assert stage.sealed("f1") is None


def test_the_first_of_two_writers_wins(stage, duck):
    """Two writers of one fingerprint leave one whole package."""
    with stage.writer("f1", NUMBERS) as first, stage.writer("f1", NUMBERS) as second:
        first.write(duck, FIVE)
        second.write(duck, FIVE + " WHERE range < 2")
        kept = first.seal(rows_in=5)
        assert second.seal(rows_in=2) == kept
    assert stage.sealed("f1") == kept
    assert [path.name for path in stage.root.iterdir()] == ["f1"]


@pytest.mark.parametrize("fault", ["stage.part_written", "stage.before_seal", "stage.sealed"])
def test_a_killed_writer_leaves_a_package_or_nothing(stage, fault):
    """kill -9 next to each durable step leaves the package whole or unsealed, and the leftovers are swept."""
    code = f"""
        from pathlib import Path
        from agent_etl.engine.duck import connect
        from agent_etl.engine.schema import Column
        from agent_etl.engine.stage import Stage
        with Stage(Path({str(stage.root)!r})).writer("f1", (Column("n", "BIGINT"),)) as writer:
            writer.seal(rows_in=writer.write(connect(), "SELECT 1::BIGINT AS n"))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "AGENT_ETL_FAULT": f"{fault}:1:kill"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    sealed = stage.sealed("f1")
    assert (sealed is not None) == (fault == "stage.sealed")
    assert stage.sweep() == (0 if sealed else 1)
    assert [path.name for path in stage.root.iterdir()] == (["f1"] if sealed else [])
    if sealed:
        stage.verify(sealed)


def test_a_sweep_spares_living_writers_and_used_packages(stage, duck):
    """Only the leftovers of dead writers and packages that nobody used go."""
    used = seal(stage, duck, "used")
    seal(stage, duck, "old")
    os.utime(stage.root / "old" / "manifest.json", (1, 1))
    os.utime(stage.root / "used" / "manifest.json", (1, 1))
    stage.relation(used)
    with stage.writer("f1", NUMBERS) as writer:
        rows = writer.write(duck, FIVE)
        assert stage.sweep(timedelta(hours=1)) == 1
        writer.seal(rows_in=rows)
    assert sorted(path.name for path in stage.root.iterdir()) == ["f1", "used"]


@pytest.mark.parametrize(
    "value",
    [
        "170141183460469231731687303715884105727::HUGEINT",
        "[1::HUGEINT, -170141183460469231731687303715884105727]",
        "340282366920938463463374607431768211455::UHUGEINT",
        "18446744073709551615::UBIGINT",
        "'nan'::DOUBLE",
        "1.50::DECIMAL(38,10)",
        "'a' || chr(0) || 'b'",
        "'\\x00\\xff'::BLOB",
        "'5000-01-01 (BC)'::DATE",
        "'infinity'::TIMESTAMP",
        "'2020-01-01 01:02:03.123456789'::TIMESTAMP_NS",
        "'2020-01-01'::TIMESTAMP_S",
        "'2020-01-01'::TIMESTAMP_MS",
        "'2020-01-01 00:00:00+03'::TIMESTAMPTZ",
        "'10:00:00+05:30'::TIMETZ",
        "'24:00:00'::TIME",
        "INTERVAL '1 year 2 days 3.000001 seconds'",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID",
        "'10101'::BIT",
        "12345678901234567890123456789012345678901234567890::BIGNUM",
        "'{\"a\": 1}'::JSON",
        "'HUGEINT'::ENUM('a', 'HUGEINT')",
        "[1,2,3]::INTEGER[3]",
        "{'a': 1, 'HUGEINT': 2::HUGEINT}",
        "map{'a': INTERVAL '3.000001 seconds'}",
        "NULL::HUGEINT",
    ],
)
def test_every_type_comes_back_as_it_was(stage, duck, value):
    """A value that was staged has the same type and text when it is read again."""
    select = f"SELECT {value} AS v"
    before = duck.sql(f"SELECT typeof(v), v::VARCHAR FROM ({select})").fetchall()
    manifest = seal(stage, duck, select=select, columns=columns_of(duck, select))
    with attached(duck, stage.relation(manifest)) as again:
        assert duck.sql(f"SELECT typeof(v), v::VARCHAR FROM ({again})").fetchall() == before


def test_a_full_disk_is_said_so(stage):
    """A package that does not fit is DiskFull with the path, and leaves nothing behind."""
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        from agent_etl.engine.duck import connect
        from agent_etl.engine.errors import DiskFull
        from agent_etl.engine.schema import Column
        from agent_etl.engine.stage import Stage
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            with Stage(Path({str(stage.root)!r})).writer("f1", (Column("n", "DOUBLE"),)) as writer:
                writer.write(connect(), "SELECT random() AS n FROM range(1000000)")
        except DiskFull as error:
            sys.exit(7 if error.fields["path"] else 1)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert DiskFull.code == "disk_full"
    assert done.returncode == 7
    assert list(stage.root.iterdir()) == []
