"""What MySQL's and MariaDB's information_schema says of tables, columns and keys."""

from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.mysql_channel import Channel
from agent_etl.connectors.mysql_types import Native
from agent_etl.connectors.names import TableName
from agent_etl.engine.duck import literal
from agent_etl.engine.schema import ForeignKey

__all__ = ["collation", "columns", "database", "foreign_keys", "keys", "kind", "rows", "tables", "visible"]

_COUNTED_BELOW_BYTES = 16 * 1024**3
# Of these the first that the server has: only without padding are 'a' and 'a ' two values.
_EXACT = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin")


def database(channel: Channel) -> str:
    """The database that the connection's URL names."""
    return str(channel.query("SELECT DATABASE()")[0][0])


def collation(channel: Channel) -> str:
    """The collation under which two texts are equal when they are the same text."""
    listed = ", ".join(map(literal, _EXACT))
    sql = f"SELECT collation_name FROM information_schema.collations WHERE collation_name IN ({listed})"
    found = {str(row[0]) for row in channel.query(sql)}
    return next((name for name in _EXACT if name in found), _EXACT[-1])


def tables(channel: Channel, schema: str) -> tuple[TableName, ...]:
    """The tables and views of one database, sorted."""
    found = channel.query(
        "SELECT table_schema, table_name FROM information_schema.tables "
        f"WHERE {_same('table_schema', schema)} AND table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')"
    )
    return tuple(sorted((TableName(*row) for row in found if row[1] != MARKERS), key=lambda name: name.table))


def visible(channel: Channel, dataset: str) -> tuple[TableName, ...]:
    """The tables that a dataset's name may mean: the connection's own, and those of the database before its dot."""
    own = database(channel)
    head, dot, _ = dataset.partition(".")
    other = tables(channel, head.strip('"')) if dot and head.strip('"') != own else ()
    return (*tables(channel, own), *other)


def kind(channel: Channel, name: TableName) -> str | None:
    """BASE TABLE, VIEW or SYSTEM VERSIONED; None: there is no such table."""
    found = channel.query(f"SELECT table_type FROM information_schema.tables WHERE {_of(name)}")
    return str(found[0][0]) if found else None


def columns(channel: Channel, name: TableName) -> tuple[Native, ...]:
    """The columns in order."""
    found = channel.query(
        "SELECT column_name, data_type, column_type, is_nullable, "
        "column_default IS NOT NULL OR extra LIKE '%auto_increment%', coalesce(generation_expression, '') <> '', "
        f"collation_name, column_comment FROM information_schema.columns WHERE {_of(name)} ORDER BY ordinal_position"
    )
    checked = _json(channel, name)
    return tuple(
        Native(
            column,
            data.lower(),
            declared if data.lower() == "enum" else declared.lower(),
            nullable=nullable == "YES",
            filled=bool(filled),
            computed=bool(computed),
            json=data.lower() == "json" or column in checked,
            collation=collated,
            comment=comment,
        )
        for column, data, declared, nullable, filled, computed, collated, comment in found
    )


def _json(channel: Channel, name: TableName) -> set[str]:
    """MariaDB's JSON columns: texts whose own check is json_valid. MySQL has a type for them."""
    known = channel.query(
        "SELECT 1 FROM information_schema.columns WHERE table_schema = 'information_schema' "
        "AND table_name = 'CHECK_CONSTRAINTS' AND column_name = 'LEVEL'"
    )
    if not known:
        return set()
    found = channel.query(
        "SELECT constraint_name, check_clause FROM information_schema.check_constraints "
        f"WHERE {_same('constraint_schema', name.schema)} AND {_same('table_name', name.table)} AND level = 'Column'"
    )
    return {str(column) for column, clause in found if str(clause).lower().startswith("json_valid(")}


def rows(channel: Channel, name: TableName) -> tuple[int | None, str]:
    """How many rows, counted; None for a view, and with a note for a table of many gigabytes."""
    what, size = channel.query(
        f"SELECT table_type, coalesce(data_length, 0) FROM information_schema.tables WHERE {_of(name)}"
    )[0]
    if what == "VIEW":
        return None, ""
    if int(size) > _COUNTED_BELOW_BYTES:
        return None, f"the rows of {name.table} were not counted: it is large, and the server has no good estimate"
    return int(channel.query(f"SELECT count(*) FROM {name.sql}")[0][0]), ""


def keys(channel: Channel, name: TableName) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The primary key, and the other sets of columns that a unique index covers whole."""
    found = channel.query(
        "SELECT index_name, column_name, sub_part FROM information_schema.statistics "
        f"WHERE {_of(name)} AND non_unique = 0 ORDER BY index_name, seq_in_index"
    )
    indexes: dict[str, list[str | None]] = {}
    for index, column, part in found:
        indexes.setdefault(index, []).append(None if part is not None else column)
    whole = {index: tuple(c for c in names if c) for index, names in indexes.items() if None not in names}
    return whole.pop("PRIMARY", ()), tuple(whole.values())


def foreign_keys(channel: Channel, name: TableName) -> tuple[ForeignKey, ...]:
    """The table's references to others."""
    found = channel.query(
        "SELECT constraint_name, referenced_table_schema, referenced_table_name, column_name, referenced_column_name "
        f"FROM information_schema.key_column_usage WHERE {_of(name)} AND referenced_table_name IS NOT NULL "
        "ORDER BY constraint_name, ordinal_position"
    )
    entries: dict[str, tuple[TableName, list[str], list[str]]] = {}
    for constraint, schema, table, own, referred in found:
        entry = entries.setdefault(constraint, (TableName(schema, table), [], []))
        entry[1].append(own)
        entry[2].append(referred)
    return tuple(
        ForeignKey(tuple(own), other.dataset(name.schema), tuple(referred)) for other, own, referred in entries.values()
    )


def _of(name: TableName) -> str:
    return f"{_same('table_schema', name.schema)} AND {_same('table_name', name.table)}"


def _same(column: str, value: str | None) -> str:
    """Equal, and not but for case: the first condition is what the server looks up, the second one what is meant."""
    text = literal(value or "")
    return f"{column} = {text} AND BINARY {column} = {text}"
