"""The trading centres that are open, by their own clocks and daylight saving time.

Spot FX trades from Sunday 17:00 to Friday 17:00 in New York. Within that week each centre is open from Monday to Friday
in its own hours. Holidays are ignored.
"""

from datetime import datetime
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


def open_sessions(instant: datetime) -> tuple[str, ...]:
    """The names of the centres open at `instant`, which is aware, from east to west; empty at the weekend."""
    if not is_market_open(instant):
        return ()
    return tuple(session.name for session in TRADING_SESSIONS if session.is_open(instant))
