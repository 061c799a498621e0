"""Trades for the tests of their life."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from signalpost.domain.change import Update
from signalpost.domain.life import after, opened
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade
from signalpost.errors import Fault, NotPossible

START = datetime(2026, 11, 27, 14, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = START + 10 * MINUTE
"""After all changes of a test's trade."""

LONG: dict[str, Any] = {
    "pair": "EUR_USD",
    "signal_type": "BUY",
    "entry_price": "1.1000",
    "stop_loss": "1.0950",
    "targets": ["1.1050", "1.1100", "1.1150"],
    "timestamp": START - 240 * MINUTE,
    "timeframe": "H4",
    "known_at": START,
}
"""1R is 50 pips."""
SHORT = LONG | {"signal_type": "SELL", "stop_loss": "1.1050", "targets": ["1.0950", "1.0900", "1.0850"]}
LIMIT = LONG | {"order": "limit"}


def trade(*changes: Any, now: datetime = START, **fields: Any) -> Trade:
    """A LONG with these fields, after these changes, one each minute."""
    made = opened(Signal(**(LONG | fields)), 1, (UserTier.PREMIUM,), now)
    for number, change in enumerate(changes, start=1):
        made = after(made, change, now + number * MINUTE)
    return made


def refused(made: Trade, change: Any) -> Fault:
    """Why the change is not possible."""
    with pytest.raises(NotPossible) as caught:
        after(made, change, SECOND)
    (fault,) = caught.value.errors
    assert fault.code == "not-possible"
    return fault


def unchanged(made: Trade, change: Any) -> bool:
    """Whether the change is a duplicate."""
    return after(made, change, SECOND) is made


def part(share: str) -> Update:
    """A part that a person closes."""
    return Update(close_part=share, price="1.1020")


def prices(made: Trade) -> list[Decimal]:
    """Those of its targets."""
    return [target.price for target in made.targets]
