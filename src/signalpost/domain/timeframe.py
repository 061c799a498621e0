"""Candle lengths in one canonical spelling: `4h` and `240` become `H4`."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self

from signalpost.domain.exact import integer_of
from signalpost.domain.instant import utc
from signalpost.errors import InvalidValue

_SECOND_BY_UNIT = {"S": 1, "M": 60, "H": 3_600, "D": 86_400, "W": 604_800}
_UNIT_BY_WORD = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "S"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "M"),
    **dict.fromkeys(("h", "hr", "hour", "hours"), "H"),
    **dict.fromkeys(("d", "day", "days"), "D"),
    **dict.fromkeys(("w", "week", "weeks"), "W"),
}
_SECOND = timedelta(seconds=1)
_LONGEST = 52 * _SECOND_BY_UNIT["W"]
# 52 weeks in seconds have eight digits.
_UNIT_FIRST = re.compile(r"([SMHDWsmhdw])(\d{0,8})", re.ASCII)
_UNIT_LAST = re.compile(r"(\d{1,8})\s*([A-Za-z]+)", re.ASCII)
_MONTHS = re.compile(r"\d*\s*(M|MN|MO|MON|MONTHS?)|MN?\d*", re.ASCII)
_BARS = re.compile(r"\d+\s*([RT])", re.ASCII)
_METATRADER = {
    **{16384 + hours: timedelta(hours=hours) for hours in (1, 2, 3, 4, 6, 8, 12, 24)},
    32769: timedelta(weeks=1),
}
"""MetaTrader 5's constants from PERIOD_H1 up; smaller ones are minutes."""
_METATRADER_MONTH = 49153
_METATRADER_RESERVED = tuple(range(kind, kind + 256) for kind in (0x4000, 0x8000, 0xC000))
"""The ranges of MetaTrader 5's constants for hours, weeks and months. Any other number in these ranges is rejected, not
read as minutes. No usual timeframe is lost: as minutes, none of these numbers is a whole number of days."""
_METATRADER_NAME = "PERIOD_"
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""Candles are counted from here, so that weeks open on Mondays, and candles whose length divides a day open at
midnight."""


class Timeframe(str):
    """A candle's length, written like OANDA's: `S5`, `M15`, `H4`, `D`, `W`.

    Accepts this notation (`H4`, `h4`, `D1`), exchange notation (`4h`, `1d`, `5min`), TradingView's (`240` minutes,
    `1D`), MetaTrader 5's (`PERIOD_H1`, or its constant 16385), a whole number of minutes, and a timedelta. Timeframes
    of the same length are equal. Raises InvalidValue for anything else, for zero or less, for fractions of a second,
    for more than 52 weeks, and for charts without a fixed candle length (months, range, tick).
    """

    __slots__ = ()

    def __new__(cls, value: "str | int | timedelta") -> Self:
        """Parse a timeframe in any supported spelling, or from its length."""
        if type(value) is cls:
            return value
        return super().__new__(cls, _canonical(value))

    @property
    def duration(self) -> timedelta:
        """The length of one candle."""
        return _duration(self)

    def candle_open(self, at: datetime) -> datetime:
        """The open, in UTC, of the candle that is forming at `at`: the same for every call within one candle.

        Candles are counted from Monday, 5 January 1970, at midnight UTC. So weeks open on Mondays, and lengths that
        divide a day open at midnight, as on exchanges. If your market's candles open at other times (OANDA's H4 and D
        follow New York time), use the times of your candles instead. Raises InvalidValue for a naive time.
        """
        instant = utc(at, "at")
        return instant - (instant - _MONDAY) % self.duration

    def __repr__(self) -> str:
        return f"Timeframe({str.__str__(self)!r})"


@lru_cache(maxsize=1024)
def _duration(spelling: str) -> timedelta:
    return timedelta(seconds=int(spelling[1:] or 1) * _SECOND_BY_UNIT[spelling[0]])


def _canonical(value: object) -> str:
    return _of_text(value) if type(value) is str else _spelling(_length(value), value)


@lru_cache(maxsize=1024)
def _of_text(text: str) -> str:
    return _spelling(_length(text), text)


def _length(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    minutes = integer_of(value)
    if minutes is not None:
        return _of_number(minutes, value)
    if not isinstance(value, str):
        raise _refusal(value)
    text = value.strip()
    text = text[len(_METATRADER_NAME) :] if text.upper().startswith(_METATRADER_NAME) else text
    if text.isascii() and text.isdigit() and len(text) <= 8:
        return _of_number(int(text), value)
    unit, number = _unit_and_number(text)
    if not unit:
        raise _unreadable(text, value)
    return timedelta(seconds=int(number or 1) * _SECOND_BY_UNIT[unit])


def _unit_and_number(text: str) -> tuple[str, str]:
    """Split `4h` or `H4` into unit and digits. The unit is empty if it is unknown or has no fixed length (months)."""
    if first := _UNIT_FIRST.fullmatch(text):
        is_month = first[1] in "Mm" and not first[2]
        return ("" if is_month else first[1].upper()), first[2]
    if (last := _UNIT_LAST.fullmatch(text)) and last[2] != "M":  # exchanges and TradingView: 1m is a minute, 1M a month
        return _UNIT_BY_WORD.get(last[2].lower(), ""), last[1]
    return "", ""


def _unreadable(text: str, given: object) -> InvalidValue:
    if _MONTHS.fullmatch(text.upper()):
        return _no_length(given, "months have no fixed length", "For one minute, write 'M1' or '1m'")
    if bars := _BARS.fullmatch(text.upper()):
        chart = "a range chart" if bars[1] == "R" else "a tick chart"
        return _no_length(given, f"the candles of {chart} have no fixed length", "For five minutes, write '5m'")
    return _refusal(given)


def _of_number(number: int, given: object) -> timedelta:
    """The candle length for a number: a constant of MetaTrader 5, otherwise minutes."""
    if number == _METATRADER_MONTH:
        why = "this is MetaTrader's PERIOD_MN1, and months have no fixed length"
        raise _no_length(given, why, "For a week, write 'W'")
    if (known := _METATRADER.get(number)) is not None:
        return known
    if any(number in reserved for reserved in _METATRADER_RESERVED):
        raise _refusal(given)
    return timedelta(minutes=number) if 0 < number < 10**8 else timedelta()


def _spelling(length: timedelta, given: object) -> str:
    seconds, rest = divmod(length, _SECOND)
    if rest != timedelta() or not 0 < seconds <= _LONGEST:
        raise _refusal(given)
    unit = next(unit for unit in "WDHMS" if seconds % _SECOND_BY_UNIT[unit] == 0)
    number = seconds // _SECOND_BY_UNIT[unit]
    return unit if unit in "DW" and number == 1 else f"{unit}{number}"


def _no_length(given: object, why: str, other: str) -> InvalidValue:
    advice = f"{why}. Use a fixed length such as 'H4' or 'D'. {other}"
    return InvalidValue.of("timeframe", given, advice, code="no-fixed-length", limit="52 weeks")


def _refusal(given: object) -> InvalidValue:
    advice = "use one such as 'M5', 'H4', 'D', '4h', '240' (minutes) or a timedelta, at most 52 weeks"
    return InvalidValue.of("timeframe", given, advice, code="unknown-word", limit="52 weeks")
