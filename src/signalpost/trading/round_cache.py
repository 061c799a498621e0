"""A state cache for many streams: one read for all of them at the start, one write for all that are due together."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from signalpost.domain.ledger import StreamState
from signalpost.lasting import result_of
from signalpost.trading.cache import StateCache
from signalpost.trading.round import Round


class _Unsaved(NamedTuple):
    """The state of a stream that was not saved."""

    watermark: datetime
    closes: int
    """The number of closes in a row at which it was not saved."""


class RoundCache:
    """Reads the states of all `streams` in one command at the first read. A second read of a stream is its own command.

    Written states wait for those of the other streams at work.
    """

    def __init__(self, cache: StateCache, streams: Sequence[str], together: Round) -> None:
        self._cache = cache
        self._round = together
        self._unread = dict.fromkeys(streams)
        self._first: asyncio.Task[Mapping[str, StreamState]] | None = None
        self._waiting: dict[str, StreamState] = {}
        self._writing: asyncio.Task[None] | None = None
        self._has_written = False
        self._unsaved: dict[str, _Unsaved] = {}

    @property
    def trouble(self) -> str | None:
        """As the cache's."""
        return self._cache.trouble

    @property
    def closes_behind(self) -> int | None:
        """The most closes in a row at which the state of any stream was not saved; None before the first write."""
        if not self._has_written:
            return None
        return 0 if self.trouble is None else max((each.closes for each in self._unsaved.values()), default=0)

    async def read(self, streams: Sequence[str]) -> Mapping[str, StreamState]:
        """As the cache's."""
        if not all(name in self._unread for name in streams):
            return await self._cache.read(streams)
        if self._first is None:
            self._first = asyncio.get_running_loop().create_task(self._cache.read(tuple(self._unread)))
        found = await result_of(self._first)
        for name in streams:
            self._unread.pop(name, None)
        return {name: found[name] for name in streams if name in found}

    async def write(self, states: Iterable[StreamState]) -> None:
        """Save copies soon."""
        self._waiting.update((state.stream, state) for state in states)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="signalpost cache")

    async def close(self) -> None:
        """Write what waits, and close the cache."""
        if self._first is not None:
            self._first.cancel()
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._cache.close()

    async def _write(self) -> None:
        while self._waiting:
            await self._round.together()
            states, self._waiting = tuple(self._waiting.values()), {}
            await self._cache.write(states)
            self._has_written = True
            if self.trouble is None:
                self._unsaved.clear()
            else:
                self._count(states)

    def _count(self, states: Iterable[StreamState]) -> None:
        """Count a close for each stream. A corrected candle has no close of its own."""
        for state in states:
            before = self._unsaved.get(state.stream)
            if before is None or before.watermark != state.watermark:
                closes = 0 if before is None else before.closes
                self._unsaved[state.stream] = _Unsaved(state.watermark, closes + 1)
