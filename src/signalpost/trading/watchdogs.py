"""The watchdogs of feeds: candles that are missing although the market is open, or that arrive late. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import NamedTuple

from signalpost.trading.calendar import Calendar
from signalpost.trading.feeds.port import Series

QUIET = timedelta(minutes=10)
"""No feed counts as silent for this long after a start, or while its missing candles cover less time than this."""
_GRACE = timedelta(minutes=1)
"""How long after its close a candle may arrive before it counts as missing."""


class WatchdogLimits(NamedTuple):
    """When watchdogs alert. 0 turns one off."""

    silent_candles: int = 3
    """An alert is sent if this many candles in a row are missing while the market is open."""
    late_after: timedelta = timedelta(minutes=5)
    """An alert is sent if a candle arrives later than this after its close."""
    stale_cache_rounds: int = 3
    """An alert is sent if the cache does not save the state of a strategy at this many closes in a row."""


USUAL_LIMITS = WatchdogLimits()


class FeedAnswer(NamedTuple):
    """An answer of a feed to one of its streams."""

    series: Series
    stream: str
    """The name of the stream."""
    calendar: Calendar
    watermark: datetime | None
    """The open of the newest candle; None if the feed has none."""
    oldest: datetime | None
    """The open of the oldest candle that was not known; None if there is none."""
    at: datetime
    """When the fetch began."""
    forming: datetime | None = None
    """The open of the candle that is still forming, if the feed shows it: then earlier ones without trades are not
    missing."""


class Missing(NamedTuple):
    """One or more missing candles."""

    since: datetime
    """When the first of them should have arrived."""
    is_silence: bool
    """True if so many are missing that the feed counts as silent."""


def missing(answer: FeedAnswer, watermark: datetime, silent_candles: int) -> Missing | None:
    """The missing candles after `watermark`; None if the stream is up to date."""
    if answer.calendar.next_open(watermark, answer.series.timeframe) + _GRACE > answer.at:
        return None  # the usual case, found without looking at holidays: no later candle has closed
    most = max(silent_candles, -(-QUIET // answer.series.timeframe.duration))
    due = tuple(takewhile(lambda due: due <= answer.at, islice(_due_after(watermark, answer), most)))
    return Missing(due[0], len(due) == most) if due else None


def _due_after(opened: datetime, answer: FeedAnswer) -> Iterator[datetime]:
    """When each candle after the one that opened at `opened` should have arrived."""
    while True:
        opened = answer.calendar.trades_from(answer.calendar.next_open(opened, answer.series.timeframe))
        yield answer.calendar.closes_at(opened, answer.series.timeframe) + _GRACE


def late_by(answer: FeedAnswer, opened: datetime, before: datetime) -> timedelta:
    """How long after its close a candle was still missing from the answer at `before`."""
    return before - answer.calendar.trades_from(answer.calendar.closes_at(opened, answer.series.timeframe))
