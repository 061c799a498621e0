"""When a market trades, and so when its candles open and close. Pure.

`fx` is the spot week, Sunday 17:00 to Friday 17:00 in New York, with days that begin at 17:00 there. `always` never
closes. A custom calendar has sessions such as `Mon-Fri 09:30-16:00 America/New_York`.
"""

from datetime import datetime
from typing import Protocol

from signalpost.domain.timeframe import Timeframe


class Calendar(Protocol):
    """The trading times of a market. All times are in UTC."""

    def is_open(self, at: datetime) -> bool:
        """True if the market trades at `at`."""
        ...

    def closes_at(self, opened: datetime, timeframe: Timeframe) -> datetime:
        """The close of the candle that opened at `opened`; a day or week ends with the market's own."""
        ...

    def next_open(self, opened: datetime, timeframe: Timeframe) -> datetime:
        """The open of the candle after the one that opened at `opened`, if every candle of the market has trades."""
        ...
