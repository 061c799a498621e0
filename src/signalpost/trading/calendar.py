"""When a market trades, and so when its candles open and close. Pure.

`fx` is the spot week, Sunday 17:00 to Friday 17:00 in New York, with days that begin at 17:00 there. `always` never
closes. A `custom` calendar has sessions such as `Mon-Fri 09:30-16:00 America/New_York`.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from signalpost.domain.sessions import FX_WEEK, MarketHours, OpeningHours
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidValue

_DAY = timedelta(days=1)
_KEPT = 1024
"""How many closes and opens are cached, because the streams of a market need the same ones repeatedly."""
_FX_HOLIDAYS = frozenset({(12, 25), (1, 1)})
"""Month and day."""


class Calendar(NamedTuple):
    """The trading times of a market. All times are in UTC.

    The grid of the candles follows from the last candle, so feeds with different grids need no configuration: each
    candle opens when the one before it closes, or when the market opens next.
    """

    hours: MarketHours | None = None
    """None if the market never closes."""
    holidays: frozenset[date] = frozenset()
    """Dates without trades. They excuse missing candles, and change neither the grid of candles nor its gaps."""

    def __str__(self) -> str:
        """Its name, or the sessions of a custom calendar. Equal calendars have the same text.

        The text is part of a stream's fingerprint, so it does not have the holidays.
        """
        names = [name for name, calendar in _BY_NAME.items() if calendar.hours == self.hours]
        return names[0] if names or self.hours is None else ", ".join(map(str, self.hours.sessions))

    def is_open(self, at: datetime) -> bool:
        """True if the market trades at `at`."""
        return self.hours is None or self.hours.is_open(at)

    def closes_at(self, opened: datetime, timeframe: Timeframe) -> datetime:
        """The close of the candle that opened at `opened`: after its duration, or earlier if the market closes.

        A day or week that opens with a session ends at the same local time, even if daylight saving time changes.
        """
        return opened + timeframe.duration if self.hours is None else _closes_at(self.hours, opened, timeframe)

    def next_open(self, opened: datetime, timeframe: Timeframe) -> datetime:
        """The open of the candle after the one that opened at `opened`, if every candle of the market has trades."""
        return opened + timeframe.duration if self.hours is None else _next_open(self.hours, opened, timeframe)

    def missing(self, earlier_open: datetime, later_open: datetime, timeframe: Timeframe) -> int:
        """The number of candles that the market could have had between two successive ones; 0 over a weekend."""
        count = 0
        opened = self.next_open(earlier_open, timeframe)
        while self.closes_at(opened, timeframe) <= later_open:
            candles = self._whole_candles(opened, later_open, timeframe.duration)
            count += candles
            opened = self.next_open(opened + (candles - 1) * timeframe.duration, timeframe)
        return count

    def trades_from(self, at: datetime) -> datetime:
        """The first time at or after `at` when the market trades and that is not on a holiday.

        25 December and 1 January are holidays of `fx`. A day that begins in the evening belongs to the next date.
        """
        at = at if self.hours is None else self.hours.opens_from(at)
        ends = self._holiday_until(at)
        return at if ends is None else self.trades_from(ends)

    def _holiday_until(self, at: datetime) -> datetime | None:
        """The end of the holiday at `at`; None if there is no holiday then."""
        session = None if self.hours is None else self.hours.sessions[0]
        zone, begins = (UTC, time()) if session is None else (session.zone, session.opens)
        local = at.astimezone(zone)
        is_overnight = session is not None and session.closes <= session.opens
        day = local.date() + (_DAY if is_overnight and local.time() >= begins else timedelta())
        is_of_fx = self.hours == FX_WEEK and (day.month, day.day) in _FX_HOLIDAYS
        if day not in self.holidays and not is_of_fx:
            return None
        ends = datetime.combine(day, begins, zone) if is_overnight else datetime.combine(day + _DAY, time(), zone)
        return ends.astimezone(UTC)

    def _whole_candles(self, opened: datetime, until: datetime, duration: timedelta) -> int:
        """How many candles from `opened` on are as long as `duration` before the market pauses; at least 1."""
        if self.hours is not None:
            until = min(until, self.hours.closes_after(opened))
        return max(1, (until - opened) // duration) if duration < _DAY else 1


@lru_cache(maxsize=_KEPT)
def _closes_at(hours: MarketHours, opened: datetime, timeframe: Timeframe) -> datetime:
    end = _end(hours, opened, timeframe.duration)
    last = hours.trades_until(end)
    return last if last > opened else end


def _end(hours: MarketHours, opened: datetime, duration: timedelta) -> datetime:
    if duration % _DAY == timedelta():
        for session in hours.sessions:
            local = opened.astimezone(session.zone)
            if local.time() == session.opens:
                return (local + duration).astimezone(UTC)
    return opened + duration


@lru_cache(maxsize=_KEPT)
def _next_open(hours: MarketHours, opened: datetime, timeframe: Timeframe) -> datetime:
    return hours.opens_from(_closes_at(hours, opened, timeframe))


FX = Calendar(FX_WEEK)
ALWAYS = Calendar()
_BY_NAME = {"fx": FX, "always": ALWAYS}
CALENDARS = (*_BY_NAME, "custom")


def calendar_of(name: str, sessions: Sequence[str] = (), holidays: Collection[date] = ()) -> Calendar:
    """The calendar `fx`, `always`, or `custom` with its sessions, and with these holidays.

    Raises InvalidValue, with the field `calendar` or `sessions`, for an unknown name, an invalid session, sessions of
    a calendar that is not custom, and a custom calendar without sessions.
    """
    if name not in CALENDARS:
        known = ", ".join(CALENDARS)
        raise InvalidValue.of("calendar", name, f"use one of {known}", code="unknown-word", limit=known)
    if name in _BY_NAME:
        if sessions:
            advice = f"only a custom calendar has sessions, and this one is {name!r}: remove them, or use 'custom'"
            raise InvalidValue.of("sessions", list(sessions), advice, code="conflict", limit="custom")
        return _BY_NAME[name]._replace(holidays=frozenset(holidays)) if holidays else _BY_NAME[name]
    if not sessions:
        text = "sessions is missing: a custom calendar needs at least one, such as 'Mon-Fri 09:30-16:00 Europe/London'"
        raise InvalidValue(text, code="missing", field="sessions")
    return Calendar(MarketHours(tuple(OpeningHours.of(text) for text in sessions)), frozenset(holidays))
