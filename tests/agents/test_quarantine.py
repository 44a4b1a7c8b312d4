"""What must hold of a plan that sets rows aside."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from harness.bench import planned

from agent_etl.agents import load, monitor
from agent_etl.agents.workbench import Workbench
from agent_etl.connectors.files import FilesConnection
from agent_etl.connectors.postgres import PostgresConnection
from agent_etl.engine.duck import connect
from agent_etl.engine.goal import Finding
from agent_etl.engine.plan import Plan

Bench = Callable[[Plan], Workbench]
LOAD = "- {name: out, from: orders, target: warehouse, table: t}"
ORDERS = "- {name: orders, source: here, dataset: orders.csv}"
ASIDE = "- {name: c, 'on': orders, kind: not_null, columns: [id], severity: quarantine}"


def errors(bench: Bench, loads: str = LOAD, extract: str = ORDERS, check: str = "[]") -> list[Finding]:
    plan = planned("[]", loads, extract, check)
    return [finding for finding in monitor.prove(plan, bench(plan)) if finding.severity == "error"]


@pytest.mark.parametrize(
    ("check", "code", "field"),
    [
        ("kind: row_count, low: 1, severity: quarantine", "unsupported_severity", "severity"),
        ("kind: not_null, columns: [id], threshold: 3", "threshold_without_quarantine", "threshold"),
        ("kind: not_null, columns: [id], severity: quarantine, threshold: -1", "wrong_threshold", "threshold"),
        ("kind: not_null, columns: [id], severity: quarantine, threshold: 1.5", "wrong_threshold", "threshold"),
    ],
)
def test_a_check_that_can_set_nothing_aside_is_named(bench: Bench, check: str, code: str, field: str) -> None:
    """Severity, kind and threshold that do not go together are errors with the field."""
    (found,) = errors(bench, check=f"- {{name: c, 'on': orders, {check}}}")
    assert (found.code, found.step, found.field) == (code, "c", field)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("max_rejects: 3", "threshold_without_quarantine"),
        ("on_error: quarantine, max_rejects: many", "wrong_threshold"),
    ],
)
def test_read_options_that_do_not_go_together_are_named(bench: Bench, options: str, code: str) -> None:
    """max_rejects needs on_error: quarantine, and a number."""
    (found,) = errors(bench, extract=ORDERS.replace("}", f", options: {{{options}}}}}"))
    assert (found.code, found.step, found.field) == (code, "orders", "options")


@pytest.mark.parametrize("limit", ["0", "20", "0.0", "0.05", "1.0"])
def test_shares_and_numbers_of_rows_are_silent(bench: Bench, limit: str) -> None:
    """A share from 0 to 1 and any whole number hold."""
    assert errors(bench, check=ASIDE.replace("}", f", threshold: {limit}}}")) == []


def test_a_target_that_cannot_keep_dead_letters_is_named(bench: Bench, tmp_path: Path) -> None:
    """A foreign table of their name, or a file in the place of their folder, is an error before anything runs."""
    with closing(connect(tmp_path / "mart.duckdb")) as mart:
        mart.execute("CREATE TABLE _etl_quarantine (mine INTEGER)")
    (found,) = errors(bench, LOAD.replace("warehouse", "mart"), check=ASIDE)
    assert (found.code, found.step) == ("no_dead_letters", "out")
    (tmp_path / "_etl_quarantine").write_text("mine")
    fault = FilesConnection("box", tmp_path).target().letters_fault("t.csv")
    assert fault == "_etl_quarantine beside it is not a folder"


@pytest.mark.postgres
def test_a_schema_without_privilege_is_named(bench: Bench, pg_url: str) -> None:
    """In PostgreSQL the privilege to make the dead-letter table is looked up, not tried."""
    with psycopg.connect(pg_url, autocommit=True) as server:
        server.execute("CREATE SCHEMA shut")
        server.execute("CREATE TABLE shut.t (id BIGINT)")
        server.execute("DROP ROLE IF EXISTS narrow")
        server.execute("CREATE ROLE narrow LOGIN PASSWORD 'narrow'")
        server.execute("GRANT USAGE ON SCHEMA shut TO narrow")
        server.execute("GRANT ALL ON shut.t TO narrow")
    scheme, _, rest = pg_url.partition("://")
    narrow = f"{scheme}://narrow:narrow@{rest.rpartition('@')[2]}"
    with closing(PostgresConnection("pg", narrow)) as connection:
        assert connection.target().letters_fault("shut.t") == "no table may be made in the schema shut"
    with closing(PostgresConnection("pg", pg_url)) as connection:
        assert connection.target().letters_fault("shut.t") == ""
    with psycopg.connect(pg_url, autocommit=True) as server:
        server.execute("DROP OWNED BY narrow")
        server.execute("DROP ROLE narrow")


def test_a_merge_key_is_left_to_the_load_where_rows_go(bench: Bench) -> None:
    """What was measured of a key says nothing of the rows that are left: no error before the run."""
    merge = LOAD.replace("table: t", "table: t, mode: merge, key: [status]")
    check = ASIDE.replace("not_null, columns: [id]", "unique, columns: [status]")
    for checks, codes in (("[]", {"merge_key_not_unique"}), (check, {"merge_key_checked_at_load"})):
        plan = planned("[]", merge, ORDERS, checks)
        found = {finding.code for finding in load.prove(plan, bench(plan)) if finding.field == "key"}
        assert found == codes
