"""How a delimited text is cut into cells: found by counting cells, never by guessing past a doubt."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agent_etl.connectors.readoptions import ReadOptions
from agent_etl.engine.errors import ReadError

__all__ = ["Dialect", "cells", "cut_line", "detect", "unique_names"]

_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
_RECORDS = 1_000
_NUMERIC = re.compile(r"-?[0-9][0-9 ,.]*([eE][+-]?[0-9]+)?%?")
_DATED = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T][0-9:.+Z-]+)?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """Delimiter, quote and escape (empty: none), whether the first record is a header, lines before it, encoding."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    header: bool = True
    skip: int = 0
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class _Reading:
    """The sample cut in one way: its records, how many cells most of them have, which share of them has as many."""

    dialect: Dialect
    records: list[list[str]]
    cells: int
    share: float

    @property
    def sound(self) -> bool:
        """Several columns, and the first record has as many cells as most others (or one empty cell fewer)."""
        if not self.records or self.cells < 2:
            return False
        first = len(self.records[0])
        trailing = first + 1 == self.cells and all(len(r) <= first or r[-1] == "" for r in self.records[1:])
        return first == self.cells or trailing


Sniff = Callable[[], str]


def detect(text: str, whole: bool, options: ReadOptions, tabbed: bool, sniff: Sniff, dataset: str) -> Dialect:
    """The dialect of a sample; what `options` state is taken as stated.

    `whole`: the sample is the whole file. `sniff` gives the delimiter that DuckDB would choose: where the best one does
    not cut every record alike, DuckDB must not prefer another. Raises: ReadError when there are two ways to cut.
    """
    if not text.strip():
        raise ReadError("The file holds only blank space", dataset=dataset, hint="remove or refill it")
    skip = options.skip if options.skip is not None else _blank_lines(text)
    body = text.split("\n", skip)[-1] if skip else text
    stated = (options.delimiter,) if options.delimiter else None
    readings = [_best_quotes(body, whole, delimiter, options) for delimiter in stated or _DELIMITERS]
    chosen = readings[0] if stated else _choose(readings, tabbed, sniff, dataset)
    header = options.header if options.header is not None else _has_header(chosen.records)
    return replace(chosen.dialect, header=header, skip=skip)


def cells(text: str, whole: bool, dialect: Dialect, limit: int = _RECORDS) -> list[list[str]]:
    """The first records of a text that starts at a record; one that the sample cut off is left out."""
    return _cut(text, whole, dialect, limit)[0]


def _cut(text: str, whole: bool, dialect: Dialect, limit: int) -> tuple[list[list[str]], bool]:
    """The first records, and whether a quote went wrong after them."""
    reader = _reader(text, dialect)
    records: list[list[str]] = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > limit:
                return records, False
    except csv.Error:
        # A sample that ends inside of a quoted cell breaks there too, at its very end.
        return records, whole or reader.line_num + 1 < text.count("\n")
    return (records if whole or len(records) < 2 else records[:-1]), False


def _reader(text: str, dialect: Dialect) -> Any:
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=dialect.escape == dialect.quote,
        escapechar=dialect.escape if dialect.escape and dialect.escape != dialect.quote else None,
        strict=True,
    )


def cut_line(line: str, dialect: Dialect) -> list[str]:
    """The cells of one record. Raises: csv.Error when it is none, or more than one."""
    if len(dialect.delimiter) > 1:
        return line.split(dialect.delimiter)
    records: list[list[str]] = list(_reader(line, dialect))
    if len(records) != 1:
        raise csv.Error
    return records[0]


def unique_names(header: list[str]) -> tuple[str, ...]:
    """Names that differ in more than case: a repeated one gets a number, an empty one its position."""
    names: list[str] = []
    taken = {name.strip().lower() for name in header}
    seen: set[str] = set()
    for position, raw in enumerate(header, 1):
        name = raw.strip().replace("\x00", "") or f"column_{position}"
        if name.lower() in seen:
            number = 2
            while f"{name}_{number}".lower() in taken | seen:
                number += 1
            name = f"{name}_{number}"
        seen.add(name.lower())
        names.append(name)
    return tuple(names)


def _blank_lines(text: str) -> int:
    return len(text) - len(text.lstrip("\n")) if text.startswith("\n") else 0


def _best_quotes(text: str, whole: bool, delimiter: str, options: ReadOptions) -> _Reading:
    """The text cut at `delimiter`, with other quotes only where they turn an uneven sample into an even one."""
    quote = options.quote if options.quote is not None else '"'
    escape = options.escape if options.escape is not None else quote
    best = _reading(text, whole, Dialect(delimiter, quote, escape))
    if best.share == 1.0 or options.quote is not None or options.escape is not None or len(delimiter) > 1:
        return best
    cut = re.escape(delimiter)
    seen = {
        Dialect(delimiter, '"', "\\"): '\\"' in text,
        Dialect(delimiter, "'", "'"): re.search(rf"(^|{cut})'[^'\n]*'({cut}|$)", text, re.MULTILINE) is not None,
    }
    for other in (dialect for dialect, evidence in seen.items() if evidence):
        reading = _reading(text, whole, other)
        if reading.share == 1.0 and reading.sound:
            return reading
    return best


def _reading(text: str, whole: bool, dialect: Dialect) -> _Reading:
    if len(dialect.delimiter) > 1:
        lines = [line for line in text.splitlines() if line][:_RECORDS]
        records = [line.split(dialect.delimiter) for line in lines]
        return _Reading(dialect, records, len(records[0]) if records else 0, 1.0)
    records, wrong = _cut(text, whole, dialect, _RECORDS)
    if not records:
        return _Reading(dialect, [], 0, 0.0)
    counts = Counter(len(record) for record in records[1:]) or Counter([len(records[0])])
    most, times = max(counts.items(), key=lambda item: (item[1], item[0]))
    return _Reading(dialect, records, most, times / (sum(counts.values()) + wrong))


def _choose(readings: list[_Reading], tabbed: bool, sniff: Sniff, dataset: str) -> _Reading:
    sound = sorted((reading for reading in readings if reading.sound), key=lambda reading: -reading.share)
    if tabbed:
        sound = [reading for reading in sound if reading.dialect.delimiter == "\t"] or sound
    if not sound:
        return _single(readings, tabbed, dataset)
    others = [reading.dialect.delimiter for reading in sound[1:] if reading.share >= min(0.9, sound[0].share)]
    if not others and sound[0].share < 1.0:
        agreed = sniff()
        others = [reading.dialect.delimiter for reading in sound[1:] if reading.dialect.delimiter == agreed]
    if others:
        raise _doubt(dataset, [sound[0].dialect.delimiter, *others])
    return sound[0]


def _single(readings: list[_Reading], tabbed: bool, dataset: str) -> _Reading:
    """One column, when no delimiter stands in the header or in most lines; else there is a doubt."""
    first = readings[0]
    whole_lines = [record for record in first.records if record]
    header_cells = {r.dialect.delimiter: len(r.records[0]) for r in readings if r.records}
    common = {
        r.dialect.delimiter
        for r in readings
        if r.records and sum(len(record) > 1 for record in r.records) * 2 > len(r.records)
    }
    suspects = [delimiter for delimiter, count in header_cells.items() if count > 1] or sorted(common)
    if not suspects:
        return next((r for r in readings if (r.dialect.delimiter == "\t") == tabbed), first)
    if len(suspects) == 1 and header_cells.get(suspects[0], 0) > 1 and len(whole_lines) > 0:
        reading = next(r for r in readings if r.dialect.delimiter == suspects[0])
        if any(len(record) == len(reading.records[0]) for record in reading.records[1:]) or len(reading.records) == 1:
            return replace(reading, cells=len(reading.records[0]))
    raise _doubt(dataset, suspects)


def _doubt(dataset: str, delimiters: list[str]) -> ReadError:
    named = [_NAMES.get(delimiter, delimiter) for delimiter in delimiters]
    return ReadError(
        "The text can be cut into cells in more than one way",
        dataset=dataset,
        candidates=named,
        hint="state the option delimiter; if lines stand before the header, state skip",
    )


def _has_header(records: list[list[str]]) -> bool:
    """Whether the first record names columns: a word above numbers or dates says yes, only values above values no."""
    if len(records) < 2:
        return not any(_is_value(cell) for cell in records[0])
    named = alike = 0
    for position, top in enumerate(records[0]):
        below = [record[position] for record in records[1:200] if len(record) > position and record[position]]
        if below and sum(_is_value(cell) for cell in below) > 0.9 * len(below):
            named += not _is_value(top)
            alike += _is_value(top)
    return named > 0 or alike == 0


def _is_value(cell: str) -> bool:
    text = cell.strip()
    return bool(_NUMERIC.fullmatch(text) or _DATED.fullmatch(text))
