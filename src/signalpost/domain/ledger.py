"""The port of the ledger: a stream's state is committed together with the stream's signals, or not at all."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.words import Word


class StreamState(NamedTuple):
    """Everything that a strategy's stream must remember. It is committed with the signals of its last candles."""

    stream: str
    fingerprint: str
    """Everything that the state depends on, such as a configuration. A state with another fingerprint is not used."""
    watermark: datetime
    """The time of the last candle."""
    state: bytes


class UnpublishedRule(Word):
    """Why a signal is recorded but not posted."""

    TOO_OLD = "too-old"
    """Its validity had passed when its candle was taken."""
    LATE_CORRECTION = "late-correction"
    """It appeared only when an earlier candle was corrected."""


class Unpublished(NamedTuple):
    """A signal to record without posting it."""

    signal: Signal
    rule: UnpublishedRule


class Ledger(Protocol):
    """Keeps the state of streams, and takes their signals. `AsyncNotificationService` is one."""

    async def load_state(self, stream: str) -> StreamState | None:
        """The last committed state of a stream; None if there is none. Raises StoreFailed."""
        ...

    async def commit(
        self,
        state: StreamState,
        signals: Sequence[Signal],
        *,
        tiers: Sequence[UserTier | str] = (),
        unpublished: Sequence[Unpublished] = (),
    ) -> list[Ticket]:
        """Save a state and the signals of its last candles, all or nothing. Returns a ticket for each signal in order.

        The tickets of unpublished signals come last. The signals are for each of the `tiers`; the default is FREE.
        Raises StoreFailed. The stream must then not continue until a retry has succeeded.
        """
        ...

    async def revise(self, signal_id: str) -> Ticket:
        """Mark a signal as revised: its candle was corrected, and no longer causes it. A repeat changes nothing.

        Raises StoreFailed.
        """
        ...
