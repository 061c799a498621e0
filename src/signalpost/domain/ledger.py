"""The port of the ledger: a stream's state is committed together with the stream's signals, or not at all."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Ticket


class StreamState(NamedTuple):
    """Everything that a strategy's stream has to remember. It is committed with the signals of the last candle."""

    stream: str
    fingerprint: str
    """Everything that the state depends on, such as a configuration. A state with another fingerprint is not used."""
    watermark: datetime
    """The time of the last candle."""
    state: bytes


class Ledger(Protocol):
    """Keeps the state of streams, and takes their signals. `AsyncNotificationService` is one."""

    async def load_state(self, stream: str) -> StreamState | None:
        """The last committed state of a stream; None if there is none. Raises StoreFailed."""
        ...

    async def commit(self, state: StreamState, signals: Sequence[Signal]) -> list[Ticket]:
        """Save a state and the signals of its last candles, all or nothing; one ticket for each signal.

        Raises StoreFailed: then the stream must not continue, and retries.
        """
        ...
