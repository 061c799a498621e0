"""The protocol of feeds, which return closed candles, and the part of a market that a feed has at a given time."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.trading.calendar import Calendar
from signalpost.trading.outcomes import QuoteCandle


class Series(NamedTuple):
    """The candles of one pair and timeframe, from one feed."""

    feed: str
    """The feed's name."""
    pair: Instrument
    timeframe: Timeframe

    def __str__(self) -> str:
        return f"{self.pair} {self.timeframe} of {self.feed}"


class Fetched(NamedTuple):
    """A feed's answer."""

    candles: tuple[Candle, ...]
    """Closed ones only, oldest first, each once."""
    forming: datetime | None = None
    """The open of the candle that is still forming, if the feed shows it. All earlier ones exist, or had no trades."""
    is_more: bool = False
    """True if there are more candles: fetch again, from the last one on."""

    def mid_quotes(self, calendar: Calendar, timeframe: Timeframe) -> tuple[QuoteCandle, ...]:
        """The candles as quotes, for a feed that has only mid prices."""
        closes_at = calendar.closes_at
        return tuple(QuoteCandle(each, each, closes_at(each.time, timeframe), is_mid=True) for each in self.candles)


def was_closed(feed: str) -> FeedFailed:
    """The error of a feed that is used after it was closed."""
    return FeedFailed(f"the feed {feed} was closed: create a new one", code="closed", field=feed)


class Feed(Protocol):
    """A source of candles for many pairs and timeframes. Belongs to one event loop."""

    name: str
    """As configured. It is part of a stream's fingerprint, because feeds differ in grid and prices."""
    calendar: Calendar

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """The oldest `limit` candles that opened at `since` or later; without `since`, the newest `limit`.

        Raises FeedFailed if there is no usable answer. The feed itself does not retry.
        """
        ...

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """The same candles with bid and ask prices, or with mid prices if the feed has only these."""
        ...

    async def close(self) -> None:
        """Close connections and free memory. Later fetches raise FeedFailed."""
        ...


def visible(
    candles: Sequence[Candle],
    calendar: Calendar,
    timeframe: Timeframe,
    now: datetime,
    *,
    since: datetime | None,
    limit: int,
) -> Fetched:
    """The answer at `now` of a feed that has these candles, oldest first, without those that open later.

    The last one that has opened is still forming until its close.
    """
    count, forming = bisect_right(candles, now, key=_opened), None
    if count and calendar.closes_at(candles[count - 1].time, timeframe) > now:
        count -= 1
        forming = candles[count].time
    start = max(0, count - limit) if since is None else bisect_left(candles, since, hi=count, key=_opened)
    end = min(count, start + limit)
    return Fetched(tuple(candles[start:end]), forming if end == count else None, end < count)


def _opened(candle: Candle) -> datetime:
    return candle.time
