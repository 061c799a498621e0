"""A replay: a strategy over candles of the past, and what came of it."""

from collections import Counter
from collections.abc import Iterable
from time import perf_counter
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.signal import Signal
from signalpost.trading.strategies.port import Filtered, Strategy


class Replay(NamedTuple):
    """What a strategy made of some candles."""

    candles: int
    signals: tuple[Signal, ...]
    """Oldest first."""
    filtered: tuple[Filtered, ...]
    """The crosses that became no signal, oldest first."""
    seconds: float
    """How long the strategy took for all of them, by the machine's clock."""

    @property
    def crosses(self) -> int:
        """How often the averages crossed."""
        return len(self.signals) + len(self.filtered)

    @property
    def count_by_filter(self) -> Counter[str]:
        """How many crosses each filter refused; a cross that several refused counts for each."""
        return Counter(name for cross in self.filtered for name in cross.filters)

    @property
    def microseconds_a_candle(self) -> float:
        """The strategy's time for one candle, on average."""
        return self.seconds / self.candles * 1e6 if self.candles else 0.0


def replay(strategy: Strategy, candles: Iterable[Candle]) -> Replay:
    """Feed `candles`, oldest first, to `strategy`. Raises what its `on_candle` raises."""
    signals: list[Signal] = []
    filtered: list[Filtered] = []
    count = 0
    started = perf_counter()
    for count, candle in enumerate(candles, start=1):  # noqa: B007  # the last count is how many there were
        answer = strategy.on_candle(candle)
        if answer is None:
            continue
        if isinstance(answer, Filtered):
            filtered.append(answer)
        else:
            signals.append(answer)
    return Replay(count, tuple(signals), tuple(filtered), perf_counter() - started)
