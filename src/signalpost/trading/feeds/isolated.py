"""Runs a feed in a thread and an event loop of its own, so that a user's class that blocks delays only itself."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import TypeVar
from weakref import WeakSet

from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.own_threads import OwnThreads
from signalpost.telemetry.log_queue import logger
from signalpost.trading.feeds.port import Feed, Fetched, was_closed
from signalpost.trading.outcomes import QuoteCandle

Answer = TypeVar("Answer")

_THREADS = OwnThreads()
_MOST_UNFINISHED = 64
_CANCEL_WITHIN = 1.0
"""Seconds that fetches have to end when the feed is closed."""


class IsolatedFeed:
    """A feed whose methods run in a daemon thread. A call that is cancelled ends at once, whatever the feed does.

    Raises FeedFailed with the code `closed` once it is closed, and `timeout` if too many earlier calls have not ended.
    """

    def __init__(self, feed: Feed) -> None:
        self.name, self.calendar = feed.name, feed.calendar
        self._feed = feed
        self._running: tuple[asyncio.AbstractEventLoop, Future[None]] | None = None
        """The loop, from the first call on, and a future that ends soon after the feed was closed."""
        self._stopped = asyncio.Event()
        self._is_closed = False
        self._unfinished: WeakSet[_Call] = WeakSet()
        """The calls whose coroutines still exist."""

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """As the feed's."""
        return await self._call(partial(self._feed.fetch, pair, timeframe, since=since, limit=limit))

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """As the feed's."""
        return await self._call(partial(self._feed.quotes, pair, timeframe, since=since, limit=limit))

    async def close(self) -> None:
        """Close the feed, and wait for its thread. If this is cancelled, the thread keeps running."""
        if self._is_closed:
            return
        loop, ended = self._running = self._running or self._begun()
        try:
            await self._call(self._feed.close)
        finally:
            self._is_closed = True
            loop.call_soon_threadsafe(self._stopped.set)
        await asyncio.wrap_future(ended)

    async def _call(self, method: Callable[[], Awaitable[Answer]]) -> Answer:
        if self._is_closed:
            raise was_closed(self.name)
        if (unfinished := len(self._unfinished)) >= _MOST_UNFINISHED:
            text = f"{unfinished} calls of {self.name} have not ended: correct its class, which blocks"
            raise FeedFailed(text, code="timeout", value=str(unfinished), limit=str(_MOST_UNFINISHED))
        loop, _ = self._running = self._running or self._begun()
        self._unfinished.add(call := _Call())
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._answer(method, call), loop))

    def _begun(self) -> tuple[asyncio.AbstractEventLoop, Future[None]]:
        """A new loop, which runs in a thread from now on."""
        loop, ended = asyncio.new_event_loop(), Future[None]()
        ended.set_running_or_notify_cancel()  # from now on it cannot be cancelled
        _THREADS.submit(self._run, loop, ended)
        return loop, ended

    async def _answer(self, method: Callable[[], Awaitable[Answer]], _: "_Call") -> Answer:
        try:
            return await method()
        except (SystemExit, KeyboardInterrupt) as fault:  # it would end the thread
            text = f"{self.name} raised {type(fault).__name__}"
        raise FeedFailed(text, code="feed-raised")

    def _run(self, loop: asyncio.AbstractEventLoop, ended: Future[None]) -> None:
        """Run until all calls have ended after the feed was closed. Belongs to its thread."""
        try:
            loop.run_until_complete(self._live(ended))
        finally:
            loop.close()

    async def _live(self, ended: Future[None]) -> None:
        await self._stopped.wait()
        calls = asyncio.all_tasks() - {asyncio.current_task()}
        for each in calls:
            each.cancel()
        _, left = await asyncio.wait(calls, timeout=_CANCEL_WITHIN) if calls else (calls, calls)
        if left:
            logger.warning(
                "feed %s: %d calls did not end when they were cancelled, and are abandoned", self.name, len(left)
            )
        ended.set_result(None)
        if left:
            await asyncio.wait(left)  # for ever, unless they end after all


class _Call:
    """A call that has not ended."""

    __slots__ = ("__weakref__",)
