"""Rows into a MySQL table: by LOAD DATA LOCAL where the server takes files, else by INSERTs of some megabytes.

DuckDB makes one text of each row; a batch of them stands in memory as the very bytes that are sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from agent_etl.connectors.fit import head
from agent_etl.connectors.mysql_channel import Channel
from agent_etl.connectors.mysql_types import Wired, wire
from agent_etl.connectors.pour import Pour, explained
from agent_etl.engine import duck
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import TargetError
from agent_etl.engine.interruption import check
from agent_etl.engine.ports import Relation

__all__ = ["Bulk"]

_BATCH_ROWS = 8_192
_STATEMENT_BYTES = 4 * 1024 * 1024
_FORMAT = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY 0x09 ESCAPED BY 0x5C LINES TERMINATED BY 0x0A"
_FREE = frozenset({"VARCHAR", "ENUM", "JSON"})
"""Types whose texts may hold what separates fields and rows."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """The rows of one load on their way into `table`, quoted SQL."""

    channel: Channel
    table: str
    pour: Pour
    memory_limit: str

    def append(self, rows: Relation) -> int:
        """Append the rows; how many they were.

        Raises: what the rows' own source raises; TargetError for a value that does not fit. Side effects: the session's
        transaction.
        """
        takes_files, packet = self.channel.query("SELECT @@local_infile, @@max_allowed_packet")[0]
        return self._sent(rows) if takes_files else self._inserted(rows, int(packet))

    @property
    def _wired(self) -> list[Wired]:
        items = enumerate(self.pour.items)
        return [wire(quote(slot.name), column.type, slot, position) for position, (column, slot, _) in items]

    def _sent(self, rows: Relation) -> int:
        places, sets, fields = [], [], []
        for position, (wired, slot) in enumerate(zip(self._wired, self.pour.slots, strict=True)):
            plain = wired.value == "{0}"
            places.append(quote(slot.name) if plain else f"@field{position}")
            sets += [] if plain else [f"{quote(slot.name)} = {wired.value.format(places[-1])}"]
            text = _escaped(wired.text) if head(slot.type) in _FREE else wired.text
            fields.append(f"coalesce({text}, '\\N')")
        given = 0

        def chunks() -> Iterator[memoryview]:
            nonlocal given
            for array in self._texts(rows, f"concat({', chr(9), '.join(fields)}, chr(10))"):
                given += len(array)
                yield _bytes(array)

        statement = f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {self.table} {_FORMAT} ({', '.join(places)})"
        added = self.channel.send(statement + (f" SET {', '.join(sets)}" if sets else ""), chunks())
        if added != given:
            raise TargetError("The target left out rows", table=self.table, given=given, taken=added)
        return given

    def _inserted(self, rows: Relation, packet: int) -> int:
        values = ", ',', ".join(_literal(wired) for wired in self._wired)
        start = f"INSERT INTO {self.table} ({self.pour.names}) VALUES ".encode()
        limit = min(packet - len(start) - 1024, _STATEMENT_BYTES)
        given = 0
        for array in self._texts(rows, f"concat('(', {values}, '),')"):
            for part in _parts(array, limit):
                given += self.channel.execute(start + bytes(_bytes(part)[:-1]))
        return given

    def _texts(self, rows: Relation, line: str) -> Iterator[pa.Array]:
        """Each row as one text, in batches."""
        with duck.connected(memory_limit=self.memory_limit) as between, duck.attached(between, rows) as select:
            try:
                lines = between.sql(f"SELECT {line} AS line FROM ({self.pour.select(select)})")
                for batch in lines.to_arrow_reader(_BATCH_ROWS):
                    check()
                    yield batch.column(0)
            except (duck.Error, OSError, pa.ArrowException) as error:
                raise explained(str(error), self.pour) or duck.translate(error) from None


def _escaped(text: str) -> str:
    for sign, letter in ((r"'\'", r"'\\'"), ("chr(9)", r"'\t'"), ("chr(10)", r"'\n'")):
        text = f"replace({text}, {sign}, {letter})"
    return text


def _literal(wired: Wired) -> str:
    """The DuckDB expression of the value as SQL."""
    before, _, after = wired.value.partition("{0}")
    opened, closed = literal(f"{before}'"), literal(f"'{after}")
    doubled = f"replace({wired.text}, '''', '''''')"
    return f"coalesce({opened} || {doubled} || {closed}, 'NULL')"


def _bytes(array: pa.Array) -> memoryview:
    """The texts of an array as they stand in memory: one after the other."""
    _, offsets, data = array.buffers()
    places = pa.Array.from_buffers(pa.int32(), len(array) + 1, [None, offsets], offset=array.offset)
    return memoryview(data or b"")[places[0].as_py() : places[-1].as_py()]


def _parts(array: pa.Array, limit: int) -> Iterator[pa.Array]:
    """The array in pieces of at most so many bytes, or of one row."""
    if len(array) > 1 and len(_bytes(array)) > limit:
        half = len(array) // 2
        yield from _parts(array.slice(0, half), limit)
        yield from _parts(array.slice(half), limit)
    elif len(array):
        yield array
