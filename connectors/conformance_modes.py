"""The promises of merges that delete and of histories, for the conformance kit."""

from datetime import UTC, datetime, timedelta

from agent_etl.connectors.conformance_subject import Subject, expect, pairs, query, raises
from agent_etl.engine.duck import literal
from agent_etl.engine.errors import CheckFailed, TargetError
from agent_etl.engine.ports import LoadResult, Relation

__all__ = ["CHECKS"]

Version = tuple[str | None, str | None, int]
"""Two texts and a day of January 2024; the first two are the key where it is compound."""


def _days(*rows: Version) -> Relation:
    """A relation (id VARCHAR, word VARCHAR, changed TIMESTAMP)."""
    items = ", ".join(f"({_text(one)}, {_text(two)}, '2024-01-{day:02d}')" for one, two, day in rows)
    select = f"SELECT * FROM (VALUES {items}) AS v(id, word, changed)" if rows else "SELECT '', '', '' WHERE false"
    cast = "CAST(#1 AS VARCHAR) AS id, CAST(#2 AS VARCHAR) AS word, CAST(#3 AS TIMESTAMP) AS changed"
    return query(f"SELECT {cast} FROM ({select})", "id VARCHAR", "word VARCHAR", "changed TIMESTAMP")


def _text(value: str | None) -> str:
    return "NULL" if value is None else literal(value)


def _flags(*rows: tuple[int, str, str]) -> Relation:
    """A relation (id INTEGER, word VARCHAR, gone BOOLEAN)."""
    items = ", ".join(f"({key}, {literal(word)}, {gone})" for key, word, gone in rows)
    cast = "CAST(id AS INTEGER) AS id, CAST(word AS VARCHAR) AS word, CAST(gone AS BOOLEAN) AS gone"
    sql = f"SELECT {cast} FROM (VALUES {items}) AS v(id, word, gone)"
    return query(sql, "id INTEGER", "word VARCHAR", "gone BOOLEAN")


def _history(
    subject: Subject, load_id: str, rows: Relation, *, key: tuple[str, ...] = ("id",), **more: object
) -> LoadResult:
    return subject.load("words", "scd2", load_id, rows, key=key, effective="changed", **more)


def _days_of(subject: Subject) -> list[tuple[str | None, ...]]:
    """The versions (id, word, first day, day after the last), the days as two digits."""
    rows = subject.rows("words", "id", "word", "valid_from", "valid_to")
    return [(one, two, *(time and time[8:10] for time in times)) for one, two, *times in rows]


def _counts(result: LoadResult) -> tuple[int, int, int, int]:
    return result.rows, result.inserted, result.updated, result.deleted


def _merge_flagged(subject: Subject) -> None:
    """Rows whose flag is true delete what has their key and are not inserted; the flag itself is not written."""
    subject.load("words", "append", "one", pairs((1, "a"), (2, "b"), (3, "c")))
    given = _flags((1, "x", "true"), (2, "y", "false"), (4, "d", "NULL"), (5, "e", "true"))
    result = subject.load("words", "merge", "two", given, key=("id",), delete_by="gone")
    expect(_counts(result), (4, 1, 1, 1), "counts")
    expect(subject.rows("words"), [("2", "y"), ("3", "c"), ("4", "d")], "rows")
    result = subject.load("words", "merge", "three", given, key=("id",), delete_by="gone")
    expect(_counts(result), (4, 0, 0, 0), "counts of the same again")
    result = subject.load("fresh", "merge", "one", given, key=("id",), delete_by="gone")
    expect(_counts(result), (4, 2, 0, 0), "counts of a first load")
    expect(subject.rows("fresh"), [("2", "y"), ("4", "d")], "rows of a first load")


def _merge_flag_kept(subject: Subject) -> None:
    """A target that has the flag's column gets it; a flag that is neither a boolean nor 0 and 1 is refused."""
    subject.load("words", "append", "one", _flags((1, "a", "false"), (2, "b", "false")))
    subject.load("words", "merge", "two", _flags((1, "a", "true"), (3, "c", "false")), key=("id",), delete_by="gone")
    expect(subject.rows("words", "id", "word"), [("2", "b"), ("3", "c")], "rows")
    wrong = pairs((1, "a"))
    raises(TargetError, lambda: subject.load("plain", "merge", "one", wrong, key=("id",), delete_by="word"))
    many = query("SELECT 1::INTEGER AS id, 2::INTEGER AS gone", "id INTEGER", "gone INTEGER")
    error = raises(TargetError, lambda: subject.load("plain", "merge", "two", many, key=("id",), delete_by="gone"))
    expect(error.fields["column"], "gone", "column")
    expect(subject.connection.target().existing("plain" + subject.suffix), None, "a table of refused loads")


def _merge_missing(subject: Subject) -> None:
    """Keys that the data lacks are deleted, all of them when it has no row; a row without a key stays."""
    subject.load("words", "append", "one", pairs((1, "a"), (2, "b"), (None, "c")))
    result = subject.load("words", "merge", "two", pairs((2, "x"), (3, "d")), key=("id",), delete_missing=True)
    expect(_counts(result), (2, 1, 1, 1), "counts")
    expect(subject.rows("words"), [(None, "c"), ("2", "x"), ("3", "d")], "rows")
    result = subject.load("words", "merge", "three", pairs(), key=("id",), delete_missing=True)
    expect(_counts(result), (0, 0, 0, 2), "counts of no rows")
    expect(subject.rows("words"), [(None, "c")], "rows after no rows")


def _merge_missing_compound(subject: Subject) -> None:
    """A key of several columns is compared column by column: ("a", "bc") is not ("ab", "c")."""
    text = "SELECT CAST(a AS VARCHAR) AS a, CAST(b AS VARCHAR) AS b, 1::INTEGER AS n FROM (VALUES {}) AS v(a, b)"
    columns = ("a VARCHAR", "b VARCHAR", "n INTEGER")
    subject.load("words", "append", "one", query(text.format("('a', 'bc'), ('ab', 'c')"), *columns))
    given = query(text.format("('ab', 'c')"), *columns)
    result = subject.load("words", "merge", "two", given, key=("a", "b"), delete_missing=True)
    expect(_counts(result), (1, 0, 0, 1), "counts")
    expect(subject.rows("words", "a", "b"), [("ab", "c")], "rows")


def _scd2(subject: Subject) -> None:
    """Each change begins a version and ends the one before; what is known already writes nothing, nulls included."""
    first = _days(("1", "a", 1), ("1", None, 5), ("2", "b", 3), ("2", "b", 3))
    expect(_counts(_history(subject, "one", first)), (4, 3, 0, 0), "counts")
    versions = [("1", None, "05", None), ("1", "a", "01", "05"), ("2", "b", "03", None)]
    expect(_days_of(subject), versions, "versions")
    expect(_counts(_history(subject, "two", first)), (4, 0, 0, 0), "counts of the same again")
    expect(_counts(_history(subject, "three", _days(("1", None, 9), ("2", "b", 9)))), (2, 0, 0, 0), "counts of repeats")
    expect(_days_of(subject), versions, "versions after repeats")
    expect(_history(subject, "three", _days()).already, True, "the same load again")
    expect(_counts(_history(subject, "four", _days(("2", "c", 10)))), (1, 1, 1, 0), "counts of a change")
    expect(_days_of(subject)[2:], [("2", "b", "03", "10"), ("2", "c", "10", None)], "versions after a change")


def _scd2_late(subject: Subject) -> None:
    """An older version that arrives late gets its place; the newest load counts where it names the same time."""
    _history(subject, "one", _days(("1", "a", 10), ("1", "b", 20)))
    expect(_counts(_history(subject, "two", _days(("1", "z", 5), ("1", "c", 15)))), (2, 2, 1, 0), "counts")
    chain = [("1", "a", "10", "15"), ("1", "b", "20", None), ("1", "c", "15", "20"), ("1", "z", "05", "10")]
    expect(_days_of(subject), chain, "versions")
    expect(_counts(_history(subject, "three", _days(("1", "d", 15)))), (1, 0, 1, 0), "counts of a correction")
    expect(_counts(_history(subject, "four", _days(("1", "a", 15)))), (1, 0, 1, 1), "counts of a withdrawal")
    chain = [("1", "a", "10", "20"), ("1", "b", "20", None), ("1", "z", "05", "10")]
    expect(_days_of(subject), chain, "versions after a correction to what was before")


def _scd2_compound(subject: Subject) -> None:
    """A key of several columns is compared column by column: ("a", "bc") is not ("ab", "c")."""
    _history(subject, "one", _days(("a", "bc", 1), ("ab", "c", 2)), key=("id", "word"))
    more = {"key": ("id", "word"), "delete_missing": True, "at": datetime(2024, 1, 9, tzinfo=UTC)}
    result = _history(subject, "two", _days(("ab", "c", 2)), **more)  # type: ignore[arg-type]
    expect(_counts(result), (1, 0, 1, 0), "counts")
    expect([row[:2] for row in _days_of(subject) if row[3] is None], [("ab", "c")], "open versions")


def _scd2_retired(subject: Subject) -> None:
    """A key that the data lacks is retired at the load's time; the same row again begins a new version then."""
    both, one = _days(("1", "a", 1), ("2", "b", 2)), _days(("1", "a", 1))
    first = _history(subject, "one", both, delete_missing=True)
    expect(_counts(first), (2, 2, 0, 0), "counts")
    retired = _history(subject, "two", one, delete_missing=True)
    expect(_counts(retired), (1, 0, 1, 0), "counts of a key retired")
    expect([row[0] for row in _days_of(subject) if row[3] is None], ["1"], "open versions")
    expect(_counts(_history(subject, "three", one, delete_missing=True)), (1, 0, 0, 0), "counts of nothing new")
    expect(_counts(_history(subject, "four", both, delete_missing=True)), (2, 1, 0, 0), "counts of a key's return")
    expect([row[0] for row in _days_of(subject) if row[3] is None], ["1", "2"], "open versions after its return")
    expect(_counts(_history(subject, "five", _days(), delete_missing=True)), (0, 0, 2, 0), "counts of no rows")


def _scd2_by_load(subject: Subject) -> None:
    """Without a time of change the load's own counts, and none before the load before it, whatever the clock says."""
    at = datetime(2124, 1, 2, tzinfo=UTC)
    subject.load("words", "scd2", "one", pairs((1, "a"), (2, "b")), key=("id",), at=at)
    result = subject.load("words", "scd2", "two", pairs((1, "x"), (2, "b")), key=("id",), at=at - timedelta(days=1))
    expect(_counts(result), (2, 1, 1, 0), "counts")
    days = _days_of(subject)
    expect(days, [("1", "a", "02", "02"), ("1", "x", "02", None), ("2", "b", "02", None)], "versions")
    raises(CheckFailed, lambda: subject.load("words", "scd2", "three", pairs((1, "y"), (1, "z")), key=("id",)))
    expect(_days_of(subject), days, "versions after a load of two states of a key")


def _scd2_bad_rows(subject: Subject) -> None:
    """Rows without key or time, and two states of a key at one time, stop a load before anything is written."""
    _history(subject, "one", _days(("1", "a", 1)))
    for bad in (_days((None, "b", 2)), _days(("1", "b", 2), ("1", "c", 2), ("1", "b", 2))):
        raises(CheckFailed, lambda bad=bad: _history(subject, "bad", bad))  # type: ignore[misc]
    timeless = query(
        "SELECT '1' AS id, 'b' AS word, CAST(NULL AS TIMESTAMP) AS changed",
        "id VARCHAR",
        "word VARCHAR",
        "changed TIMESTAMP",
    )
    raises(CheckFailed, lambda: _history(subject, "bad", timeless))
    expect(_days_of(subject), [("1", "a", "01", None)], "versions")
    expect(subject.connection.target().marker("words" + subject.suffix, "bad"), None, "marker")


def _scd2_types(subject: Subject) -> None:
    """Values of every kind are compared as the target keeps them: the same again writes nothing, another one does."""
    values = {
        "price DECIMAL(18,3)": ("12345.600", "12345.601"),
        "share DOUBLE": ("0.1", "0.30000000000000004"),
        "ok BOOLEAN": ("true", "false"),
        "day DATE": ("'2024-02-29'", "'2024-03-01'"),
        "seen TIMESTAMP": ("'2024-02-29 12:00:00.5'", "'2024-02-29 12:00:00.500001'"),
        "code UUID": ("'123e4567-e89b-12d3-a456-426614174000'", "'123e4567-e89b-12d3-a456-426614174001'"),
        "raw BLOB": ("'abc'", "'abd'"),
        "note JSON": ("'{\"a\": 1}'", "'{\"a\": 2}'"),
        "many INTEGER[]": ("[1, NULL]", "[1, 2]"),
        "word VARCHAR": ("'a'", "'A'"),
    }
    kinds = [column.partition(" ") for column in values]

    def row(load_id: str, changed: int, at: str) -> LoadResult:
        items = [
            f"CAST({values[f'{name} {kind}'][place == changed]} AS {kind}) AS {name}"
            for place, (name, _, kind) in enumerate(kinds)
        ]
        moment = f"CAST('{at}' AS TIMESTAMP WITH TIME ZONE) AS changed"
        sql = f"SELECT CAST(1 AS INTEGER) AS id, {', '.join(items)}, {moment}"
        return _history(subject, load_id, query(sql, "id INTEGER", *values, "changed TIMESTAMP WITH TIME ZONE"))

    row("first", -1, "2024-01-01 00:00:00+00")
    expect(_counts(row("same", -1, "2024-01-01 02:00:00+02")), (1, 0, 0, 0), "counts of the same at the same instant")
    for place, (name, _, _) in enumerate(kinds):
        hour = f"2024-01-0{2 + place // 5} {place % 5:02d}:30:00.5+00"
        expect(_counts(row(name, place, hour)), (1, 1, 1, 0), f"counts of another {name}")
        expect(_counts(row(f"{name} again", place, hour)), (1, 0, 0, 0), f"counts of that {name} again")


def _scd2_days(subject: Subject) -> None:
    """A time of change may be a day."""
    rows = query("SELECT 1 AS id, DATE '2024-01-05' AS changed", "id INTEGER", "changed DATE")
    _history(subject, "one", rows)
    expect(subject.rows("words", "id", "valid_from"), [("1", "2024-01-05 00:00:00")], "version")
    expect(_counts(_history(subject, "two", rows)), (1, 0, 0, 0), "counts of the same again")


def _scd2_foreign(subject: Subject) -> None:
    """A table without validity columns is refused, and so are stored versions of a touched key that overlap."""
    subject.load("plain", "append", "one", pairs((1, "a")))
    raises(TargetError, lambda: subject.load("plain", "scd2", "two", pairs((1, "b")), key=("id",)))
    expect(subject.rows("plain"), [("1", "a")], "rows of the plain table")
    names = ("id VARCHAR", "word VARCHAR", "valid_from TIMESTAMP", "valid_to TIMESTAMP")
    select = "SELECT '1' AS id, 'a' AS word, TIMESTAMP '2024-01-0{}' AS valid_from, CAST(NULL AS TIMESTAMP) AS valid_to"
    subject.load("words", "append", "one", query(f"{select.format(1)} UNION ALL {select.format(2)}", *names))
    error = raises(CheckFailed, lambda: _history(subject, "two", _days(("1", "b", 9))))
    expect(error.fields["check"], "history_overlaps", "check")
    expect(_counts(_history(subject, "three", _days(("2", "b", 9)))), (1, 1, 0, 0), "counts of another key")


def _scd2_marker(subject: Subject) -> None:
    """A history's marker stands until the next load, as a merge's does."""
    target, table = subject.connection.target(), "words" + subject.suffix
    one = _history(subject, "one", _days(("1", "a", 1))).marker
    expect(target.marker(table, "one"), one, "after the load")
    _history(subject, "two", _days(("1", "b", 2)))
    expect(target.marker(table, "one"), None, "after the next load")


CHECKS = (
    _merge_flagged,
    _merge_flag_kept,
    _merge_missing,
    _merge_missing_compound,
    _scd2,
    _scd2_late,
    _scd2_compound,
    _scd2_retired,
    _scd2_by_load,
    _scd2_bad_rows,
    _scd2_types,
    _scd2_days,
    _scd2_foreign,
    _scd2_marker,
)
"""Every promise; its name begins with the mode that it needs."""
