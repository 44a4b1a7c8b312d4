"""What PostgreSQL's catalogue says of tables, columns and keys."""

from collections.abc import Sequence
from dataclasses import replace

from agent_etl.connectors.adbc import Channel
from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.names import TableName
from agent_etl.connectors.postgres_types import Native
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.schema import ForeignKey

__all__ = ["columns", "default_schema", "foreign_keys", "keys", "measured", "rows", "schemas", "tables"]

_EXACT_BELOW_BYTES = 64 * 1024 * 1024
_OWN = f"n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relname <> {literal(MARKERS)}"


def default_schema(channel: Channel) -> str:
    """The schema of names without one."""
    return str(channel.query("SELECT coalesce(current_schema()::text, 'public')")[0][0])


def schemas(channel: Channel) -> tuple[str, ...]:
    """All schemas that are not the system's."""
    return tuple(
        row[0] for row in channel.query("SELECT nspname::text FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'")
    )


def tables(channel: Channel) -> tuple[TableName, ...]:
    """Tables, views, materialized views and foreign tables, sorted; not the partitions of another table."""
    found = channel.query(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relkind IN ('r','p','v','m','f') AND NOT c.relispartition AND {_OWN} ORDER BY 1, 2"
    )
    return tuple(TableName(schema, table) for schema, table in found)


def _oid(name: TableName) -> str:
    return f"{literal(name.sql)}::regclass"


def columns(channel: Channel, name: TableName) -> tuple[Native, ...]:
    """The columns in order."""
    found = channel.query(
        "SELECT a.attname::text, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), "
        "CASE WHEN t.typbasetype <> 0 THEN t.typtypmod ELSE a.atttypmod END), a.attnotnull OR t.typnotnull, "
        "a.atthasdef OR a.attidentity <> '', format_type(a.atttypid, a.atttypmod), t.typtype = 'c', "
        "a.attgenerated <> '' OR a.attidentity = 'a' FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        f"WHERE a.attrelid = {_oid(name)} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
    return tuple(
        Native(row[0], row[1], nullable=not row[2], filled=row[3], own=row[4], composite=row[5], computed=row[6])
        for row in found
    )


def measured(channel: Channel, name: TableName, natives: Sequence[Native]) -> tuple[Native, ...]:
    """The columns, with the digits that the values of unlimited numerics need today: one pass over the table."""
    asked = [native for native in natives if native.unlimited]
    if not asked:
        return tuple(natives)
    parts = []
    for native in asked:
        c = quote(native.name)
        finite = f"{c}::text ~ '^-?[0-9]'"
        parts += [
            f"coalesce(bool_and({finite}), true)",
            f"coalesce(max(length(trunc(abs({c}))::text)) FILTER (WHERE {finite}), 1)::int4",
            f"coalesce(max(scale({c})) FILTER (WHERE {finite}), 0)::int4",
        ]
    found = channel.query(f"SELECT {', '.join(parts)} FROM {name.sql}")[0]
    sizes = {}
    for position, native in enumerate(asked):
        finite, whole, scale = found[3 * position : 3 * position + 3]
        sizes[native.name] = (int(whole), int(scale)) if finite else None
    return tuple(replace(n, measured=sizes[n.name]) if n.name in sizes else n for n in natives)


def rows(channel: Channel, name: TableName) -> tuple[int | None, str]:
    """How many rows: exact for a small table, else the statistics' estimate with a note; None for a view."""
    kind, size, estimate = channel.query(
        "SELECT relkind::text, CASE WHEN relkind IN ('r','m','p') THEN pg_total_relation_size(oid) ELSE 0 END, "
        f"reltuples::int8 FROM pg_class WHERE oid = {_oid(name)}"
    )[0]
    if kind not in {"r", "m", "p"}:
        return None, ""
    if size < _EXACT_BELOW_BYTES or estimate < 0:
        return int(channel.query(f"SELECT count(*) FROM {name.sql}")[0][0]), ""
    return int(estimate), f"the row count of {name.table} is the server's estimate"


def keys(channel: Channel, name: TableName) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The primary key, and the other sets of columns that a unique index covers whole."""
    found = channel.query(
        "SELECT i.indexrelid::int8, i.indisprimary, a.attname::text FROM pg_index i "
        "CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, place) "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
        f"WHERE i.indrelid = {_oid(name)} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL "
        "AND i.indexprs IS NULL ORDER BY i.indexrelid, k.place"
    )
    indexes: dict[int, tuple[bool, list[str]]] = {}
    for index, primary, column in found:
        indexes.setdefault(index, (primary, []))[1].append(column)
    primary_key = next((tuple(names) for primary, names in indexes.values() if primary), ())
    return primary_key, tuple(tuple(names) for primary, names in indexes.values() if not primary)


def foreign_keys(channel: Channel, name: TableName, default: str) -> tuple[ForeignKey, ...]:
    """The table's references to others."""
    found = channel.query(
        "SELECT o.oid::int8, n.nspname::text, f.relname::text, a.attname::text, b.attname::text FROM pg_constraint o "
        "JOIN pg_class f ON f.oid = o.confrelid JOIN pg_namespace n ON n.oid = f.relnamespace "
        "CROSS JOIN LATERAL unnest(o.conkey, o.confkey) WITH ORDINALITY AS k(own, referred, place) "
        "JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.own "
        "JOIN pg_attribute b ON b.attrelid = o.confrelid AND b.attnum = k.referred "
        f"WHERE o.conrelid = {_oid(name)} AND o.contype = 'f' ORDER BY o.oid, k.place"
    )
    entries: dict[int, tuple[TableName, list[str], list[str]]] = {}
    for number, schema, table, own, referred in found:
        entry = entries.setdefault(number, (TableName(schema, table), [], []))
        entry[1].append(own)
        entry[2].append(referred)
    return tuple(
        ForeignKey(tuple(own), f"{other.schema}.{other.table}", tuple(referred))
        for other, own, referred in entries.values()
    )
