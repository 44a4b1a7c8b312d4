"""Records of JSON and JSON Lines files as text cells: one column for each key of the top-level objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_etl.connectors.celltypes import misfit, typed
from agent_etl.connectors.dataset import Dataset
from agent_etl.engine.duck import complaint, literal, quote

__all__ = ["BROKEN", "LINE", "JsonScan"]

BROKEN = "A record cannot be read"
"""The message of the error that a read of records ends with."""

LINE = '"agent_etl line"'
"""How queries name the number of a record's line: no key is likely to be named so."""

_RAW = '"agent_etl raw"'
_LONGEST = 16 * 1024 * 1024
_FILLED = " WHERE trim(record, ' \t\r') <> ''"
_OBJECT = "json_valid(record) AND json_type(record) = 'OBJECT'"
_REASONS = {
    "trim(record, ' \t\r') <> '' AND NOT json_valid(record)": "is not JSON",
    "json_type(record) <> 'OBJECT'": "is not an object",
    "len(json_keys(record)) <> len(list_distinct(json_keys(record)))": "has a key twice",
}


@dataclass(frozen=True, slots=True)
class JsonScan:
    """All reads of one dataset of records. `keys` maps columns to keys; `quarantine`: broken ones are set aside.

    `special`: see celltypes.fits.
    """

    data: Dataset
    keys: Mapping[str, str]
    quarantine: bool = False
    special: bool = False

    def records(self, *, blank: bool = False) -> str:
        """A table expression of `record`, the text of each top-level value, in the files' order.

        `blank`: empty lines are rows too, so that rows number the lines.

        JSON Lines are read as lines, so that a broken one stands for itself; a control character divides no valid line.
        """
        paths = ", ".join(literal(_plain(path)) for path in self.data.paths)
        packed = f"compression = {literal(self.data.kinds[0].compression)}"
        if self.data.kinds[0].format == "jsonl":
            return (
                f"(SELECT record FROM read_csv([{paths}], columns = {{'record': 'VARCHAR'}}, auto_detect = false, "
                f"header = false, delim = '\x01', quote = '', escape = '', strict_mode = false, {packed}, "
                f"max_line_size = {_LONGEST}){'' if blank else _FILLED})"
            )
        shape = "array" if all(_is_array(path) for path in self.data.paths) else "unstructured"
        return (
            f"(SELECT json::VARCHAR AS record FROM read_json_objects([{paths}], format = {literal(shape)}, {packed}, "
            f"maximum_object_size = {_LONGEST}))"
        )

    def fault(self, *, closed: bool = False) -> str:
        """An expression over `record`: why it cannot be read, NULL when it can. `closed`: unknown keys are a fault."""
        whens = [f"WHEN {condition} THEN {literal(reason)}" for condition, reason in _REASONS.items()]
        if closed:
            known = ", ".join(literal(key) for key in self.keys.values())
            whens.append(f"WHEN NOT list_has_all([{known}]::VARCHAR[], json_keys(record)) THEN 'has an unknown key'")
        return f"CASE {' '.join(whens)} END"

    def kind(self, name: str) -> str:
        """An expression over `record`: what kind of JSON value the column's key has."""
        return f"json_type(record, {_pointer(self.keys[name])})"

    def sound(self) -> str:
        """A table expression of the records that can be read."""
        return f"(SELECT record FROM {self.records()} WHERE {self.fault()} IS NULL)"

    def cells(self, source: str, types: Mapping[str, str] | None = None, *, also: Sequence[str] = ()) -> str:
        """A table expression of text cells, one column a key; those of type JSON as they are written.

        `also` are further columns of `source` that are passed on.
        """
        items = list(also)
        for name, key in self.keys.items():
            pointer = _pointer(key)
            written = f"CASE WHEN json_type(record, {pointer}) <> 'NULL' THEN (record -> {pointer})::VARCHAR END"
            as_json = types is not None and types.get(name) == "JSON"
            items.append(f"{written if as_json else f'record ->> {pointer}'} AS {quote(name)}")
        return f"(SELECT {', '.join(items)} FROM {source})"

    def typed(self, types: Mapping[str, str], *, closed: bool) -> str:
        """A SELECT of the columns `{name: type}`; what does not fit ends it, or is set aside under quarantine."""
        fault = self.fault(closed=closed)
        if self.quarantine:
            source = f"(SELECT record FROM {self.records()} WHERE {fault} IS NULL)"
        else:
            broken = complaint(BROKEN, dataset=self.data.name)
            source = f"(SELECT CASE WHEN {fault} IS NULL THEN record ELSE {broken} END AS record FROM {self.records()})"
        return typed(
            self.cells(source, types), types, dataset=self.data.name, quarantine=self.quarantine, special=self.special
        )

    def rejected(self, types: Mapping[str, str], *, closed: bool) -> str:
        """A query over everything that `typed` set aside: line, column_name, reason, raw. Reads again.

        `raw` is JSON: the object as it stands there, else the record as one text.
        """
        numbered = f"(SELECT row_number() OVER () AS {LINE}, record FROM {self.records(blank=True)})"
        judged = f"(SELECT {LINE}, record AS {_RAW}, record, {self.fault(closed=closed)} AS fault FROM {numbered})"
        broken = (
            f"SELECT {LINE} AS line, NULL::VARCHAR AS column_name, fault AS reason, "
            f"CASE WHEN {_OBJECT} THEN record ELSE CAST(to_json(record) AS VARCHAR) END AS raw "
            f"FROM {judged} WHERE fault IS NOT NULL"
        )
        wrong = misfit(types, special=self.special)
        if wrong is None:
            return broken
        cells = self.cells(f"{judged} WHERE fault IS NULL", types, also=(LINE, _RAW))
        misfits = (
            f"SELECT {LINE} AS line, {wrong} AS column_name, 'does not fit the type' AS reason, {_RAW} AS raw "
            f"FROM {cells} WHERE {wrong} IS NOT NULL"
        )
        return f"{broken} UNION ALL {misfits}"

    def one(self, position: int) -> "JsonScan":
        """The scan of one file alone."""
        data = Dataset(
            self.data.name, self.data.paths[position : position + 1], self.data.kinds[position : position + 1]
        )
        return JsonScan(data, self.keys, self.quarantine, self.special)


def _pointer(key: str) -> str:
    """The key as a JSON pointer, as an SQL literal."""
    return literal("/" + key.replace("~", "~0").replace("/", "~1"))


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4_096)
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _plain(path: Path) -> str:
    """The path as DuckDB takes it literally: characters of patterns are put in brackets."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
