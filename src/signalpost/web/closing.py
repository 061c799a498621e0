"""What a hook says of the end of a signal."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from signalpost.domain.instrument import Instrument
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal


class Closing(NamedTuple):
    """A signal is over: which, at what price, and why."""

    key: str
    """The same for a repeat of the same request."""
    strategy: str
    pair: Instrument
    timeframe: str
    side: SignalType | None
    """Of the signal that is closed, where the request tells."""
    price: Decimal
    at: datetime
    reason: str
    unseen: Signal | None
    """What is closed if nothing is remembered; None where the request does not tell enough."""
