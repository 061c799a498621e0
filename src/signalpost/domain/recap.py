"""The recap of a day or a week: the results of the signals that one destination showed, and the period it is about."""

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from signalpost.domain import validity
from signalpost.domain.identity import content_id
from signalpost.domain.instant import utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.text import required_text
from signalpost.domain.value import Conversions, Value, fields_of
from signalpost.domain.words import Word

TRADES_FOR_A_RATE = 30
"""A win rate of fewer closed trades means nothing, so it is not shown."""
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_LAST = timedelta(microseconds=1)


class Recurrence(Word):
    """How often a recap is sent."""

    DAILY = "daily"
    WEEKLY = "weekly"


class Period(msgspec.Struct, frozen=True):
    """A day, or a week from Monday to Sunday, in a time zone."""

    recurrence: Recurrence
    since: datetime
    until: datetime
    """Its end, exclusive."""
    zone: str
    """The name of the time zone."""
    day: date | None = None
    """`last_day`; None in recaps that an earlier version saved."""
    is_adjusted: bool = False
    """Whether it begins where the recap before it ended, because its days ended at another time then."""

    @property
    def ends_at(self) -> time:
        """The time of day at which its days end, in the time zone."""
        return self.until.astimezone(ZoneInfo(self.zone)).time()

    @property
    def last_day(self) -> date:
        """The day, or the last day of the week."""
        return self.day or (self.until - _LAST).astimezone(ZoneInfo(self.zone)).date()

    @property
    def first_day(self) -> date:
        """The day, or the Monday of the week."""
        last = self.last_day
        return last if self.recurrence is Recurrence.DAILY else last - last.weekday() * _DAY


class RecapDays(NamedTuple):
    """The days of a destination's recaps: each ends at `hour` in the time zone; at hour 0, it is a calendar day."""

    zone: str = "UTC"
    hour: int = 0

    def day(self, day: date) -> Period:
        """The period of a day."""
        return Period(Recurrence.DAILY, self._end(day - _DAY), self._end(day), self.zone, day)

    def week(self, day: date) -> Period:
        """The period of the ISO week in which a day lies."""
        monday = day - day.weekday() * _DAY
        sunday = monday + _WEEK - _DAY
        return Period(Recurrence.WEEKLY, self._end(monday - _DAY), self._end(sunday), self.zone, sunday)

    def day_at(self, at: datetime) -> date:
        """The day in which an instant lies."""
        first = at.astimezone(ZoneInfo(self.zone)).date() - _DAY
        return next(day for day in (first, first + _DAY, first + 2 * _DAY) if at < self._end(day))

    def newest(self, recurrence: Recurrence, now: datetime) -> Period:
        """The last period that is over."""
        length = _DAY if recurrence is Recurrence.DAILY else _WEEK
        return self._of(recurrence, self.day_at(now) - length)

    def following(self, period: Period, last_end: datetime) -> Period:
        """The same period. It begins at `last_end` if the recap before it ended there, by other settings.

        A recap that ended before the previous period began is too old for that.
        """
        length = _DAY if period.recurrence is Recurrence.DAILY else _WEEK
        before = self._of(period.recurrence, period.last_day - length)
        if last_end == period.since or last_end <= before.since:
            return period
        return msgspec.structs.replace(period, since=last_end, is_adjusted=True)

    def next_end(self, period: Period) -> datetime:
        """The end of the period after this one."""
        if period.recurrence is Recurrence.DAILY:
            return self._end(period.last_day + _DAY)
        return self._end(period.last_day + _WEEK)

    def _of(self, recurrence: Recurrence, day: date) -> Period:
        """The period in which a day lies."""
        return self.day(day) if recurrence is Recurrence.DAILY else self.week(day)

    def _end(self, day: date) -> datetime:
        """The end of a day, in UTC."""
        end = datetime.combine(day if self.hour else day + _DAY, time(self.hour), ZoneInfo(self.zone))
        return end.astimezone(UTC)


class RecapLine(msgspec.Struct, frozen=True):
    """The closed trades of one pair."""

    pair: Instrument
    wins: int = 0
    losses: int = 0
    break_even: int = 0
    r: Fraction = Fraction(0)
    """The sum of the results in R, exact."""

    @property
    def trades(self) -> int:
        """The number of closed trades with a result."""
        return self.wins + self.losses + self.break_even


class RecapTrade(msgspec.Struct, frozen=True):
    """The best or worst trade, with the ids of the message that shows it; None for those that are not known."""

    number: int
    r: Fraction
    message_id: str | None = None
    channel: str | None = None
    guild: str | None = None


class Recap(Value, frozen=True, kw_only=True, tag="recap"):
    """The results of the signals that a destination showed before they ended. Only the service makes one."""

    destination: str | None = None
    """The only destination that it is about, and sent to; None for all destinations, which is never sent."""
    period: Period
    timestamp: datetime
    """When the results were read."""
    lines: tuple[RecapLine, ...] = ()
    """A line for each pair, in the order of their first closed trades."""
    open: int = 0
    """Trades that were pending or open at the end of the period."""
    not_filled: int = 0
    """Orders that were cancelled or expired."""
    not_shown: int = 0
    """Signals for the destination that ended in the period, and that it never showed before."""
    no_result: int = 0
    """Closed trades without a known result. They are in no line."""
    no_r: int = 0
    """Closed trades without an R, because they had no initial stop or have no result."""
    reported: int = 0
    """Closed trades with a price that only a person reported."""
    both_touched: int = 0
    """Closed trades of which one candle touched stop and target."""
    hypothetical: int = 0
    """Closed trades whose result was computed from candles."""
    with_r: int = 0
    """Closed trades with an R."""
    worst_run: int = 0
    """The most losses in a row."""
    best: RecapTrade | None = None
    worst: RecapTrade | None = None
    recap_id: str = ""
    valid_until: datetime = None  # type: ignore[assignment]  # derived in __post_init__

    def __post_init__(self) -> None:
        self._set(**fields_of(self, _CONVERSIONS))
        period = self.period
        made = content_id(f"recap {period.recurrence}", period.since, self.destination)
        self._set(
            valid_until=validity.end(self.valid_until, self.timestamp, validity.ANNOUNCEMENT),
            recap_id=self.recap_id or made,
        )

    @property
    def wins(self) -> int:
        """The trades that were won."""
        return sum(line.wins for line in self.lines)

    @property
    def losses(self) -> int:
        """The trades that were lost."""
        return sum(line.losses for line in self.lines)

    @property
    def break_even(self) -> int:
        """The trades that were neither won nor lost."""
        return sum(line.break_even for line in self.lines)

    @property
    def r(self) -> Fraction:
        """The sum of all results in R, exact."""
        return sum((line.r for line in self.lines), Fraction(0))

    @property
    def closed(self) -> int:
        """The number of closed trades, also of those without a result."""
        return sum(line.trades for line in self.lines) + self.no_result

    @property
    def win_rate(self) -> Fraction | None:
        """The share of trades that were won, in per cent; None below 30 trades."""
        trades = sum(line.trades for line in self.lines)
        return Fraction(100 * self.wins, trades) if trades >= TRADES_FOR_A_RATE else None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report: no shown trade is live, and none ended, shown or not."""
        return not (self.closed or self.open or self.not_filled or self.not_shown)


_CONVERSIONS: Conversions = {"destination": required_text, "timestamp": utc}
