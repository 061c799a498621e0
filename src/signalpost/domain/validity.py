"""The end of a notification's validity. Everything expires: see docs/why/0005-everything-expires.md."""

from datetime import datetime, timedelta

from signalpost.domain.instant import LATEST, Instant, iso, utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.sessions import until_traded
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidValue

SIGNAL_AT_LEAST = timedelta(minutes=10)
SIGNAL_WITHOUT_TIMEFRAME = timedelta(hours=1)
ORDER_AT_LEAST = timedelta(hours=24)
_ORDER_CANDLES = 6
URGENT_ALERT = timedelta(hours=24)
ALERT = timedelta(hours=4)
ANALYSIS = timedelta(hours=4)
STATUS = timedelta(minutes=15)
ANNOUNCEMENT = timedelta(hours=24)
EDIT = timedelta(hours=24)
"""How long after a trade's end its card may still be edited."""
OPEN_FOR = timedelta(days=90)
"""How long a trade may be live without a change."""
_COMPANION_AT_LEAST, _COMPANION_AT_MOST = timedelta(seconds=60), timedelta(hours=1)


def of_signal(
    pair: Instrument,
    timeframe: Timeframe | None,
    known_at: datetime,
    without_timeframe: timedelta = SIGNAL_WITHOUT_TIMEFRAME,
) -> timedelta:
    """How long a signal is valid after it is known: one candle, at least 10 minutes; an hour without a timeframe."""
    lasts_for = without_timeframe if timeframe is None else max(timeframe.duration, SIGNAL_AT_LEAST)
    return _in_market_time(pair, known_at, lasts_for)


def of_order(timeframe: Timeframe | None) -> timedelta:
    """How long a limit or stop order is good after its signal is known: 24 hours or 6 candles, whichever is longer."""
    return ORDER_AT_LEAST if timeframe is None else max(_ORDER_CANDLES * timeframe.duration, ORDER_AT_LEAST)


def _in_market_time(pair: Instrument, start: datetime, lasts_for: timedelta) -> timedelta:
    """The time from `start` until `pair` has traded for `lasts_for`: weekends of currencies and metals do not count.

    So the last signal of Friday is still valid when the market opens on Sunday evening in New York.
    """
    kind = pair.asset_class
    return until_traded(start, lasts_for) if kind is not None and kind.has_sessions else lasts_for


def of_companion(timeframe: Timeframe | None) -> timedelta:
    """How long a companion is valid: one candle or an hour, whichever is less, but at least a minute."""
    candle = _COMPANION_AT_MOST if timeframe is None else timeframe.duration
    return max(_COMPANION_AT_LEAST, min(candle, _COMPANION_AT_MOST))


def end(given: Instant | None, start: datetime, lasts_for: timedelta, name: str = "valid_until") -> datetime:
    """The end of validity: `given`, or `lasts_for` after `start` if None.

    Raises InvalidValue, with `name` as the field, if it is not after `start`.
    """
    if given is None:
        return later(start, lasts_for)
    until = utc(given, name)
    if until <= start:
        text = f"{name} is {iso(until)}, which is not after {iso(start)}: use a later time, or omit {name}"
        raise InvalidValue(text, code="not-after", field=name, value=iso(until), limit=iso(start))
    return until


def later(start: datetime, by: timedelta, name: str = "timestamp") -> datetime:
    """`start` plus `by`. Raises InvalidValue if the result is out of range."""
    if by < LATEST - start:
        return start + by
    text = f"{name} is {iso(start)}, and {by} later is not before the year {LATEST.year}: use an earlier time"
    raise InvalidValue(text, code="out-of-range", field=name, value=iso(start), limit=iso(LATEST))
