"""Reading a source: what is compared first, what is counted, what is refused."""

import pytest

from agent_etl.engine.duck import attached, connect
from agent_etl.engine.errors import Busy, CheckFailed, ReadError, SchemaChanged
from agent_etl.engine.extraction import compare, extract
from agent_etl.engine.plan import Extract
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column, Table
from agent_etl.engine.stage import Stage

COLUMNS = (Column("Id", "BIGINT"), Column("Word", "VARCHAR"), Column("Big", "HUGEINT"))
ROWS = (
    '(SELECT range AS "Id", \'w\' || range % 3 AS "Word", range::HUGEINT * 10::HUGEINT ** 20 AS "Big" FROM range(1000))'
)


class Rows:
    """A source of one relation of a thousand rows; `versioned` as a file is."""

    def __init__(self, versioned=True, **relation):
        self.versioned = versioned
        self.relation = {"sql": ROWS, **relation}
        self.asked = None

    def version(self, dataset, options=None):
        return "v1" if self.versioned else None

    def scan(self, dataset, *, columns=None, where=None, options=None, within=None):
        self.asked = (columns, where)
        wanted = [
            column for column in COLUMNS if columns is None or column.name.lower() in {c.lower() for c in columns}
        ]
        return Relation(columns=tuple(wanted), **self.relation)


@pytest.fixture
def duck():
    connection = connect()
    connection.execute("SET GLOBAL arrow_lossless_conversion = true")
    yield connection
    connection.close()


@pytest.fixture
def read(tmp_path, duck):
    stage = Stage(tmp_path)

    def run(source, unchanged=True, **step):
        made = Extract(name="s", source="x", dataset="d", **step)
        manifest = extract(made, source, "f", stage=stage, cursor=duck, unchanged=lambda: unchanged)
        stage.verify(manifest)
        with attached(duck, stage.relation(manifest)) as select:
            return manifest, duck.execute(select).fetchall()

    run.stage = stage
    return run


def test_every_row_is_read(read):
    """Without a filter all rows arrive, with their types."""
    manifest, rows = read(Rows())
    assert (manifest.rows_in, manifest.rows, manifest.filtered) == (1000, 1000, 0)
    assert rows[7] == (7, "w1", 7 * 10**20)


@pytest.mark.parametrize("total", [None, "SELECT 1000"])
def test_filtered_rows_are_counted(read, total):
    """A filter's rows are counted, whether the source can tell its total or not; its column need not be kept."""
    source = Rows(total=total)
    manifest, rows = read(source, columns=("word",), where="id >= 900")
    assert (manifest.rows_in, manifest.rows, manifest.filtered) == (1000, 100, 900)
    assert (source.asked, rows[0], manifest.columns[0].name) == ((["word", "id"], None), ("w0",), "word")


def test_a_database_may_filter_itself(read):
    """A source without versions is given the filter, which is applied again."""
    source = Rows(versioned=False)
    manifest, _ = read(source, where="Id < 10")
    assert source.asked == (None, "Id < 10")
    assert manifest.rows == 10


def test_rejected_rows_are_kept_and_counted(read):
    """Rows that the source sets aside are in the package's dead letters."""
    reject = "SELECT 3::BIGINT AS line, 'Id' AS column_name, 'bad' AS reason, 'x' AS raw"
    manifest, _ = read(Rows(rejects=reject), where="Id < 10")
    assert (manifest.rows_in, manifest.rows, manifest.filtered, manifest.quarantined) == (1001, 10, 990, 1)


def test_a_row_that_goes_missing_is_noticed(read):
    """A source that says it has more rows than it gave fails the read, and nothing is sealed."""
    with pytest.raises(CheckFailed):
        read(Rows(total="SELECT 1001"))
    assert read.stage.sealed("f") is None


def test_a_source_that_changes_meanwhile_is_read_again(read):
    """Half of one version and half of another are never sealed; the failure is transient."""
    with pytest.raises(Busy):
        read(Rows(), unchanged=False)
    assert read.stage.sealed("f") is None


@pytest.mark.parametrize("where", [None, "Id >= 0"])
def test_an_unreadable_row_ends_the_read(read, where):
    """A row that cannot be read is an error, also when its rows are counted on the way."""
    broken = "(SELECT CAST('1' || CASE WHEN range = 900 THEN 'x' ELSE '' END AS BIGINT) AS \"Id\" FROM range(1000))"
    with pytest.raises(ReadError):
        read(Rows(sql=broken), columns=("Id",), where=where)
    assert read.stage.sealed("f") is None


def test_a_missing_column_comes_with_its_likely_name():
    """A renamed column is guessed by its name, or by being the only new one of its type."""
    table = Table("x", "d", (Column("cust_id", "BIGINT"), Column("total", "DOUBLE"), Column("note", "VARCHAR")))
    near = Extract(name="s", source="x", dataset="d", expect={"customer_id": "BIGINT", "note": "VARCHAR"})
    alike = Extract(name="s", source="x", dataset="d", expect={"amount": "DOUBLE", "note": "VARCHAR"})
    none = Extract(name="s", source="x", dataset="d", expect={"zzz": "DATE", "note": "VARCHAR"})
    for step, column, candidates in (
        (near, "customer_id", ["cust_id"]),
        (alike, "amount", ["total"]),
        (none, "zzz", []),
    ):
        with pytest.raises(SchemaChanged) as caught:
            compare(step, table)
        assert (caught.value.fields["column"], caught.value.fields["candidates"]) == (column, candidates)


def test_new_columns_and_spellings_of_types_are_no_change():
    """A source may gain columns, and TIMESTAMPTZ is what DuckDB calls TIMESTAMP WITH TIME ZONE."""
    table = Table(
        "x", "d", (Column("at", "TIMESTAMP WITH TIME ZONE"), Column("new", "DATE"), Column("n", "DECIMAL(10,2)"))
    )
    compare(Extract(name="s", source="x", dataset="d", expect={"At": "TIMESTAMPTZ", "n": "decimal(10, 2)"}), table)
