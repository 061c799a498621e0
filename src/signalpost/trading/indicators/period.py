"""The period of an indicator, in candles."""

from signalpost.errors import InvalidConfiguration

MOST_CANDLES = 100_000
"""The longest period: more than two months of one-minute candles."""


def checked_period(period: int, name: str = "period") -> int:
    """`period`, which must be a whole number from 1 to 100,000. Raises InvalidConfiguration otherwise."""
    if isinstance(period, bool) or not isinstance(period, int) or not 1 <= period <= MOST_CANDLES:
        raise InvalidConfiguration.of(
            name,
            period,
            f"use a whole number of candles from 1 to {MOST_CANDLES:,}",
            code="out-of-range",
            limit=f"1 to {MOST_CANDLES}",
        )
    return period
