"""How long a candle lasts, in one spelling: `H4` is `4h` is `240`."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Self

from signalpost.domain.exact import integer_of
from signalpost.domain.text import shown
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
# Eight digits hold the seconds of 52 weeks.
_UNIT_FIRST = re.compile(r"([SMHDWsmhdw])(\d{0,8})", re.ASCII)
_UNIT_LAST = re.compile(r"(\d{1,8})\s*([A-Za-z]+)", re.ASCII)
_MONTHS = re.compile(r"\d*\s*(M|MN|MO|MON|MONTHS?)|MN?\d*", re.ASCII)


class Timeframe(str):
    """A candle's length, written as OANDA does: `S5`, `M15`, `H4`, `D`, `W`.

    Takes that spelling (`H4`, `h4`, `D1`), the one of exchanges (`4h`, `1d`, `5min`), TradingView's (`240` minutes,
    `1D`), a whole number of minutes or a timedelta; what lasts equally long is one and the same. Raises InvalidValue
    for months, which have no fixed length, for zero, and for more than 52 weeks.
    """

    __slots__ = ()

    def __new__(cls, value: "str | int | timedelta") -> Self:
        """The timeframe that `value` spells or lasts."""
        if type(value) is cls:
            return value
        return super().__new__(cls, _canonical(value))

    @property
    def duration(self) -> timedelta:
        """How long one candle lasts."""
        return _duration(self)

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
        return timedelta(minutes=minutes) if 0 < minutes < 10**8 else timedelta()
    if not isinstance(value, str):
        raise _refusal(value)
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 8:
        return timedelta(minutes=int(text))
    if first := _UNIT_FIRST.fullmatch(text):
        unit, number = first[1].upper(), first[2]
    elif last := _UNIT_LAST.fullmatch(text):
        unit, number = _UNIT_BY_WORD.get(last[2].lower(), ""), last[1]
        if last[2] == "M":  # exchanges and TradingView: 1m is a minute, 1M is a month
            unit = ""
    else:
        unit, number = "", ""
    if not unit or (unit == "M" and not number):
        if _MONTHS.fullmatch(text.upper()):
            raise InvalidValue(
                f"timeframe is {shown(text)}: months differ in length; for one minute write 'M1' or '1m'"
            )
        raise _refusal(value)
    return timedelta(seconds=int(number or 1) * _SECOND_BY_UNIT[unit])


def _spelling(length: timedelta, given: object) -> str:
    seconds, rest = divmod(length, _SECOND)
    if rest != timedelta() or not 0 < seconds <= _LONGEST:
        raise _refusal(given)
    unit = next(unit for unit in "WDHMS" if seconds % _SECOND_BY_UNIT[unit] == 0)
    number = seconds // _SECOND_BY_UNIT[unit]
    return unit if unit in "DW" and number == 1 else f"{unit}{number}"


def _refusal(given: object) -> InvalidValue:
    return InvalidValue(
        f"timeframe is {shown(given)}: give one such as 'M5', 'H4', 'D', '4h', '240' (minutes) or a timedelta, "
        f"of 52 weeks at most"
    )
