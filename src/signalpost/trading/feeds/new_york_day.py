"""Daily candles built from shorter ones, by the spot FX trading day: 17:00 to 17:00 in New York."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from signalpost.domain.candle import Candle
from signalpost.domain.exact import total
from signalpost.domain.timeframe import Timeframe

NEW_YORK = ZoneInfo("America/New_York")
CLOSE = time(17)


class DailyCandles(NamedTuple):
    """Daily candles, and the weeks in which some do not end exactly at 17:00."""

    candles: tuple[Candle, ...]
    """One per complete trading day; `time` is 17:00 in New York."""
    straddling_weeks: tuple[date, ...]
    """Mondays of the weeks in which a candle crosses 17:00. Such a candle is part of the day in which it opened."""


def daily_candles(candles: Iterable[Candle], timeframe: Timeframe | str) -> DailyCandles:
    """Build daily candles from `candles` of length `timeframe`, oldest first.

    Incomplete days at the start and the end are dropped.
    """
    duration = Timeframe(timeframe).duration
    days: list[Candle] = []
    weeks: dict[date, None] = {}
    for start, group in groupby(candles, lambda candle: day_start(candle.time)):
        members = list(group)
        end = _days_later(start, 1)
        if any(candle.time < end < candle.time + duration for candle in members):
            weeks[_monday(start)] = None
        if not days and members[0].time - start >= duration:
            continue
        days.append(_merged(start, members))
        last, last_end = members[-1], end
    if days and last.time + duration < last_end:
        days.pop()
    return DailyCandles(tuple(days), tuple(weeks))


def day_start(instant: datetime) -> datetime:
    """The start, in UTC, of the trading day that contains `instant`."""
    local = instant.astimezone(NEW_YORK)
    opened = local.date() if local.time() >= CLOSE else local.date() - timedelta(days=1)
    return datetime.combine(opened, CLOSE, NEW_YORK).astimezone(UTC)


def _days_later(start: datetime, days: int) -> datetime:
    opened = start.astimezone(NEW_YORK).date() + timedelta(days=days)
    return datetime.combine(opened, CLOSE, NEW_YORK).astimezone(UTC)


def _monday(start: datetime) -> date:
    """The Monday of the week of the trading day that starts at `start`; Sunday evening belongs to Monday."""
    day = start.astimezone(NEW_YORK).date() + timedelta(days=1)
    return day - timedelta(days=day.weekday())


def _merged(start: datetime, members: Sequence[Candle]) -> Candle:
    volumes = [candle.volume for candle in members if candle.volume is not None]
    return Candle(
        time=start,
        open=members[0].open,
        high=max(candle.high for candle in members),
        low=min(candle.low for candle in members),
        close=members[-1].close,
        volume=total(volumes) if len(volumes) == len(members) else None,
    )
