"""What every strategy is: candles in, one at a time, and at most one answer a candle."""

from typing import Any, NamedTuple, Protocol

from signalpost.domain.candle import Candle
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal


class Filtered(NamedTuple):
    """A cross that did not become a signal, and why."""

    signal_type: SignalType
    reasons: tuple[str, ...]
    """Each a short sentence that begins with the filter's name, such as `min atr: 0.00012 < 0.0002`."""

    @property
    def filters(self) -> tuple[str, ...]:
        """The names of the filters, for counting."""
        return tuple(reason.partition(":")[0] for reason in self.reasons)


class Strategy(Protocol):
    """A stream's strategy: the same first candle and the same candles after it give the same signals, bit for bit.

    Every implementation passes `signalpost.testing.strategy_contract`.
    """

    def on_candle(self, candle: Candle) -> Signal | Filtered | None:
        """Take the next closed candle, and return its signal, a cross that was filtered, or None.

        Raises OutOfOrder for a candle that is not newer than the last one, and InvalidValue for a price finer than the
        stream's ticks; the state is then as before.
        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """The whole state as plain data that JSON can hold."""
        ...

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up a saved state, as if never stopped.

        Raises InvalidSnapshot where it is damaged or was saved under another configuration; the state is then as
        before.
        """
        ...
