"""The protocol of strategies: they receive one candle at a time and return at most one result for each."""

from typing import Any, NamedTuple, Protocol

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.timeframe import Timeframe


class Filtered(NamedTuple):
    """A cross that did not become a signal, with the reasons."""

    signal_type: SignalType
    reasons: tuple[str, ...]
    """Each is a short text that begins with the filter's name, such as `min atr: 0.00012 < 0.0002`."""

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters' names, without the details."""
        return tuple(reason.partition(":")[0] for reason in self.reasons)


class Strategy(Protocol):
    """A strategy over one stream: the same candles from the same origin give the same signals, bit for bit.

    Every implementation passes `signalpost.testing.strategy_contract`.
    """

    def on_candle(self, candle: Candle) -> Signal | Filtered | None:
        """Process the next closed candle. Returns its signal, a filtered cross, or None.

        Raises OutOfOrder if the candle is not newer than the last one, and InvalidValue if a price is finer than the
        stream's ticks. The state does not change then.
        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """The whole state as plain data for JSON."""
        ...

    def restore(self, saved: dict[str, Any]) -> None:
        """Restore a saved state and continue as if never stopped.

        Raises InvalidSnapshot if it is damaged or was saved under another configuration. The state does not change
        then.
        """
        ...


class WrongAnswer(TypeError):
    """A strategy's answer to a candle is neither a signal, nor a filtered cross, nor None."""


def checked(answer: Signal | Filtered | None) -> Signal | Filtered | None:
    """The answer of `on_candle`. Raises WrongAnswer for anything else, such as a list of signals or a coroutine."""
    found: object = answer
    if found is None or isinstance(found, (Signal, Filtered)):
        return found
    raise WrongAnswer(f"on_candle returned a {type(found).__name__}: return a Signal, a Filtered or None")


class StreamConfig(Protocol):
    """The part of a strategy's configuration that every strategy has."""

    @property
    def pair(self) -> Instrument:
        """The instrument of its candles."""
        ...

    @property
    def timeframe(self) -> Timeframe:
        """The timeframe of its candles."""
        ...

    @property
    def strategy_name(self) -> str:
        """The `strategy_name` of its signals, by which they are recognised."""
        ...

    @property
    def stream(self) -> str:
        """Identifies the stream. No two strategies that run together have the same."""
        ...


class LiveStrategy(Strategy, Protocol):
    """A strategy that can run on live candles."""

    @property
    def config(self) -> StreamConfig:
        """Its configuration."""
        ...

    @property
    def fingerprint(self) -> str:
        """Everything that its state depends on. A state with another fingerprint is rejected."""
        ...

    @property
    def warm_up(self) -> int:
        """How many candles it needs before its first signal."""
        ...
