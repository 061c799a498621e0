"""Bounds the fetches of a feed, so that a feed that is slow, hangs or fails stops only its own streams."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.telemetry.log_queue import log_failure, logger
from signalpost.trading.feeds.port import Feed, Fetched
from signalpost.trading.outcomes import QuoteCandle

Answer = TypeVar("Answer")

MOST_AT_ONCE = 32
WITHIN = 30.0
"""Seconds for an answer."""
CLOSE_WITHIN = 5.0
"""Seconds for closing: less than a service has to stop."""


class BoundedFeed:
    """A feed of which at most 32 fetches run at once, each for at most `within` seconds. Other fetches wait.

    It raises only FeedFailed, with the code `timeout` if the feed hangs, and `feed-raised` if it raises another error.
    """

    def __init__(self, feed: Feed, *, within: float = WITHIN) -> None:
        self.name, self.calendar = feed.name, feed.calendar
        self._feed = feed
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._within = within

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """What `fetch` of the feed returns."""
        fetched = await self._bounded(partial(self._feed.fetch, pair, timeframe, since=since, limit=limit))
        if not isinstance(fetched, Fetched) or not _are_all(fetched.candles, Candle):
            raise self._unusable("fetch", "a Fetched with a tuple of Candle")
        return fetched

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """What `quotes` of the feed returns."""
        quotes = await self._bounded(partial(self._feed.quotes, pair, timeframe, since=since, limit=limit))
        if not _are_all(quotes, QuoteCandle):
            raise self._unusable("quotes", "a tuple of QuoteCandle")
        return quotes

    async def close(self, within: float = CLOSE_WITHIN) -> None:
        """Close the feed. Stops waiting for it after `within` seconds."""
        try:
            async with asyncio.timeout(min(self._within, within)):
                await self._feed.close()
        except TimeoutError:
            logger.warning("feed %s did not close within %g s, and is abandoned", self.name, within)
        except Exception as fault:  # noqa: BLE001  # nothing can be done about it
            log_failure(f"feed {self.name} could not be closed", fault, with_text=False)

    async def _bounded(self, fetch: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._turns:
            try:
                async with asyncio.timeout(self._within):
                    return await fetch()
            except FeedFailed:
                raise
            except TimeoutError:
                text, code = f"{self.name} did not answer within {self._within:g} s", "timeout"
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                text, code = f"{self.name} raised CancelledError", "feed-raised"
            except (Exception, SystemExit) as fault:  # noqa: BLE001  # whatever a user's feed raises
                log_failure(f"feed {self.name} failed", fault, with_text=False)
                text, code = f"{self.name} raised {type(fault).__name__}", "feed-raised"
        # Raised out here: the text of a foreign exception may quote a secret.
        raise FeedFailed(text, code=code)

    def _unusable(self, method: str, wanted: str) -> FeedFailed:
        text = f"{method} of {self.name} did not return {wanted}: correct the code of its class"
        return FeedFailed(text, code="not-usable", field=method, limit=wanted)


def _are_all(values: object, kind: type) -> bool:
    return isinstance(values, tuple) and all(isinstance(each, kind) for each in values)
