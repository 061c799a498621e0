"""When markets and trading centres are open, by their own clocks and daylight saving time. Holidays are ignored.

Spot FX trades from Sunday 17:00 to Friday 17:00 in New York. Within that week each centre is open from Monday to Friday
in its own hours.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import chain, combinations, product
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from signalpost.errors import InvalidValue

_SATURDAY = 5
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_USUAL_WEEKS = (date(2024, 1, 8), date(2024, 1, 15), date(2024, 7, 8), date(2024, 7, 15))
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_SESSION = re.compile(
    r"(?P<first>[A-Za-z]{3})(?:-(?P<last>[A-Za-z]{3}))?"
    r"\s+(?P<opens>([01]\d|2[0-3]):[0-5]\d)-(?P<closes>([01]\d|2[0-3]):[0-5]\d|24:00)\s+(?P<zone>\S+)",
    re.ASCII,
)
_NOT_NAMES = frozenset({"localtime", "posixrules"})
"""Files of a machine that ZoneInfo reads: they name no zone."""
_EXAMPLE = "Mon-Fri 09:30-16:00 America/New_York"


class TradingSession(NamedTuple):
    """A trading centre and its hours in local time: from `opens` until `closes`."""

    name: str
    zone: ZoneInfo
    opens: int
    closes: int

    def is_open(self, instant: datetime) -> bool:
        """True if the centre is open at `instant`, assuming that the market is."""
        local = instant.astimezone(self.zone)
        return local.weekday() < _SATURDAY and self.opens <= local.hour < self.closes


class OpeningHours(NamedTuple):
    """The hours of a market on some days of the week, in local time."""

    days: tuple[int, ...]
    """The days on which it opens; Monday is 0."""
    opens: time
    closes: time
    """On the next day if it is not after `opens`."""
    zone: ZoneInfo

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse text such as `Mon-Fri 09:30-16:00 America/New_York`. Raises InvalidValue, with the field `sessions`."""
        found = _SESSION.fullmatch(text.strip())
        if found is None:
            advice = f"use days, hours and a time zone, such as {_EXAMPLE!r}"
            raise InvalidValue.of("sessions", text, advice, code="invalid-session", limit=f"a form such as {_EXAMPLE}")
        first = _day(found["first"])
        last = first if found["last"] is None else _day(found["last"])
        days = tuple((first + ahead) % 7 for ahead in range((last - first) % 7 + 1))
        closes = found["closes"].replace("24:", "00:")
        return cls(days, time.fromisoformat(found["opens"]), time.fromisoformat(closes), zone_named(found["zone"]))

    def __str__(self) -> str:
        first, last = (_DAYS[day].capitalize() for day in (self.days[0], self.days[-1]))
        days = first if len(self.days) == 1 else f"{first}-{last}"
        return f"{days} {self.opens:%H:%M}-{self.closes:%H:%M} {self.zone.key}"

    def in_week(self, monday: date) -> Iterator[tuple[datetime, datetime]]:
        """Each opening and close, in UTC, of the sessions that open in the week of `monday`.

        If the clocks jump over a whole session in spring, it has none.
        """
        until = _DAY if self.closes <= self.opens else timedelta()
        for day in (monday + number * _DAY for number in self.days):
            opens = datetime.combine(day, self.opens, self.zone).astimezone(UTC)
            closes = datetime.combine(day + until, self.closes, self.zone).astimezone(UTC)
            if opens < closes:
                yield opens, closes


class MarketHours(NamedTuple):
    """The weekly opening hours of a market. All times are in UTC."""

    sessions: tuple[OpeningHours, ...]
    """At least one. They may touch or overlap: the market stays open from one to the next."""

    def is_open(self, at: datetime) -> bool:
        """True if the market trades at `at`."""
        return self.opens_from(at) == at

    def opens_from(self, at: datetime) -> datetime:
        """The first time at or after `at` when the market trades."""
        return next(max(opens, at) for opens, closes in _open_times(self.sessions, _monday(at)) if at < closes)

    def closes_after(self, at: datetime) -> datetime:
        """The first close after `at`; over a week ahead if the market does not close for so long."""
        return next(closes for _, closes in _open_times(self.sessions, _monday(at)) if at < closes)

    def trades_until(self, at: datetime) -> datetime:
        """The last time at or before `at` until which the market trades."""
        return max(min(closes, at) for opens, closes in _open_times(self.sessions, _monday(at)) if opens < at)


def overlapping(sessions: Sequence[OpeningHours]) -> tuple[int, int] | None:
    """The places of the first two sessions that overlap in winter or in summer; None if none do.

    The weeks between two changes to daylight saving time are not looked at: nobody can avoid their overlaps.
    """
    for (place, one), (other_place, other) in combinations(enumerate(sessions), 2):
        pairs = product(_times_of(one), _times_of(other))
        if any(opens < other_closes and other_opens < closes for (opens, closes), (other_opens, other_closes) in pairs):
            return place, other_place
    return None


def _times_of(hours: OpeningHours) -> list[tuple[datetime, datetime]]:
    """The times of some weeks in winter and in summer."""
    return [times for monday in _USUAL_WEEKS for times in hours.in_week(monday)]


def _day(name: str) -> int:
    if name.upper() in _DAYS:
        return _DAYS.index(name.upper())
    days = ", ".join(day.capitalize() for day in _DAYS)
    raise InvalidValue.of("sessions", name, f"use a day: {days}", code="unknown-word", limit=days)


def zone_named(name: str, field: str = "sessions") -> ZoneInfo:
    """The time zone with an IANA name. Raises InvalidValue, with this field."""
    try:
        if name not in _NOT_NAMES:
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # an invalid path, a folder such as `America`, an unknown name
        pass
    advice = "use a time zone such as America/New_York or UTC"
    raise InvalidValue.of(field, name, advice, code="unknown-word", limit="an IANA time zone")


def _monday(at: datetime) -> date:
    return at.date() - at.weekday() * _DAY


@lru_cache(maxsize=512)
def _open_times(sessions: tuple[OpeningHours, ...], monday: date) -> tuple[tuple[datetime, datetime], ...]:
    """When the market is open around a week: each opening and close, in order, without pauses of no length."""
    weeks = [monday + number * _WEEK for number in range(-2, 4)]
    merged: list[tuple[datetime, datetime]] = []
    for opens, closes in sorted(chain.from_iterable(each.in_week(week) for each in sessions for week in weeks)):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(closes, merged[-1][1]))
        else:
            merged.append((opens, closes))
    return tuple(merged)


FX_WEEK = MarketHours((OpeningHours.of("Sun-Thu 17:00-17:00 America/New_York"),))
"""The week of spot FX. Each day begins at 17:00 in New York, and belongs to the next date."""

TRADING_SESSIONS = (
    TradingSession("Sydney", ZoneInfo("Australia/Sydney"), 7, 16),
    TradingSession("Tokyo", ZoneInfo("Asia/Tokyo"), 9, 18),
    TradingSession("London", ZoneInfo("Europe/London"), 8, 17),
    TradingSession("New York", ZoneInfo("America/New_York"), 8, 17),
)


def is_market_open(instant: datetime) -> bool:
    """True if spot FX trades at `instant`, which is aware: except from Friday 17:00 to Sunday 17:00 in New York."""
    return FX_WEEK.is_open(instant)


def until_traded(start: datetime, lasts_for: timedelta) -> timedelta:
    """The time from `start` until spot FX has been open for `lasts_for`; longer than that over a weekend.

    A week or more already contains its weekends, and stays as it is.
    """
    if lasts_for >= _WEEK:
        return lasts_for
    opens = FX_WEEK.opens_from(start)
    closes = FX_WEEK.closes_after(opens)
    if lasts_for > closes - opens:
        return until_traded(closes, lasts_for - (closes - opens)) + (closes - start)
    return opens + lasts_for - start


def open_sessions(instant: datetime) -> tuple[str, ...]:
    """The names of the centres open at `instant`, which is aware, from east to west; empty at the weekend."""
    return _open_in(instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0))


@lru_cache(maxsize=512)
def _open_in(hour: datetime) -> tuple[str, ...]:
    """The centres open in an hour of UTC; all of them open and close on the hour."""
    if not is_market_open(hour):
        return ()
    return tuple(session.name for session in TRADING_SESSIONS if session.is_open(hour))
