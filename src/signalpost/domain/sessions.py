"""The trading centres that are open, by their own clocks and daylight saving time.

Spot FX trades from Sunday 17:00 to Friday 17:00 in New York. Within that week each centre is open from Monday to Friday
in its own hours. Holidays are ignored.
"""

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


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


_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_DAY_ENDS = 17
_WEEK = timedelta(days=7)
_NEW_YORK = ZoneInfo("America/New_York")

TRADING_SESSIONS = (
    TradingSession("Sydney", ZoneInfo("Australia/Sydney"), 7, 16),
    TradingSession("Tokyo", ZoneInfo("Asia/Tokyo"), 9, 18),
    TradingSession("London", ZoneInfo("Europe/London"), 8, 17),
    TradingSession("New York", _NEW_YORK, 8, 17),
)


def is_market_open(instant: datetime) -> bool:
    """True if spot FX trades at `instant`, which is aware: except from Friday 17:00 to Sunday 17:00 in New York."""
    local = instant.astimezone(_NEW_YORK)
    day = local.weekday()
    if day == _FRIDAY:
        return local.hour < _DAY_ENDS
    if day == _SUNDAY:
        return local.hour >= _DAY_ENDS
    return day != _SATURDAY


def until_traded(start: datetime, lasts_for: timedelta) -> timedelta:
    """The time from `start` until spot FX has been open for `lasts_for`, at weekends longer than that.

    A week or more already contains its weekends, and stays as it is.
    """
    if lasts_for >= _WEEK:
        return lasts_for
    opens = start if is_market_open(start) else _next(_SUNDAY, start)
    closes = _next(_FRIDAY, opens)
    if lasts_for > closes - opens:
        return until_traded(closes, lasts_for - (closes - opens)) + (closes - start)
    return opens + lasts_for - start


def open_sessions(instant: datetime) -> tuple[str, ...]:
    """The names of the centres open at `instant`, which is aware, from east to west; empty at the weekend."""
    if not is_market_open(instant):
        return ()
    return tuple(session.name for session in TRADING_SESSIONS if session.is_open(instant))


def _next(day: int, instant: datetime) -> datetime:
    """The next end of `day` in New York after `instant`, in UTC."""
    date = instant.astimezone(_NEW_YORK).date()
    ahead = timedelta(days=(day - date.weekday()) % 7)
    at = datetime.combine(date + ahead, time(_DAY_ENDS), _NEW_YORK)
    return (at if at > instant else datetime.combine(date + ahead + _WEEK, time(_DAY_ENDS), _NEW_YORK)).astimezone(UTC)
