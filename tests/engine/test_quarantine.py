"""Which rows go, and how many may."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_etl.engine.duck import Cursor, attached, connect
from agent_etl.engine.errors import CheckFailed, PlanError
from agent_etl.engine.manifest import Manifest
from agent_etl.engine.plan import Check, Extract
from agent_etl.engine.quarantine import splitter, tolerate_check, tolerate_read
from agent_etl.engine.schema import Column
from agent_etl.engine.stage import Stage

COLUMNS = (Column("id", "BIGINT"), Column("word", "VARCHAR"), Column("size", "DOUBLE"))
ROWS = (
    "SELECT * FROM (VALUES (1, 'a', 1.5), (2, 'b', 'nan'::DOUBLE), (2, 'c', 3), (NULL, 'd', 4), (NULL, 'e', -1), "
    "(6, NULL, 6)) AS rows(id, word, size)"
)


@pytest.fixture
def duck() -> Iterator[Cursor]:
    connection = connect()
    yield connection
    connection.close()


def check(kind: str, **fields: object) -> Check:
    return Check.model_validate({"name": kind, "on": "s", "kind": kind, "severity": "quarantine", **fields})


def split(folder: Path, duck: Cursor, *checks: Check) -> tuple[Manifest, list[tuple[object, ...]], list[str]]:
    """The package, the rows that stay, and the words of those that go."""
    stage = Stage(folder)
    with stage.writer("f", COLUMNS, splitter(checks, COLUMNS)) as writer:
        manifest = writer.seal(rows_in=writer.write(duck, ROWS))
    with attached(duck, stage.relation(manifest)) as select:
        stay = duck.execute(f"SELECT id, word FROM ({select})").fetchall()
    (kept,) = stage.aside(manifest, "s", None).files.values()
    return manifest, stay, [row[0] for row in duck.execute(f"SELECT raw ->> '/word' FROM {kept}").fetchall()]


@pytest.mark.parametrize(
    ("made", "gone"),
    [
        (check("not_null", columns=["word"]), [None]),
        (check("unique", columns=["id"]), ["b", "c"]),
        (check("unique", columns=["id", "word"]), []),
        (check("range", columns=["size"], low=0), ["b", "e"]),
        (check("accepted", columns=["word"], values=["a", "b", "c", "d"]), ["e"]),
        (check("expression", sql="id > 1"), ["a", "d", "e"]),
    ],
    ids=lambda value: value.kind if isinstance(value, Check) else "",
)
def test_each_kind_takes_the_rows_that_fail_it(
    tmp_path: Path, duck: Cursor, made: Check, gone: list[str | None]
) -> None:
    """Rows that fail go, all rows of a repeated key among them; the others stay in their order, none is lost."""
    manifest, stay, aside = split(tmp_path, duck, made)
    assert aside == gone
    assert [row[1] for row in stay] == [word for word in ("a", "b", "c", "d", "e", None) if word not in gone]
    assert manifest.rows_in == manifest.rows + manifest.quarantined == 6
    assert tolerate_check(made.model_copy(update={"threshold": 6}), manifest) == (len(gone), 6)


def test_a_row_goes_once_by_the_first_check_that_it_fails(tmp_path: Path, duck: Cursor) -> None:
    """Two checks on one step: a row that fails both is counted under the first."""
    first, second = check("range", columns=["size"], low=0), check("unique", columns=["id"])
    manifest, stay, aside = split(tmp_path, duck, first, second)
    assert [row[1] for row in stay] == ["a", "d", None]
    assert aside == ["b", "c", "e"]
    assert {(reason.check, reason.rows) for reason in manifest.reasons} == {("range", 2), ("unique", 1)}


def test_a_check_of_all_rows_together_sets_none_aside() -> None:
    """row_count speaks of no single row: asked to set rows aside it is refused by name."""
    made = splitter([check("row_count", low=1)], COLUMNS)
    assert made is not None
    with pytest.raises(PlanError, match="can set no row aside"):
        made(Stage(Path("none")).relation(Manifest("f", COLUMNS, (), 0, 0)))


@pytest.mark.parametrize(
    ("limit", "holds"), [(2, True), (1, False), (0, False), (0.34, True), (0.33, False), (1.0, True), (None, False)]
)
def test_a_threshold_is_a_share_or_a_number(
    tmp_path: Path, duck: Cursor, limit: int | float | None, holds: bool
) -> None:
    """A whole number counts rows, any other is a share of them; without one a twentieth is the most."""
    made = check("unique", columns=["id"], threshold=limit)
    manifest, _, _ = split(tmp_path, duck, made)
    if holds:
        assert tolerate_check(made, manifest) == (2, 6)
        return
    with pytest.raises(CheckFailed) as error:
        tolerate_check(made, manifest)
    assert error.value.fields["found"] == "2 of 6 rows"
    assert error.value.fields["reasons"] == ["id: expected id unique (2 rows)"]


def test_max_rejects_limits_what_could_not_be_read(tmp_path: Path, duck: Cursor) -> None:
    """Rejects of the read are held against max_rejects; those of checks are not."""
    stage = Stage(tmp_path)
    with stage.writer("f", COLUMNS) as writer:
        rows = writer.write(duck, ROWS)
        gone = "SELECT 1 AS line, 'id' AS column_name, 'bad' AS reason, '{}' AS raw FROM range(2)"
        manifest = writer.seal(rows_in=rows + writer.set_aside(duck, gone))
    step = Extract(name="s", source="x", dataset="d", options={"on_error": "quarantine", "max_rejects": 2})
    tolerate_read(step, manifest)
    with pytest.raises(CheckFailed) as error:
        tolerate_read(step.model_copy(update={"options": {"max_rejects": 0.2}}), manifest)
    assert (error.value.fields["check"], error.value.fields["found"]) == ("max_rejects", "2 of 8 rows")
