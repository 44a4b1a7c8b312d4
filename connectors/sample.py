"""Bytes of a file, read carefully: a bounded head, decoded text, chunks of a large file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from agent_etl.connectors.filekind import FileKind
from agent_etl.engine.errors import ReadError

__all__ = ["WHOLE", "bad_byte", "chunks", "decoded", "encoding_of", "expanded", "first_bad_byte", "head", "line_ends"]

WHOLE = 64 * 1024 * 1024
"""Files up to this many bytes, expanded, are looked at wholly when they are described; larger ones in three places."""

_CHUNK = 4 * 1024 * 1024
_MOST_EXPANSION = 500


@contextmanager
def _opened(path: Path, kind: FileKind) -> Iterator[BinaryIO]:
    """The file's expanded bytes as a stream. Raises: ReadError for bytes that cannot be expanded."""
    try:
        with path.open("rb") as raw:
            if kind.compression == "none":
                yield raw
                return
            with pa.CompressedInputStream(pa.PythonFile(raw, "r"), kind.compression) as stream:
                yield cast(BinaryIO, stream)
    except (OSError, pa.ArrowInvalid) as error:
        raise ReadError(
            "The file cannot be read", dataset=path.name, reason=str(error).splitlines()[0][:200], hint="write it again"
        ) from error


def head(path: Path, kind: FileKind, size: int) -> tuple[bytes, bool]:
    """At most `size` of the first expanded bytes, and whether that is the whole file. Raises: ReadError."""
    with _opened(path, kind) as stream:
        parts, left = [], size + 1
        while left > 0 and (part := stream.read(min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    data = b"".join(parts)
    return data[:size], len(data) <= size


def expanded(path: Path, kind: FileKind) -> int | None:
    """The size of the expanded bytes when it is at most WHOLE, else None.

    Raises: ReadError for a compressed file that grows beyond any honest ratio.
    """
    stored = path.stat().st_size
    if kind.compression == "none":
        return stored if stored <= WHOLE else None
    size = 0
    with _opened(path, kind) as stream:
        while part := stream.read(1 << 20):
            size += len(part)
            if size > WHOLE:
                if size > stored * _MOST_EXPANSION:
                    raise ReadError(
                        "The compressed file expands beyond all measure",
                        dataset=path.name,
                        stored=stored,
                        limit=f"{_MOST_EXPANSION} times",
                        hint="expand it yourself if it is meant to be so",
                    )
                return None
    return size


def encoding_of(data: bytes, stated: str | None, dataset: str) -> str:
    """utf-8, utf-16 or latin-1: by the byte order mark, else as stated, else utf-8.

    Raises: ReadError for UTF-16 with the high byte first and for UTF-32, which DuckDB would read as no rows at all.
    """
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff", b"\xfe\xff")):
        raise ReadError(
            "The file is in an encoding that is not read here", dataset=dataset, hint="convert it to UTF-8 (iconv)"
        )
    if data.startswith(b"\xff\xfe"):
        return "utf-16"
    return stated or "utf-8"


def decoded(data: bytes, whole: bool, encoding: str, dataset: str, *, lenient: bool = False) -> str:
    """The bytes as text, without a byte order mark; a letter cut off at the end is left out unless `whole`.

    `lenient`: bytes that do not fit become a sign for that. Raises: ReadError with the offset of the first byte that
    does not fit the encoding.
    """
    codec = {"utf-8": "utf-8-sig"}.get(encoding, encoding)
    if lenient:
        return data.decode(codec, "replace")
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        marked = 3 if codec == "utf-8-sig" and data.startswith(b"\xef\xbb\xbf") else 0
        if not whole and error.start + marked >= len(data) - 4:
            return data[: error.start + marked].decode(codec)
        raise bad_byte(dataset, error.start + marked, encoding) from None


def bad_byte(dataset: str, offset: int, encoding: str) -> ReadError:
    """The error for a byte that does not fit the encoding."""
    hint = "state the option encoding='latin-1' if that is what it is, or convert the file to UTF-8"
    return ReadError("A byte does not fit the encoding", dataset=dataset, byte=offset, encoding=encoding, hint=hint)


def first_bad_byte(path: Path, kind: FileKind) -> int | None:
    """The offset, in the expanded bytes, of the first one that is not UTF-8; None when all are."""
    offset, carry = 0, b""
    with _opened(path, kind) as stream:
        while True:
            part = stream.read(1 << 20)
            data = carry + part
            try:
                data.decode("utf-8")
                carry = b""
            except UnicodeDecodeError as error:
                if not part or error.end < len(data) or len(data) - error.start > 3:
                    return offset + error.start
                carry = data[error.start :]
            offset += len(data) - len(carry)
            if not part:
                return None


def line_ends(path: Path, kind: FileKind) -> frozenset[str]:
    """Which line ends the file has, among CRLF, LF and CR; those inside of quoted cells count too."""
    found, carry = set(), b""
    with _opened(path, kind) as stream:
        while part := stream.read(1 << 20):
            data = carry + part
            data, carry = (data[:-1], b"\r") if data.endswith(b"\r") else (data, b"")
            pairs = data.count(b"\r\n")
            counts = {"CRLF": pairs, "LF": data.count(b"\n") - pairs, "CR": data.count(b"\r") - pairs}
            found |= {name for name, count in counts.items() if count}
    return frozenset(found | ({"CR"} if carry else set()))


def chunks(path: Path, kind: FileKind, folder: Path, encoding: str) -> list[Path]:
    """Whole lines from the start, the middle and the end of a large file, each written to a file in `folder`.

    A compressed file, or one whose letters have several bytes each, gives its start alone. The first line of a middle
    or last chunk may be half a record.
    Side effects: writes up to three files of 4 MB.
    """
    if kind.compression != "none" or encoding == "utf-16":
        data, _ = head(path, kind, 3 * _CHUNK)
        return [_lines(data, folder / "start", after=False, newline=b"\n\x00" if encoding == "utf-16" else b"\n")]
    size = path.stat().st_size
    made = []
    with path.open("rb") as file:
        for name, offset in (("start", 0), ("middle", size // 2), ("end", max(0, size - _CHUNK))):
            file.seek(offset, os.SEEK_SET)
            made.append(_lines(file.read(_CHUNK), folder / name, after=offset > 0))
    return made


def _lines(data: bytes, target: Path, *, after: bool, newline: bytes = b"\n") -> Path:
    ending = newline if newline in data else b"\r"
    start = data.find(ending) + len(ending) if after else 0
    end = data.rfind(ending) + len(ending)
    target.write_bytes(data[start:end] if end > start else data)
    return target
