"""The part of a market's candles that a feed has at a given time. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime

from signalpost.domain.candle import Candle
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.calendar import Calendar
from signalpost.trading.feeds.port import Fetched


def visible(
    candles: Sequence[Candle],
    calendar: Calendar,
    timeframe: Timeframe,
    now: datetime,
    *,
    since: datetime | None,
    limit: int,
) -> Fetched:
    """What a feed with these candles, oldest first, returns at `now`. Candles that open later are left out.

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
