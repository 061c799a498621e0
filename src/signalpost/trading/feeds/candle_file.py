"""Candle files: CSV, plain or gzipped, fully validated; errors name the file and line.

The first line names the columns: `time,open,high,low,close` and optionally `volume`, in any order. Others are ignored.
The separator is a comma, semicolon, tab or `|`. `time` is the candle's open: ISO 8601 text with its zone, or Unix time.
Rows are oldest first.
"""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from io import StringIO, TextIOWrapper
from itertools import chain, pairwise
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, cast

from signalpost.domain.candle import Candle
from signalpost.domain.exact import decimal_of, non_negative, places_of
from signalpost.domain.instant import iso
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidCandleFile, InvalidValue
from signalpost.ingest import candle_columns
from signalpost.trading.feeds.price_grid import PriceGrid, grid_of

_PRICES = candle_columns.COLUMNS[1:]
GZIP_MAGIC = b"\x1f\x8b"


class CandleFile(NamedTuple):
    """The candles of a file, and the corrections made while reading it."""

    candles: tuple[Candle, ...]
    """Oldest first, each once."""
    places: int
    """Decimals of a price: as requested, or else the file's own, but at least the instrument's."""
    duplicates: int
    """Rows that repeated the previous row and were skipped."""
    rounded: int
    """Prices with excess digits, below a billionth of the price, that were rounded to `places`."""


class _Row(NamedTuple):
    line: int
    time: datetime
    prices: tuple[Decimal, ...]
    volume: Decimal | None


def read_candle_file(
    path: Path | str, *, timeframe: Timeframe | str, pair: str | None = None, places: int | None = None
) -> CandleFile:
    """Read and validate the candles of a file.

    Raises InvalidCandleFile, with file and line, for an unreadable file, an invalid row, a candle out of order, a
    candle repeated with different values, a price with more decimals than `places`, a price that is not above zero if
    `pair` requires it, and candles whose most common interval is not `timeframe`.
    """
    name = str(path)
    rows = list(_rows(Path(path), name))
    if not rows:
        raise InvalidCandleFile("there are no candles: use a file with at least one row", path=name, code="missing")
    file, lines = _file_of(rows, name, None if pair is None else Instrument(pair), places)
    check_step(file.candles, Timeframe(timeframe), name, lines)
    return file


def read_candle_text(
    text: str, *, name: str, pair: Instrument, after: Candle | None = None, earlier_lines: int = 0
) -> tuple[CandleFile, list[int]]:
    """Read and validate the text of a file called `name`, header included: its candles, if any, and the line of each.

    If the file had `earlier_lines` between the header and this text, `after` is their last candle. Raises
    InvalidCandleFile as `read_candle_file` does, except for the timeframe.
    """
    rows = list(_parsed(StringIO(text, newline=""), name, earlier_lines))
    return _file_of(rows, name, pair, after=after)


def _file_of(
    rows: Sequence[_Row],
    name: str,
    instrument: Instrument | None,
    places: int | None = None,
    *,
    after: Candle | None = None,
) -> tuple[CandleFile, list[int]]:
    """The candles of the rows, and the line of each."""
    prices = {id(price): price for row in rows for price in row.prices}.values()  # without most repetitions
    at_least = None if instrument is None else instrument.places
    grid = grid_of(prices, at_least=at_least) if places is None else PriceGrid(places)
    rounding = None if all(places_of(price) <= grid.places for price in prices) else grid
    above_zero = instrument if min(prices, default=1) <= 0 else None
    candles: list[Candle] = []
    lines: list[int] = []
    duplicates = rounded = 0
    for row in rows:
        candle, count = _candle(row, rounding, above_zero, name)
        rounded += count
        last = candles[-1] if candles else after
        if last is not None and candle.time <= last.time:
            _check_repeats(candle, last, row.line, name)
            duplicates += 1
            continue
        candles.append(candle)
        lines.append(row.line)
    return CandleFile(tuple(candles), grid.places, duplicates, rounded), lines


def _rows(path: Path, name: str) -> Iterator[_Row]:
    try:
        with _opened(path) as text:
            yield from _parsed(text, name)
    except UnicodeDecodeError as fault:
        raise not_utf8(name, _first_undecodable_line(path)) from fault
    except (OSError, EOFError, zlib.error) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        problem = f"the file cannot be read ({reason}): check its path and permissions, and that it is complete"
        raise InvalidCandleFile(problem, path=name, code="not-readable") from fault


def _parsed(text: TextIO, name: str, earlier_lines: int = 0) -> Iterator[_Row]:
    line, skipped = None, 0
    header = text.readline()
    if (separator := candle_columns.declared_separator(header)) is not None:
        header, skipped = text.readline(), 1
    if separator not in candle_columns.SEPARATORS:
        separator = candle_columns.separator_of(header)
    if "\0" in header:  # UTF-16 without a byte order mark
        raise not_utf8(name, 1)
    reader = csv.reader(chain([header], text), delimiter=separator, strict=True)
    try:
        rows = _Rows(_columns(next(reader, []), header, name, skipped + 1))
        for cells in reader:
            line = reader.line_num + skipped + earlier_lines
            if cells:
                yield rows.row(cells, line)
    except InvalidValue as fault:
        raise _of_row(fault, name, line) from fault
    except csv.Error as fault:
        problem, at = f"the file is not valid CSV: {fault}", reader.line_num + skipped + earlier_lines
        raise InvalidCandleFile(problem, path=name, line=at, code="not-csv") from fault


def not_utf8(name: str, line: int | None) -> InvalidCandleFile:
    """The error that a file is not UTF-8 text."""
    return InvalidCandleFile("the file is not UTF-8 text: save it as UTF-8", path=name, line=line, code="not-utf-8")


def _opened(path: Path) -> TextIO:
    return TextIOWrapper(_opened_bytes(path), encoding="utf-8-sig", newline="")


def _opened_bytes(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path)) if is_gzip else path.open("rb")


def _first_undecodable_line(path: Path) -> int | None:
    """The line for the error; None if the file is damaged before it."""
    with suppress(OSError, EOFError, zlib.error), _opened_bytes(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return None


def _columns(header: Sequence[str], text: str, name: str, line: int) -> dict[str, int]:
    try:
        return candle_columns.columns_of(header, text)
    except InvalidValue as error:
        faults = ", ".join(fault.text for fault in error.errors)
        text = (
            f"the header has {faults}; it must have the columns {','.join(candle_columns.COLUMNS)}[,volume], "
            f"separated by {candle_columns.SEPARATORS_IN_WORDS}"
        )
        raise InvalidCandleFile(text, path=name, line=line, **error.errors[0].facts()) from None


class _Rows:
    """Reads the rows of a file."""

    def __init__(self, columns: dict[str, int]) -> None:
        self._columns = columns
        self._width = max(columns.values()) + 1
        self._prices = itemgetter(*(columns[name] for name in _PRICES))
        self._volume = columns.get("volume")
        self._known: dict[str, Decimal] = {}
        """The numbers of earlier rows, which repeat often."""

    def row(self, cells: Sequence[str], line: int) -> _Row:
        """The values of a row. Raises InvalidValue."""
        if len(cells) < self._width:
            text = f"the row has only {len(cells)} cells, fewer than the header: complete or delete it"
            raise InvalidValue(text, code="missing", value=str(len(cells)), limit=str(self._width))
        time = candle_columns.opening_time(cells, self._columns)
        texts, known = self._prices(cells), self._known
        try:
            prices = tuple(map(known.__getitem__, texts))
        except KeyError:
            prices = tuple(map(self._number, texts, _PRICES))
        return _Row(line, time, prices, None if self._volume is None else self._size(cells[self._volume]))

    def _size(self, text: str) -> Decimal | None:
        """A volume; None if the cell is empty."""
        if not (text := text.strip()):
            return None
        volume = self._number(text, "volume")
        return volume if volume >= 0 else non_negative(volume, "volume")

    def _number(self, text: str, name: str) -> Decimal:
        number = self._known.get(text)
        if number is None:
            number = self._known[text] = decimal_of(text, name)
        return number


def _of_row(fault: InvalidValue, name: str, line: int | None) -> InvalidCandleFile:
    first = fault.errors[0]
    facts = {"code": first.code, "field": first.field, "value": first.value, "limit": first.limit}
    return InvalidCandleFile(str(fault), path=name, line=line, **facts)


def _candle(row: _Row, grid: PriceGrid | None, instrument: Instrument | None, name: str) -> tuple[Candle, int]:
    """The row's candle, and the number of its prices that were rounded to `grid`. `instrument` checks prices."""
    try:
        if instrument is not None:
            for column, price in zip(_PRICES, row.prices, strict=True):
                instrument.check_price(price, column)
        prices = row.prices if grid is None else tuple(map(grid.nearest, row.prices))
        candle = Candle.of_checked(row.time, prices, row.volume)
    except InvalidValue as fault:
        raise _of_row(fault, name, row.line) from fault
    if grid is None:
        return candle, 0
    return candle, sum(price != given for price, given in zip(prices, row.prices, strict=True))


def _check_repeats(candle: Candle, last: Candle, line: int, name: str) -> None:
    if candle.time < last.time:
        raise InvalidCandleFile(
            f"the candle of {iso(candle.time)} comes after the one of {iso(last.time)}: sort the rows, oldest first",
            path=name,
            line=line,
            code="out-of-order",
            field="time",
            value=iso(candle.time),
            limit=f"after {iso(last.time)}",
        )
    if candle != last:
        text = f"the candle of {iso(candle.time)} appears twice with different values: keep the right one"
        raise InvalidCandleFile(text, path=name, line=line, code="conflict", field="time", value=iso(candle.time))


def check_step(candles: Sequence[Candle], timeframe: Timeframe, name: str, lines: Sequence[int] | None = None) -> None:
    """Raises InvalidCandleFile if the most common interval of a file's candles is not `timeframe`.

    `lines` has the line of each candle, for the error.
    """
    steps = [later.time - earlier.time for earlier, later in pairwise(candles)]
    counts = Counter(steps)
    if not steps or counts[timeframe.duration] == max(counts.values()):
        return
    commonest, count = counts.most_common(1)[0]
    here = "" if lines is None else "; the first one ends at this line"
    raise InvalidCandleFile(
        f"the most common interval between candles is {commonest} ({count} of {len(steps)}{here}), but {timeframe} "
        f"candles must open every {timeframe.duration}: use the file's timeframe",
        path=name,
        line=None if lines is None else lines[steps.index(commonest) + 1],
        code="wrong-timeframe",
        field="timeframe",
        value=str(commonest),
        limit=str(timeframe),
    )
