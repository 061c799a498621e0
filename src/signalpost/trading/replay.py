"""Replays: a strategy run over past candles, with its results."""

from collections import Counter
from collections.abc import Iterable
from time import perf_counter
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.signal import Signal
from signalpost.trading.strategies.port import Filtered, Strategy, checked


class Replay(NamedTuple):
    """The results of a strategy over some candles."""

    candles: int
    signals: tuple[Signal, ...]
    """Oldest first."""
    filtered: tuple[Filtered, ...]
    """The crosses that did not become a signal, oldest first."""
    seconds: float
    """For all candles, by the machine's clock. Includes the time to get them from the iterable."""

    @property
    def crosses(self) -> int:
        """The number of crosses, with and without a signal."""
        return len(self.signals) + len(self.filtered)

    @property
    def count_by_filter(self) -> Counter[str]:
        """The number of crosses per filter; a cross filtered for several reasons counts once for each."""
        return Counter(name for cross in self.filtered for name in cross.filters)

    @property
    def microseconds_a_candle(self) -> float:
        """The average of `seconds` per candle, in microseconds."""
        return self.seconds / self.candles * 1e6 if self.candles else 0.0


def replay(strategy: Strategy, candles: Iterable[Candle]) -> Replay:
    """Feed `candles`, oldest first, to `strategy`. Raises WrongAnswer and the errors of `on_candle`."""
    signals: list[Signal] = []
    filtered: list[Filtered] = []
    count = 0
    started = perf_counter()
    for count, candle in enumerate(candles, start=1):  # noqa: B007  # used after the loop
        answer = checked(strategy.on_candle(candle))
        if answer is None:
            continue
        if isinstance(answer, Filtered):
            filtered.append(answer)
        else:
            signals.append(answer)
    return Replay(count, tuple(signals), tuple(filtered), perf_counter() - started)
