"""The run store keeps what happened, through crashes and threads."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from agent_etl.engine.errors import Busy, SettingsError, UnknownRun
from agent_etl.engine.records import LoadRecord
from agent_etl.engine.store import RunStore, new_run_id
from agent_etl.engine.tasks import StepFailure, TaskResult


@pytest.fixture
def store(tmp_path):
    with RunStore(tmp_path / "home") as opened:
        yield opened


def test_a_run_is_there_in_the_next_process(tmp_path):
    """What one opening of the store wrote, the next one reads."""
    with RunStore(tmp_path) as store:
        store.create_run("r1", "load orders", {"approve": "auto"})
        store.set_status("r1", "failed", failure="x", plan="h1")
        store.set_status("r1", "succeeded", failure=None)
    with RunStore(tmp_path) as store:
        run = store.get_run("r1")
    assert (run.goal, run.status, run.request) == ("load orders", "succeeded", {"approve": "auto"})
    assert run.fields == {"failure": None, "plan": "h1"}
    assert run.updated_at > run.created_at


def test_a_run_is_created_once(store):
    """Creating a run again gives the run that is there."""
    first = store.create_run("r1", "goal", {"a": 1})
    assert store.create_run("r1", "other", {}) == first
    assert [run.run_id for run in store.list_runs()] == ["r1"]


def test_runs_are_listed_newest_first(store):
    """The list begins with the newest run and may be cut."""
    for name in ("r1", "r2", "r3"):
        store.create_run(name, name, {})
    assert [run.run_id for run in store.list_runs()] == ["r3", "r2", "r1"]
    assert [run.run_id for run in store.list_runs(limit=1)] == ["r3"]


def test_an_unknown_run_is_named(store):
    """Asking for a run that this home does not hold is an error with its id."""
    for ask in (lambda: store.get_run("r9"), lambda: store.set_status("r9", "failed")):
        with pytest.raises(UnknownRun) as caught:
            ask()
        assert caught.value.fields["run"] == "r9"


def test_run_ids_sort_by_time_and_differ():
    """Ids are unique and hold the second in which they were made."""
    ids = [new_run_id() for _ in range(100)]
    assert len(set(ids)) > 95
    assert ids[0][:15] <= ids[-1][:15]
    assert all(len(name) == 20 for name in ids)


def test_the_newest_outcome_of_a_step_stands(store):
    """A step that failed and was done later is done, with all that its result says."""
    failure = StepFailure("orders", "extract", "read_error", "no", fields={"line": 3, "column": "amount"})
    result = TaskResult("orders", "extract", "f1", rows_in=5, rows_out=3, filtered=1, quarantined=1, detail={"a": 1})
    store.record_failure("r1", failure)
    assert [(task.status, task.failure) for task in store.tasks("r1")] == [("failed", failure)]
    store.record_task("r1", result)
    assert store.task("r1", "orders") == store.tasks("r1")[0]
    assert store.task("r1", "other") is None
    assert [(task.status, task.result, task.failure) for task in store.tasks("r1")] == [("done", result, None)]


def test_documents_are_replaced_by_key(store):
    """Writing a document twice is writing it once."""
    store.put("r1", "plan", "h", "{}")
    store.put("r1", "plan", "h", '{"a":"é"}')
    assert store.get("r1", "plan", "h") == '{"a":"é"}'
    assert store.get("r1", "plan", "other") is None
    assert store.get("r2", "plan", "h") is None


def test_the_audit_only_grows(store):
    """Audit rows come back in order, with details that JSON can hold."""
    store.audit("r1", "extract", "tool", {"tables": ("a", "b"), "path": store.home})
    store.audit("r2", "load", "effect")
    store.audit("r1", "orchestrator", "decision", {"status": "done"})
    rows = store.audit_rows("r1")
    assert [(row.actor, row.action) for row in rows] == [("extract", "tool"), ("orchestrator", "decision")]
    assert rows[0].detail == {"tables": ["a", "b"], "path": str(store.home)}


def test_the_home_knows_what_it_wrote(store):
    """A table that this home loaded is known by its place, whatever run did it."""
    load = LoadRecord("r1", "load_orders", "postgresql://u:***@h/d", "orders", "append", "l1", 5, 1, "t", False)
    store.mirror_load(load)
    done = LoadRecord("r1", "load_orders", "postgresql://u:***@h/d", "orders", "append", "l1", 5, 1, "t", True)
    store.mirror_load(done)
    assert store.loads("r1") == (done,)
    assert store.has_written("postgresql://u:***@h/d", "orders")
    assert not store.has_written("postgresql://u:***@other/d", "orders")
    assert not store.has_written("postgresql://u:***@h/d", "customers")


def test_threads_do_not_lose_rows(store):
    """Writers in many threads all get through."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.audit("r1", "a", f"{n}"), range(40)))
        list(pool.map(lambda n: store.create_run("r1", "g", {}), range(8)))
    assert sorted(int(row.action) for row in store.audit_rows("r1")) == list(range(40))


def test_two_holders_of_a_run(store):
    """The second holder is refused with the first one's process id; the lease is free when the block ends."""
    with store.lease("r1"):
        with pytest.raises(Busy) as caught, store.lease("r1"):
            pass
        assert caught.value.fields["holder"] == str(os.getpid())
        with store.lease("r2"):
            pass
    with store.lease("r1"):
        pass


def test_a_killed_holder_holds_nothing(store):
    """After kill -9 of the holder its run can be taken at once."""
    code = f"""
        import time
        from pathlib import Path
        from agent_etl.engine.lease import lease
        with lease(Path({str(store.home)!r}) / "runs", "r1"):
            print("held", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Busy), store.lease("r1"):
            pass
        child.send_signal(signal.SIGKILL)
    with store.lease("r1"):
        pass


def test_a_newer_store_is_not_touched(tmp_path):
    """A store that a newer version made is refused."""
    RunStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.execute("UPDATE etl_meta SET version = 2")
    connection.commit()
    connection.close()
    with pytest.raises(SettingsError, match="newer"):
        RunStore(tmp_path)


def test_a_file_that_is_no_store_is_named(tmp_path):
    """Overwritten state is an error that names the file, not an empty store."""
    (tmp_path / "state.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SettingsError, match=r"state\.db"):
        RunStore(tmp_path)


def test_commits_are_brought_to_the_disk(store):
    """The store runs in WAL mode with synchronous FULL, in a file for its owner alone."""
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert (store.home / "state.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.postgres
def test_the_store_may_live_in_postgresql(tmp_path, pg_url):
    """The same store works over a PostgreSQL URL."""
    with RunStore(tmp_path, url=pg_url) as store:
        store.create_run("r1", "goal", {})
        store.record_task("r1", TaskResult("a", "extract", "f"))
        store.audit("r1", "a", "b", {"c": 1})
        store.put("r1", "plan", "h", "{}")
        store.put("r1", "plan", "h", "[]")
        store.set_status("r1", "succeeded", x=1)
    with RunStore(tmp_path, url=pg_url) as store:
        assert store.get_run("r1").fields == {"x": 1}
        assert store.get("r1", "plan", "h") == "[]"
        assert [row.detail for row in store.audit_rows("r1")] == [{"c": 1}]
        assert store.tasks("r1")[0].result.fingerprint == "f"


@pytest.mark.parametrize("url", ["nosuchdatabase://h/d", "not a url", "sqlite+nosuchdriver:///x"])
def test_a_store_url_that_leads_nowhere_is_named(tmp_path, url):
    """A store_url of an unknown database is a wrong setting that says what is valid."""
    with pytest.raises(SettingsError, match="run store's URL") as caught:
        RunStore(tmp_path / "home", url=url)
    assert "sqlite" in caught.value.fields["valid"]


def test_a_store_that_may_not_be_written_is_named(tmp_path):
    """A home whose state.db cannot be opened is a wrong setting with the command that mends it."""
    (tmp_path / "home" / "state.db").mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    with pytest.raises(SettingsError, match=r"state\.db") as caught:
        RunStore(tmp_path / "home")
    assert "chmod" in caught.value.hint


def test_an_unknown_run_names_the_command_that_lists_the_home(tmp_path):
    """A home that no command here would find is named in the next command."""
    with RunStore(tmp_path / "my home") as store, pytest.raises(UnknownRun) as caught:
        store.get_run("nobody")
    assert f"agent-etl runs --home '{tmp_path / 'my home'}'" in caught.value.hint


def test_a_store_that_is_half_made_is_completed(tmp_path):
    """Tables that a process was killed over are made by the next one, and the version comes last."""
    RunStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.executescript("DELETE FROM etl_meta; DROP TABLE etl_runs; DROP TABLE etl_tasks")
    connection.close()
    with RunStore(tmp_path) as store:
        assert store.create_run("r", "goal", {}).status == "started"


def test_processes_that_open_a_new_store_at_once(tmp_path):
    """Of many processes that look for the same new store each finds it whole."""
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from agent_etl.engine.store import RunStore
        RunStore(Path(sys.argv[1])).close()
    """)
    command = [sys.executable, "-c", script, str(tmp_path / "home")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert ended == [(b"", 0)] * 4


def test_looking_whether_a_run_is_held_refuses_it_to_nobody(tmp_path):
    """Others may look at a run at any moment, also at the one in which its process takes it."""
    with RunStore(tmp_path) as store, ThreadPoolExecutor(4) as pool:
        with store.lease("r1"):
            assert not store.free("r1")
        over = Event()

        def look():
            while not over.is_set():
                store.free("r1")

        looking = [pool.submit(look) for _ in range(4)]
        try:
            for _ in range(200):
                with store.lease("r1"):
                    pass
        finally:
            over.set()
        assert [done.result() for done in looking] == [None] * 4
        assert store.free("r1") and store.free("never")
