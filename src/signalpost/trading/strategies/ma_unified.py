"""The moving-average strategy: a signal whenever the fast average crosses the slow one.

One class for every configuration; one candle at a time; exact. Averages are compared as integers
(fast sum x slow period with slow sum x fast period), so ties are exact. See docs/why/0001-exact-ticks.md.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from signalpost.trading.indicators.cross import Cross
from signalpost.trading.indicators.moving_average import SimpleMovingAverage
from signalpost.trading.strategies.atr_strategy import AtrStrategy
from signalpost.trading.strategies.ma_unified_config import MAUnifiedConfig


class MAUnifiedStrategy(AtrStrategy):
    """BUY if the fast average crosses above the slow one, SELL if it crosses below; entry at the candle's close.

    The filters are those of `AtrStrategy`. Raises InvalidConfiguration if the number of decimals of the pair is neither
    known nor set.
    """

    __slots__ = ("_cross", "_fast", "_slow")

    config: MAUnifiedConfig
    config_class = MAUnifiedConfig
    _parts = ("fast", "slow", "atr", "cross")

    def __init__(self, config: MAUnifiedConfig) -> None:
        super().__init__(config)
        self._fast = SimpleMovingAverage(config.fast)
        self._slow = SimpleMovingAverage(config.slow)
        self._cross = Cross()

    def on_ticks(self, high: int, low: int, close: int) -> int:
        """Process the next candle in integer ticks, and return UP, DOWN or NONE: only the arithmetic of `on_candle`."""
        self._atr.update(high, low, close)
        fast, slow = self._fast.update(close), self._slow.update(close)
        if fast is None or slow is None:
            return 0
        return self._cross.update(fast * self._slow.period - slow * self._fast.period)

    @property
    def fingerprint(self) -> str:
        """Everything the state depends on. A state with another fingerprint is rejected."""
        config = self.config
        periods = f"fast={config.fast} slow={config.slow} atr={config.atr}:{config.atr_period}"
        return f"ma-unified {config.pair.symbol} {config.timeframe} places={self._scale.places} {periods}"

    @property
    def warm_up(self) -> int:
        """How many candles it needs before its first signal."""
        return max(self.config.fast, self.config.slow, self.config.atr_period) + 1

    def _facts(self) -> dict[str, Any]:
        return {"fast_ma": self._average(self._fast), "slow_ma": self._average(self._slow)}

    def _average(self, average: SimpleMovingAverage) -> Decimal:
        return self._scale.price(Fraction(average.total, average.period))
