"""A watched folder of candle files, such as `EUR_USD_H4.csv` or `EUR_USD_H4.csv.gz`, that other programs write.

A file may grow, or be replaced at any time. Its last line counts once it ends with a line break: until then it may be
half written. Files are read only if they have changed. If rows were appended, only these are parsed: a checksum shows
that the rows before them are the same.
"""

import asyncio
import os
import zlib
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

from signalpost import clock
from signalpost.domain.candle import Candle
from signalpost.domain.instant import iso
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, InvalidCandleFile
from signalpost.ingest.candle_columns import declared_separator
from signalpost.lasting import result_of
from signalpost.own_threads import OwnThreads
from signalpost.trading.calendar import Calendar
from signalpost.trading.candle_rules import MOST_AHEAD
from signalpost.trading.feeds.candle_file import GZIP_MAGIC, check_step, not_utf8, read_candle_text
from signalpost.trading.feeds.port import Fetched, visible, was_closed
from signalpost.trading.outcomes import QuoteCandle

_THREADS = OwnThreads()
"""A read may hang with its disk, and must not block the thread pool of the program's loop."""
_ENDINGS = (".csv", ".csv.gz")
_CHUNK = 1 << 20
_ENOUGH = 10
"""Candles needed to check the interval. The gaps between fewer could all be weekends and holidays."""
_CHECKED = 50
"""How many of the newest candles are checked: their most common interval must be the timeframe."""


def file_names(pair: Instrument, timeframe: Timeframe) -> tuple[str, ...]:
    """The names that the file of a pair and timeframe can have."""
    return tuple(f"{pair}_{timeframe}{ending}".replace("/", "_") for ending in _ENDINGS)


class FolderFeed:
    """A feed of the candle files in a folder."""

    def __init__(self, *, name: str, calendar: Calendar, path: Path | str) -> None:
        self.name, self.calendar = name, calendar
        self._folder = Path(path)
        self._files: dict[tuple[Instrument, Timeframe], _WatchedFile] = {}
        self._is_closed = False

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """The closed candles of the file: all rows but the last, and the last one if its close has passed.

        Raises FeedFailed, with file and line, for a missing or invalid file, or one whose last row opens in the future.
        """
        if self._is_closed:
            raise was_closed(self.name)
        file = self._files.setdefault((pair, timeframe), _WatchedFile(self._folder, pair, timeframe))
        content, now = await file.content(), clock.now()
        content.check_ahead(now)
        return visible(content.candles, self.calendar, timeframe, now, since=since, limit=limit)

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """The same candles, as mid prices."""
        fetched = await self.fetch(pair, timeframe, since=since, limit=limit)
        return fetched.mid_quotes(self.calendar, timeframe)

    async def close(self) -> None:
        """Free the candles. Does not wait for a file that is being read."""
        for file in self._files.values():
            file.give_up()
        self._files.clear()
        self._is_closed = True


class _Content(NamedTuple):
    """The candles of a file."""

    path: Path
    candles: Sequence[Candle]
    last_line: int
    """Of the last candle."""

    def check_ahead(self, now: datetime) -> None:
        """Raise FeedFailed if the last candle opens in the future, probably because of a wrong time zone."""
        last = self.candles[-1].time if self.candles else now
        if last > now + MOST_AHEAD:
            problem = f"the candle of {iso(last)} opens in the future (it is {iso(now)} now)"
            text = f"{self.path}, line {self.last_line}: {problem}: check the time zone of the file, and the clock"
            raise FeedFailed(text, code="bad-answer", field="time", value=iso(last), limit=iso(now))


class _Lines(NamedTuple):
    """The complete lines of a file that were read, and their candles."""

    head: bytes
    """Up to the header."""
    size: int
    lines: int
    checksum: blake2b
    """The checksum of all bytes that were read."""
    candles: list[Candle]
    last_line: int = 0
    """Of the last candle."""
    places: int = 0

    @classmethod
    def of_head(cls, data: bytes) -> "_Lines":
        """The header of a file, without candles; empty if the header is not complete."""
        first, rest = _after_line(data)
        is_separator = declared_separator(first.decode(errors="replace")) is not None
        second = _after_line(rest)[0] if is_separator else b""
        head = first + second if second or not is_separator else b""
        return cls(head, len(head), head.count(b"\n"), blake2b(head), [])


class _WatchedFile:
    """The candles of one file, as they were when it last changed."""

    def __init__(self, folder: Path, pair: Instrument, timeframe: Timeframe) -> None:
        self._paths = [folder / name for name in file_names(pair, timeframe)]
        self._pair, self._timeframe = pair, timeframe
        self._reading: asyncio.Future[_Content] | None = None
        """The last reading, in a thread of its own. It goes on if a fetch is cancelled."""
        self._seen: tuple[object, ...] | None = None
        """The file, its size and the time of its last change."""
        self._lines: _Lines | None = None
        """None if the file must be read from its start."""
        self._content: _Content | None = None

    async def content(self) -> _Content:
        """The candles of the file, which is read if it has changed. Raises FeedFailed.

        Waits for an earlier reading, so that a file that hangs takes one thread.
        """
        while self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading])
        self._reading = asyncio.get_running_loop().run_in_executor(_THREADS, self._current)
        return await result_of(self._reading)

    def give_up(self) -> None:
        """Stop waiting for a reading."""
        if self._reading is not None:
            self._reading.cancel()

    def _current(self) -> _Content:
        path, stat = self._found()
        file = (path, stat.st_dev, stat.st_ino)
        seen = (*file, stat.st_size, stat.st_mtime_ns)
        if self._content is None or seen != self._seen:
            if self._seen is None or self._seen[: len(file)] != file:
                self._lines = None
            self._seen = None
            self._content = self._read(path)
            self._seen = seen
        return self._content

    def _found(self) -> tuple[Path, os.stat_result]:
        for path in self._paths:
            try:
                return path, path.stat()
            except FileNotFoundError:
                continue
            except OSError as fault:
                raise _not_readable(path, fault) from fault
        first, *others = self._paths
        text = f"there is no file {first} or {', '.join(each.name for each in others)}: write one of them"
        raise FeedFailed(text, code="not-found", field="path", value=str(first))

    def _read(self, path: Path) -> _Content:
        try:
            lines = self._grown(path) or self._whole(path)
            if len(lines.candles) >= _ENOUGH:
                check_step(lines.candles[-_CHECKED:], self._timeframe, str(path))
        except InvalidCandleFile as fault:
            first = fault.errors[0]
            facts = {"field": first.field, "value": first.value, "limit": first.limit}
            raise FeedFailed(str(fault), retry_after=None, code=first.code, **facts) from fault
        except (OSError, zlib.error) as fault:
            raise _not_readable(path, fault) from fault
        return _Content(path, lines.candles, lines.last_line)

    def _grown(self, path: Path) -> _Lines | None:
        """The lines with those appended since; None if the file has changed in any other way."""
        if self._lines is None:
            return None
        before = self._lines
        with path.open("rb") as file:
            if _checksum_of(file, before.size).digest() != before.checksum.digest():
                return None
            self._lines = self._with(path, before, file.read())
        return self._lines if self._lines.places == before.places else None

    def _whole(self, path: Path) -> _Lines:
        data = path.read_bytes()
        is_gzip = data.startswith(GZIP_MAGIC)
        data = _decompressed(data) if is_gzip else data
        head = _Lines.of_head(data)
        lines = self._with(path, head, data[head.size :]) if head.head else head
        self._lines = None if is_gzip or not head.head else lines
        return lines

    def _with(self, path: Path, before: _Lines, more: bytes) -> _Lines:
        """The lines of `before`, and the complete ones in `more`."""
        more = more[: more.rfind(b"\n") + 1]
        try:
            text = (before.head + more).decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            line = before.lines + (before.head + more).count(b"\n", 0, fault.start) - before.head.count(b"\n") + 1
            raise not_utf8(str(path), line) from fault
        checksum = before.checksum.copy()
        checksum.update(more)
        last = before.candles[-1] if before.candles else None
        earlier = before.lines - before.head.count(b"\n")
        read, lines_of = read_candle_text(text, name=str(path), pair=self._pair, after=last, earlier_lines=earlier)
        return before._replace(
            size=before.size + len(more),
            lines=before.lines + more.count(b"\n"),
            checksum=checksum,
            candles=[*before.candles, *read.candles],
            last_line=lines_of[-1] if lines_of else before.last_line,
            places=max(before.places, read.places),
        )


def _after_line(data: bytes) -> tuple[bytes, bytes]:
    """The first line, empty if it is not complete, and the rest."""
    end = data.find(b"\n") + 1
    return data[:end], data[end:]


def _checksum_of(file: BinaryIO, size: int) -> blake2b:
    """The checksum of the next `size` bytes of a file, or of all that are left if it is shorter."""
    checksum = blake2b()
    while size and (part := file.read(min(size, _CHUNK))):
        checksum.update(part)
        size -= len(part)
    return checksum


def _decompressed(data: bytes) -> bytes:
    """The content of a gzip file. It may be cut, because it is still being written; raises zlib.error if damaged."""
    parts = []
    while data:
        part = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        parts.append(part.decompress(data))
        data = part.unused_data  # of the next file, if several were joined
    return b"".join(parts)


def _not_readable(path: Path, fault: Exception) -> FeedFailed:
    reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    text = f"{path} cannot be read ({reason}): check its permissions, and that it is a candle file"
    return FeedFailed(text, code="not-readable", field="path", value=str(path))
