"""When a stream of candles is fetched: as each candle closes, again until it is in, and later after an error. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple, Self

from signalpost.domain.timeframe import Timeframe
from signalpost.trading.calendar import Calendar

GRACE = timedelta(seconds=1)
"""How long after a candle's close it is first fetched."""
_POLLS = tuple(timedelta(seconds=each) for each in (1, 2, 5, 10))
"""The waits after each fetch without the candle; the last one repeats."""
_LONG_SILENT = timedelta(minutes=10)
_POLL_OF_SILENT = timedelta(seconds=60)
_POLL_OF_CLOSED = timedelta(hours=1)
"""The wait while the market is closed. The last candle before may have had no trades, or is late."""
_LONGEST_RETRY = timedelta(seconds=60)
_LONGEST_WAIT = timedelta(hours=1)
"""The longest wait that a feed can require."""
_PAUSES = tuple(timedelta(minutes=each) for each in (5, 5, 15, 15, 30))
"""The waits after each error of a strategy in a row; the last one repeats."""
CRITICAL_FROM = len(_PAUSES)
"""Errors of a strategy are critical from this many in a row on."""


class Slot(NamedTuple):
    """The candle that a stream waits for, and how often it was polled for."""

    opened: datetime
    due: datetime
    """When it is first fetched."""
    until: datetime
    """When the next candle is due, so that this one is no longer polled for."""
    polls: int = 0

    @classmethod
    def of(cls, opened: datetime, calendar: Calendar, timeframe: Timeframe) -> Self:
        """The slot of the candle that opens at `opened`."""
        following = calendar.next_open(opened, timeframe)
        due, until = (calendar.closes_at(each, timeframe) + GRACE for each in (opened, following))
        return cls(opened, due, until)


class NextLook(NamedTuple):
    """When a stream fetches next, and for which candle."""

    at: datetime
    slot: Slot | None
    """None if the feed has no candle yet."""


def next_look(
    slot: Slot | None,
    watermark: datetime | None,
    forming: datetime | None,
    now: datetime,
    calendar: Calendar,
    timeframe: Timeframe,
) -> NextLook:
    """The next look at a feed, after one at `now`.

    `watermark` is the open of the newest candle; None if the feed had none. `slot` is the one that was waited for. It
    ends, empty or not, if a later candle is forming, or the next one is due.
    """
    if watermark is None:
        return NextLook(now + _POLLS[-1], None)
    opened = max(calendar.next_open(watermark, timeframe), forming or watermark)
    if slot is None or opened > slot.opened:
        slot = Slot.of(opened, calendar, timeframe)
    if slot.until <= now:
        slot = Slot.of(_newest_due(slot, now, calendar, timeframe), calendar, timeframe)
    if slot.due > now:
        return NextLook(slot.due, slot)
    wait = _POLLS[min(slot.polls, len(_POLLS) - 1)] if now - slot.due < _LONG_SILENT else _POLL_OF_SILENT
    at = min(now + wait, slot.until)
    if wait == _POLL_OF_SILENT and calendar.hours is not None and not calendar.hours.is_open(now):
        at = min(now + _POLL_OF_CLOSED, calendar.hours.opens_from(now) + GRACE)
    return NextLook(at, slot._replace(polls=slot.polls + 1))


def lag(
    watermark: datetime, calendar: Calendar, timeframe: Timeframe, now: datetime, forming: datetime | None = None
) -> timedelta:
    """How long ago the candle after the one that opened at `watermark` should have closed.

    `forming` is the open of the candle that the feed shows as still forming: all before it exist, or had no trades.
    """
    opened = max(calendar.next_open(watermark, timeframe), forming or watermark)
    return max(timedelta(), now - calendar.closes_at(calendar.trades_from(opened), timeframe))


def _newest_due(slot: Slot, now: datetime, calendar: Calendar, timeframe: Timeframe) -> datetime:
    """The open of the newest candle that is due at `now`."""
    length = timeframe.duration
    behind = (now - slot.until) // length - 2
    opened = slot.opened + max(0, behind) * length  # jumps: a long silence has too many candles to step through
    while calendar.closes_at(following := calendar.next_open(opened, timeframe), timeframe) + GRACE <= now:
        opened = following
    return opened


def retry_of_feed(failures: int, retry_after: float | None, slot: Slot | None, now: datetime) -> datetime:
    """When a feed is tried again after this many failures in a row: from 1 s, doubling to 60 s, or at the next close.

    `retry_after` is how many seconds the feed requires.
    """
    at = now + min(_LONGEST_RETRY, timedelta(seconds=2 ** min(failures - 1, 10)))
    if slot is not None:
        at = min([at, *(each for each in (slot.due, slot.until) if each > now)])
    if retry_after is not None:
        at = max(at, now + min(_LONGEST_WAIT, timedelta(seconds=max(0.0, retry_after))))
    return at


def retry_of_strategy(failures: int, now: datetime) -> datetime:
    """When a strategy is tried again after this many errors of its own in a row: 5, 5, 15, 15, then 30 minutes."""
    return now + _PAUSES[min(failures, len(_PAUSES)) - 1]
