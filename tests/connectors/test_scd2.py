"""Histories against a model of twenty lines, and what they do to a table that others have made."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_etl.connectors.conformance_subject import Subject, query
from agent_etl.connectors.duckdb import DuckdbConnection
from agent_etl.connectors.files import FilesConnection
from agent_etl.connectors.sqlite import SqliteConnection
from agent_etl.engine.errors import CheckFailed, TargetError
from agent_etl.engine.ports import Relation

DAY = datetime(2024, 1, 1)
# A load's time is never before the one of the load before it, which the clock made: the model's loads come later.
LOADS = datetime(2124, 1, 1)
NAMES = ("id INTEGER", "part VARCHAR", "word VARCHAR", "changed TIMESTAMP")


def model(versions, rows, now, delete_missing):
    """The versions (key, values, since, until) that a load of rows (key, values, time) leaves: a walk over events."""
    left = []
    data = {row[0] for row in rows}
    for key in sorted({version[0] for version in versions} | data):
        own = [version for version in versions if version[0] == key]
        events = {until: None for _, _, _, until in own if until is not None}
        events |= {since: (values, True) for _, values, since, _ in own}
        loaded = {time: values for other, values, time in rows if other == key}
        if delete_missing and key not in data and any(until is None or until > now for *_, until in own):
            events = {time: state for time, state in events.items() if time < now}
            loaded = {now: None}
        ends = [until for *_, until in own]
        if delete_missing and loaded and ends and None not in ends and max(loaded) < max(ends) <= now and key in data:
            loaded[now] = loaded[max(loaded)]
        events |= {time: (values, False) if values else None for time, values in loaded.items()}
        chain, before = [], None
        for time in sorted(events):
            state = events[time]
            if state is None or state[1] or before is None or before[0] != state[0]:
                chain.append((time, state))
            before = state
        ends = [time for time, _ in chain[1:]] + [None]
        left += [(key, state[0], time, end) for (time, state), end in zip(chain, ends, strict=True) if state]
    return left


keys = st.tuples(st.sampled_from((1, 11)), st.sampled_from(("", "1")))
words = st.one_of(st.none(), st.sampled_from(("a", "b")))
batches = st.lists(st.tuples(keys, words, st.integers(0, 6)), max_size=6, unique_by=lambda row: (row[0], row[2]))
loads = st.lists(st.tuples(batches, st.booleans()), min_size=1, max_size=5)


def relation(rows) -> Relation:
    each = [
        f"({number}, '{part}', {repr(word) if word else 'NULL'}, '{time}')" for (number, part), (word,), time in rows
    ]
    values = f"(VALUES {', '.join(each)})" if each else "(SELECT 1, '', '', '' WHERE false)"
    columns = (column.partition(" ") for column in NAMES)
    casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, _, kind in columns)
    return query(f"SELECT {casts} FROM {values} AS v(id, part, word, changed)", *NAMES)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=loads)
def test_loads_leave_what_the_model_says(kind, sequence):
    """Late, repeated, corrected, retired or back again: the history is the model's, and once more writes nothing."""
    with TemporaryDirectory() as folder:
        make = {"duckdb": DuckdbConnection, "sqlite": SqliteConnection}[kind]
        subject = Subject(make("w", Path(folder) / "w.db"))
        versions = []
        for number, (batch, whole) in enumerate(sequence):
            rows = [(key, (word,), DAY + timedelta(days=day)) for key, word, day in batch]
            now = LOADS + timedelta(days=number)
            versions = model(versions, rows, now, whole)
            more = {"effective": "changed", "delete_missing": whole, "at": now.replace(tzinfo=UTC)}
            subject.load("history", "scd2", f"load {number}", relation(rows), key=("id", "part"), **more)
            assert stored(subject) == sorted(versions, key=repr)
        again = subject.load("history", "scd2", "again", relation(rows), key=("id", "part"), **more)
        assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)


def stored(subject):
    """The versions in the target, in the model's terms."""
    found = subject.rows("history", "id", "part", "word", "valid_from", "valid_to")
    return sorted(
        (
            ((int(number), part), (word,), datetime.fromisoformat(since), until and datetime.fromisoformat(until))
            for number, part, word, since, until in found
        ),
        key=repr,
    )


def test_a_table_of_others_takes_versions(tmp_path):
    """A history that somebody else began goes on: columns that the data lacks stay, its own spelling and types hold."""
    with closing(sqlite3.connect(tmp_path / "w.db")) as connection:
        connection.execute(
            "CREATE TABLE history (Id INTEGER, part TEXT, word TEXT, note TEXT DEFAULT 'new',"
            " Valid_From TIMESTAMP NOT NULL, Valid_To TIMESTAMP, PRIMARY KEY (Id, part, Valid_From))"
        )
        connection.execute("CREATE UNIQUE INDEX one_open ON history (Id, part) WHERE Valid_To IS NULL")
        connection.execute("INSERT INTO history VALUES (1, '', 'a', 'kept', '2024-01-01 00:00:00', NULL)")
        connection.commit()
    subject = Subject(SqliteConnection("w", tmp_path / "w.db"))
    rows = relation([((1, ""), ("b",), DAY + timedelta(days=2))])
    result = subject.load("history", "scd2", "one", rows, key=("id", "part"), effective="changed")
    assert (result.inserted, result.updated, result.notes) == (
        1,
        1,
        ("column note of history gets its default: the data has no such column",),
    )
    assert subject.rows("history", "word", "note", "Valid_To") == [
        ("a", "kept", "2024-01-03 00:00:00"),
        ("b", "new", None),
    ]


@pytest.mark.parametrize("since", ["2024-01-01T00:00:00", "2024-01-01", "2024-01-01 00:00:00Z"])
def test_times_that_do_not_sort_are_refused(tmp_path, since):
    """SQLite keeps times as texts: a history whose texts do not sort among ours is refused."""
    with closing(sqlite3.connect(tmp_path / "w.db")) as connection:
        connection.execute("CREATE TABLE history (id INTEGER, word TEXT, valid_from TIMESTAMP, valid_to TIMESTAMP)")
        connection.execute("INSERT INTO history VALUES (1, 'a', ?, NULL)", (since,))
        connection.commit()
    subject = Subject(SqliteConnection("w", tmp_path / "w.db"))
    columns = ("id INTEGER", "word VARCHAR", "changed TIMESTAMP")
    rows = query("SELECT 1 AS id, 'b' AS word, TIMESTAMP '2024-01-01 12:00:00' AS changed", *columns)
    with pytest.raises(CheckFailed) as caught:
        subject.load("history", "scd2", "one", rows, key=("id",), effective="changed")
    assert caught.value.fields["check"] == "history_times"
    assert subject.rows("history", "word") == [("a",)]


def test_an_edited_file_stays_a_history(tmp_path):
    """A CSV that a person wrote, with days and nothing in valid_to, is read as the history that it is."""
    (tmp_path / "history.csv").write_text("id,part,word,valid_from,valid_to\n1,,a,2024-01-01,\n")
    subject = Subject(FilesConnection("f", tmp_path), suffix=".csv")
    rows = relation([((1, "x"), ("b",), DAY), ((2, "y"), ("c",), DAY)])
    subject.load("history", "scd2", "one", rows, key=("id",), effective="changed")
    assert subject.rows("history", "id", "word", "valid_to") == [("1", "b", None), ("2", "c", None)]


@pytest.mark.parametrize("name", ["valid_from", "VALID_TO"])
def test_data_with_a_historys_own_columns_is_refused(tmp_path, name):
    """The history makes its validity itself: data that brings such a column is refused by name."""
    subject = Subject(DuckdbConnection("d", tmp_path / "d.duckdb"))
    rows = query(f"SELECT 1::INTEGER AS id, TIMESTAMP '2024-01-01' AS {name}", "id INTEGER", f"{name} TIMESTAMP")
    with pytest.raises(TargetError) as caught:
        subject.load("history", "scd2", "one", rows, key=("id",))
    assert caught.value.fields["columns"] == [name]


def test_what_is_known_leaves_the_table_alone(tmp_path):
    """A load that says nothing new runs no statement that writes to the table."""
    subject = Subject(SqliteConnection("w", tmp_path / "w.db"))
    rows = relation([((1, ""), ("a",), DAY)])
    subject.load("history", "scd2", "one", rows, key=("id", "part"), effective="changed")
    with closing(sqlite3.connect(tmp_path / "w.db")) as connection:
        for event in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER no_{event} BEFORE {event} ON history BEGIN SELECT RAISE(ABORT, 'written'); END"
            )
        connection.commit()
    again = relation([((1, ""), ("a",), DAY), ((1, ""), ("a",), DAY + timedelta(days=3))])
    result = subject.load("history", "scd2", "two", again, key=("id", "part"), effective="changed", delete_missing=True)
    assert (result.rows, result.inserted, result.updated, result.deleted) == (2, 0, 0, 0)
