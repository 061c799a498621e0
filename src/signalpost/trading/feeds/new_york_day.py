"""Daily candles from shorter ones, by the trading day of spot FX: from 17:00 in New York to 17:00 the next day."""

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
    """Daily candles, and the weeks in which they are not cut exactly at the day's end."""

    candles: tuple[Candle, ...]
    """One a trading day, `time` being 17:00 in New York; only days that are whole."""
    straddling_weeks: tuple[date, ...]
    """Mondays of the weeks in which a candle lies across 17:00: it counts whole to the day it opened in."""


def daily_candles(candles: Iterable[Candle], timeframe: Timeframe | str) -> DailyCandles:
    """The daily candles made of `candles`, which are oldest first and last `timeframe` each.

    A first day that was joined late and a last one that has not ended are left out.
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
    """The start of the trading day that `instant` lies in, in UTC."""
    local = instant.astimezone(NEW_YORK)
    opened = local.date() if local.time() >= CLOSE else local.date() - timedelta(days=1)
    return datetime.combine(opened, CLOSE, NEW_YORK).astimezone(UTC)


def _days_later(start: datetime, days: int) -> datetime:
    opened = start.astimezone(NEW_YORK).date() + timedelta(days=days)
    return datetime.combine(opened, CLOSE, NEW_YORK).astimezone(UTC)


def _monday(start: datetime) -> date:
    """The Monday of the week that the day which starts at `start` belongs to: Sunday evening is Monday's."""
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
