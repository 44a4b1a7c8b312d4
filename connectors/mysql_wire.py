"""MySQL's wire protocol for whole batches: rows arrive as Arrow columns, and files are sent, without work per value.

PyMySQL logs in, keeps the session and answers small queries. A result's packets are only cut into rows here; the values
of one column in all rows of a batch are then found by Arrow at once.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pymysql.constants.COMMAND import COM_QUERY
from pymysql.err import Error, OperationalError

__all__ = ["Block", "Sent", "rows", "send"]

_BLOCK_BYTES = 8 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_PACKET_BYTES = 256 * 1024
_WHOLE = 0xFFFFFF
_HEADER = struct.Struct("<I")
_END, _ERROR, _NULL = 0xFE, 0xFF, 0xFB
_LOST = 2013


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a result as they came: `starts` are the places in `data` where each row's values begin."""

    data: bytes
    starts: list[int]

    def columns(self, count: int) -> list[pa.Array]:
        """The values of each of `count` columns, as binary."""
        raw = pa.py_buffer(self.data)
        octets = pa.Array.from_buffers(pa.uint8(), len(self.data), [None, raw])
        place = pa.array(self.starts, pa.int64())
        found = []
        for _ in range(count):
            start, end, null = _bounds(octets, place)
            found.append(_between(raw, start, end, null))
            place = end
        return found


@dataclass(frozen=True, slots=True)
class Sent:
    """What the server says of a file that was sent to it."""

    rows: int
    warnings: int


def rows(connection: Any, sql: str) -> Iterator[Block]:
    """The result of a query, some megabytes at a time. The connection serves nothing else until it is exhausted.

    Raises: pymysql.Error.
    """
    connection._execute_command(COM_QUERY, sql)
    count = connection._read_packet().read_length_encoded_integer()
    for _ in range(count + 1):
        connection._read_packet()
    stream = connection._rfile
    starts: list[int] = []
    data, place, done = bytearray(), 0, False
    while not done:
        place, done = _walk(data, place, starts)
        if starts and (done or len(data) >= _BLOCK_BYTES):
            yield Block(bytes(memoryview(data)[:place]), starts)
            data, place, starts = data[place:], 0, []
        if not done:
            more = stream.read1(_READ_BYTES)
            if not more:
                raise OperationalError(_LOST, "Lost connection to MySQL server during query")
            data += more


def _walk(data: bytearray, place: int, starts: list[int]) -> tuple[int, bool]:
    """Note where each whole row after `place` begins; gives the end of the last one, and whether it ends the result.

    Raises: pymysql.Error that the server sent in place of a row.
    """
    unpack, size = _HEADER.unpack_from, len(data)
    while place + 4 <= size:
        length = unpack(data, place)[0] & _WHOLE
        after = place + 4 + length
        if length == _WHOLE:
            joined = _joined(data, place)
            if joined is None:
                break
            after = joined
        elif after > size:
            break
        elif length < 9 and length and data[place + 4] == _END:
            return place, True
        if length and data[place + 4] == _ERROR:
            raise _refusal(bytes(data[place + 4 : after]))
        starts.append(place + 4)
        place = after
    return place, False


def _joined(data: bytearray, place: int) -> int | None:
    """Take the headers out of a row that came in several packets; its end, or None while it is not whole."""
    headers, after, length = [], place, _WHOLE
    while length == _WHOLE:
        if after + 4 > len(data):
            return None
        length = _HEADER.unpack_from(data, after)[0] & _WHOLE
        headers.append(after)
        after += 4 + length
    if after > len(data):
        return None
    for header in reversed(headers[1:]):
        del data[header : header + 4]
    return after - 4 * len(headers[1:])


def _refusal(packet: bytes) -> OperationalError:
    text = packet[3:].decode("utf-8", "replace")
    return OperationalError(int.from_bytes(packet[1:3], "little"), text[6:] if text.startswith("#") else text)


def _bounds(octets: pa.Array, place: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Where the values whose lengths stand at `place` begin and end, and which of them are NULL."""
    first = _octet(octets, place)
    null = pc.equal(first, _NULL)
    start, length = pc.add(place, 1), pc.if_else(null, 0, first)
    if pc.any(pc.greater(first, _NULL)).as_py():
        # One of these bytes says that the length itself stands in the next 2, 3 or 8.
        for mark, width in ((0xFC, 2), (0xFD, 3), (0xFE, 8)):
            marked, number = pc.equal(first, mark), pa.scalar(0, pa.int64())
            for step in range(width):
                number = pc.add(number, pc.shift_left(_octet(octets, pc.add(place, 1 + step)), 8 * step))
            length = pc.if_else(marked, number, length)
            start = pc.if_else(marked, pc.add(place, 1 + width), start)
    return start, pc.add(start, length), null


def _octet(octets: pa.Array, place: pa.Array) -> pa.Array:
    """The bytes at these places; any byte for a place beyond the end."""
    return pc.cast(pc.take(octets, pc.min_element_wise(place, len(octets) - 1), boundscheck=False), pa.int64())


def _between(raw: pa.Buffer, start: pa.Array, end: pa.Array, null: pa.Array) -> pa.Array:
    """The bytes between these places, copied together."""
    count = len(start)
    # Two 32-bit places in one 64-bit number: together they are the offsets of values and of the gaps between them.
    offsets = pc.bit_wise_or(start, pc.shift_left(end, 32)).buffers()[1]
    mixed = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, offsets, raw])
    found = pc.take(mixed, pa.array(range(0, 2 * count, 2), pa.int64()), boundscheck=False)
    return pc.if_else(null, pa.scalar(None, pa.binary()), found) if pc.any(null).as_py() else found


def send(connection: Any, sql: str, chunks: Iterable[Any]) -> Sent:
    """Run a LOAD DATA LOCAL statement and send these bytes as its file, whatever file the server asks for.

    Raises: pymysql.Error; what `chunks` raises, after which the connection is in order and the transaction must be
    rolled back.
    """
    connection._execute_command(COM_QUERY, sql)
    asked = connection._read_packet()
    if not asked.is_load_local_packet():
        raise OperationalError(0, "The server did not ask for the rows")
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), _PACKET_BYTES):
                connection.write_packet(bytes(view[start : start + _PACKET_BYTES]))
    except Error:
        raise
    except BaseException:
        # The rows ended early: the file has an end nevertheless, after which the server listens again.
        _ended(connection)
        raise
    return _ended(connection)


def _ended(connection: Any) -> Sent:
    connection.write_packet(b"")
    reply = connection._read_ok_packet()
    return Sent(reply.affected_rows, reply.warning_count)
