"""The rules for the candles of a feed's answer: which are new, corrected, out of order or missing. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.instant import iso
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.words import Word
from signalpost.errors import FeedFailed
from signalpost.trading.calendar import Calendar

MOST_AHEAD = timedelta(minutes=2)
"""How far a feed's clock may be ahead of ours."""


class CandleRule(Word):
    """The kinds of unusual candles, which are counted."""

    DUPLICATE = "duplicate"
    """Twice in one answer; the second is ignored."""
    OUT_OF_ORDER = "out-of-order"
    """Older than the last processed candle, and too old to be corrected; ignored."""
    CORRECTION = "correction"
    """One of the last candles, with other prices; the strategy is computed again."""
    GAP = "gap"
    """Missing although the market was open. No candle is invented."""
    FLAT = "flat"
    """High and low are equal."""


class SortedCandles(NamedTuple):
    """A feed's candles, sorted by the rules."""

    new: tuple[Candle, ...]
    """Oldest first."""
    corrected: tuple[Candle, ...]
    out_of_order: tuple[Candle, ...]
    counts: Counter[CandleRule]
    """Without those that are out of order."""


def sort_candles(
    answer: Iterable[Candle], recent: Sequence[Candle], calendar: Calendar, timeframe: Timeframe, now: datetime
) -> SortedCandles:
    """Sort a feed's answer by the rules. `recent` are the last processed candles.

    Raises FeedFailed if the candles are out of order, contradict each other, or are not closed yet.
    """
    given = tuple(answer)
    candles = tuple(_each_once(given))
    for candle in candles[-1:]:
        if calendar.closes_at(candle.time, timeframe) > now + MOST_AHEAD:
            raise _bad("is not closed yet: check the clock and the feed's time zone", candle, limit=iso(now))
    known = {candle.time: candle for candle in recent}
    new = tuple(candle for candle in candles if not recent or candle.time > recent[-1].time)
    older = candles[: len(candles) - len(new)]
    corrected = tuple(each for each in older if each.time in known and not _is_same(each, known[each.time]))
    out_of_order = tuple(each for each in older if each.time not in known)
    follow = pairwise((*recent[-1:], *new))
    counts = {
        CandleRule.DUPLICATE: len(given) - len(candles),
        CandleRule.CORRECTION: len(corrected),
        CandleRule.FLAT: sum(candle.high == candle.low for candle in new),
        CandleRule.GAP: sum(calendar.missing(one.time, other.time, timeframe) for one, other in follow),
    }
    return SortedCandles(
        new, corrected, out_of_order, Counter({rule: count for rule, count in counts.items() if count})
    )


def _each_once(answer: Iterable[Candle]) -> Iterable[Candle]:
    last: Candle | None = None
    for candle in answer:
        if last is None or candle.time > last.time:
            yield candle
            last = candle
        elif candle.time < last.time:
            raise _bad("is older than the one before it", candle, limit=iso(last.time))
        elif not _is_same(candle, last):
            raise _bad("appears twice, with different prices", candle)


def _is_same(one: Candle, other: Candle) -> bool:
    return (one.open, one.high, one.low, one.close) == (other.open, other.high, other.low, other.close)


def _bad(problem: str, candle: Candle, limit: str | None = None) -> FeedFailed:
    at = iso(candle.time)
    return FeedFailed(f"the feed's candle at {at} {problem}", code="bad-answer", field="time", value=at, limit=limit)
