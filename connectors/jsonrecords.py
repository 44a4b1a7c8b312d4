"""JSON and JSON Lines: every key of the top-level objects is a column; nested values stay JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent_etl.connectors.celltypes import infer
from agent_etl.connectors.dataset import Dataset, Described
from agent_etl.connectors.dialect import unique_names
from agent_etl.connectors.jsonscan import JsonScan
from agent_etl.connectors.readoptions import ReadOptions
from agent_etl.connectors.sample import expanded
from agent_etl.engine.deadletters import described
from agent_etl.engine.duck import Cursor, connected, literal, quote, run
from agent_etl.engine.errors import AgentEtlError, NotFound, ReadError
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column

__all__ = ["JsonRecords"]

_NUMBERS = frozenset({"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DOUBLE"})
_TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})
_VALID = ("compression", "keys", "max_rejects", "on_error", "special_values", "types")
_MOST_KEYS = 2_000
_AT_ONCE = 200


class JsonRecords:
    """Datasets of records: JSON Lines, a JSON array of objects, or objects one after the other.

    Read options: types ({column: type}), on_error (fail, quarantine), compression, and keys ({column: key}), which
    says that the columns are known and need not be looked for.
    """

    def describe(self, data: Dataset, options: Mapping[str, Any] | None) -> Described:
        """Columns from the keys of all records, types that lose nothing.

        Raises: ReadError naming the first line that is not an object, and why.
        """
        stated, keys = _options(data, options)
        if len({kind.compression for kind in data.kinds}) > 1:
            raise ReadError("The files of the pattern are compressed in different ways", dataset=data.name)
        if keys and all(name in stated.types for name in keys):
            return Described(_columns(tuple(keys), stated.types), None, dict(options or {}))
        for path, kind in zip(data.paths, data.kinds, strict=True):
            expanded(path, kind)
        scan = JsonScan(data, keys, stated.quarantine)
        with connected(memory_limit="512MB") as connection:
            notes = []
            try:
                rows = _count(connection, scan)
            except ReadError as error:
                raise _diagnosed(scan, {}, error) from error
            broken, good = rows
            if broken and not stated.quarantine:
                raise _diagnosed(scan, {}, ReadError("A record cannot be read", dataset=data.name))
            if not good:
                raise ReadError("The file holds no record", dataset=data.name, hint="remove or refill it")
            if broken:
                notes.append(f"{broken} records cannot be read: they are set aside")
            return _surveyed(connection, scan, stated, good, notes)

    def scan(self, data: Dataset, columns: Sequence[str] | None, options: Mapping[str, Any] | None) -> Relation:
        """The rows as a typed read. Raises: ReadError; NotFound for a column that no record has."""
        found = self.describe(data, options)
        stated, keys = _options(data, found.options)
        types = {column.name: column.type for column in found.columns}
        chosen = _chosen(types, columns, data.name)
        scan = JsonScan(data, keys, stated.quarantine, stated.special_values)
        wanted = {name: types[name] for name in chosen}
        closed = columns is None
        return Relation(
            columns=_columns(chosen, types),
            sql=f"({scan.typed(wanted, closed=closed)})",
            rejects=scan.rejected(wanted, closed=closed) if stated.quarantine else None,
            reread=_reread(scan, types) if stated.quarantine else None,
            diagnose=lambda error: _diagnosed(scan, wanted, error, closed=closed),
        )


def _options(data: Dataset, options: Mapping[str, Any] | None) -> tuple[ReadOptions, dict[str, str]]:
    given = dict(options or {})
    unknown = sorted(set(given) - set(_VALID))
    keys = given.pop("keys", None) or {}
    if unknown or not isinstance(keys, Mapping):
        raise ReadError(
            "A read option is wrong",
            dataset=data.name,
            option=unknown[0] if unknown else "keys",
            hint=f"valid options are {', '.join(_VALID)}",
        )
    return ReadOptions.parse(given, data.name), {str(name): str(key) for name, key in keys.items()}


def _count(cursor: Cursor, scan: JsonScan) -> tuple[int, int]:
    """Records that cannot be read, and those that can. Raises: ReadError when the file itself is broken."""
    sql = f"SELECT count(fault), count(*) - count(fault) FROM (SELECT {scan.fault()} AS fault FROM {scan.records()})"
    broken, good = run(cursor, sql, dataset=scan.data.name).fetchall()[0]
    return int(broken), int(good)


def _surveyed(cursor: Cursor, scan: JsonScan, stated: ReadOptions, rows: int, notes: list[str]) -> Described:
    source = scan.sound()
    lists = run(
        cursor,
        "SELECT keys FROM (SELECT json_keys(record) AS keys, row_number() OVER () AS number "
        f"FROM {source}) GROUP BY keys ORDER BY min(number) LIMIT 100_000",
    ).fetchall()
    found = list(dict.fromkeys(key for (keys,) in lists for key in keys))
    if len(found) > _MOST_KEYS or not found:
        raise ReadError(
            "The keys of the records cannot be columns",
            dataset=scan.data.name,
            keys=len(found),
            limit=_MOST_KEYS,
            hint="records are objects with a limited number of keys; turn keys that are data into values",
        )
    names = unique_names(found)
    keys = dict(zip(names, found, strict=True))
    unknown = sorted(set(stated.types) - set(names))
    if unknown:
        raise ReadError("The option types names a column that is not there", column=unknown[0], columns=list(names))
    if list(names) != found:
        notes.append(f"keys differ in case alone or are empty; the columns are named {', '.join(names)}")
    types: dict[str, str] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = {name: keys[name] for name in names[start : start + _AT_ONCE]}
        types |= _types(cursor, JsonScan(scan.data, some, scan.quarantine), source, notes)
    types |= dict(stated.types)
    options = {"types": types, "keys": keys, "on_error": "quarantine" if stated.quarantine else None}
    options["compression"] = stated.compression
    kept = {name: value for name, value in options.items() if value}
    return Described(_columns(names, types), rows, kept, tuple(notes))


def _types(cursor: Cursor, scan: JsonScan, source: str, notes: list[str]) -> dict[str, str]:
    """The type of each key: a scalar type when all values are of that kind and lose nothing by it, else JSON."""
    kinds = run(
        cursor,
        "SELECT " + ", ".join(f"list_distinct(list({scan.kind(name)}))" for name in scan.keys) + f" FROM {source}",
    ).fetchall()[0]
    text = scan.cells(source)
    evidence = infer(cursor, text, list(scan.keys))
    types = {}
    for name, listed in zip(scan.keys, kinds, strict=True):
        seen = {str(kind) for kind in listed or () if kind not in (None, "NULL")}
        found = evidence[name].type
        if not seen:
            types[name] = "VARCHAR"
        elif seen <= _NUMBERS:
            types[name] = found if found in {"BIGINT", "DOUBLE"} else _exact(cursor, text, name)
        elif seen == {"BOOLEAN"}:
            types[name] = "BOOLEAN"
        elif seen == {"VARCHAR"}:
            types[name] = found if found in _TIMES and not evidence[name].empty_texts else "VARCHAR"
        else:
            types[name] = "JSON"
            if not seen <= {"OBJECT", "ARRAY"}:
                notes.append(f"{name} holds values of several kinds ({', '.join(sorted(seen))}): it is read as JSON")
    return types


def _exact(cursor: Cursor, text: str, name: str) -> str:
    """DECIMAL(38,0) for whole numbers beyond BIGINT, else JSON, which keeps the digits as they are written."""
    cell = quote(name)
    whole = f"bool_and(regexp_full_match({cell}, {literal('-?[0-9]{1,38}')}))"
    return "DECIMAL(38,0)" if run(cursor, f"SELECT {whole} FROM {text}").fetchall()[0][0] else "JSON"


def _reread(scan: JsonScan, types: Mapping[str, str]) -> str:
    """What connectors/reread.py needs to read a record again that was set aside."""
    options = {"types": dict(types), "special_values": scan.special}
    keys = dict(scan.keys)
    return described(
        {"format": "json", "dataset": scan.data.name, "columns": list(keys), "keys": keys, "options": options}
    )


def _chosen(types: Mapping[str, str], columns: Sequence[str] | None, dataset: str) -> tuple[str, ...]:
    if columns is None:
        return tuple(types)
    folded = {name.lower(): name for name in types}
    for name in columns:
        if name.lower() not in folded:
            raise NotFound("No record has that key", dataset=dataset, column=name, candidates=list(types)[:30])
    return tuple(dict.fromkeys(folded[name.lower()] for name in columns))


def _columns(names: Sequence[str], types: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, types[name]) for name in names)


def _diagnosed(
    scan: JsonScan, types: Mapping[str, str], error: AgentEtlError, *, closed: bool = False
) -> AgentEtlError:
    from agent_etl.connectors.jsondiagnosis import diagnose

    return diagnose(scan, types, error, closed=closed)
