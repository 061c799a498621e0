"""The Donchian breakout: a signal when a close leaves the range of the candles before it, BUY and SELL in turn."""

from collections import deque
from typing import TYPE_CHECKING

from signalpost.domain.exact import Number
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidSnapshot
from signalpost.trading.indicators.cross import DOWN, NONE, UP
from signalpost.trading.indicators.moving_average import checked_period
from signalpost.trading.indicators.plain_data import Snapshot, whole, wholes
from signalpost.trading.strategies.atr_config import AtrConfig
from signalpost.trading.strategies.atr_strategy import AtrStrategy


class DonchianConfig(AtrConfig, frozen=True, kw_only=True):
    """One configuration of the Donchian breakout, validated when created.

    `channel` is the number of candles in the range; the other settings are those of `AtrConfig`. Raises
    InvalidConfiguration for invalid settings.
    """

    channel: int = 20
    strategy_name: str = "Donchian Breakout"

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            pair: str,
            timeframe: Timeframe | str | int,
            channel: int = 20,
            key: str = "",
            atr_period: int = 14,
            atr: str = "simple",
            sl_mult: Number = 2,
            tp_mult: Number = 3,
            min_atr: Number = 0,
            min_rr: Number = 0,
            confidence: Number | None = None,
            strategy_name: str = "Donchian Breakout",
            places: int | None = None,
        ) -> None: ...

    def _check(self) -> None:
        checked_period(self.channel, "channel")
        super()._check()


class DonchianChannel:
    """The highest high and the lowest low of the last candles, in ticks, and the direction of the last breakout."""

    __slots__ = ("_highs", "_lows", "_side", "period")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self._highs: deque[int] = deque(maxlen=period)
        self._lows: deque[int] = deque(maxlen=period)
        self._side = NONE

    def update(self, high: int, low: int, close: int) -> int:
        """Process the next candle. Returns UP or DOWN if its close is the first beyond the range on that side."""
        side = NONE
        if len(self._highs) == self.period:
            side = UP if close > max(self._highs) else DOWN if close < min(self._lows) else NONE
        self._highs.append(high)
        self._lows.append(low)
        if side in {NONE, self._side}:
            return NONE
        self._side = side
        return side

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        return {"highs": list(self._highs), "lows": list(self._lows), "side": self._side}

    def restore(self, saved: Snapshot) -> None:
        """Restore a saved state. Raises InvalidSnapshot if it is damaged, and then keeps the current state."""
        highs, lows = (wholes(saved, name, at_most=self.period) for name in ("highs", "lows"))
        side = whole(saved, "side")
        if len(highs) != len(lows) or side not in {DOWN, NONE, UP}:
            text = "highs, lows and side contradict each other: replay all candles from the first one"
            raise InvalidSnapshot(text, code="conflict", field="side", value=str(side))
        self._highs, self._lows = deque(highs, self.period), deque(lows, self.period)
        self._side = side


class DonchianStrategy(AtrStrategy):
    """BUY if a close is above the highest high of the `channel` candles before it, SELL if below their lowest low.

    After a breakout, only one in the other direction is a signal. The filters are those of `AtrStrategy`. Raises
    InvalidConfiguration if the number of decimals of the pair is neither known nor set.
    """

    __slots__ = ("_channel",)

    config: DonchianConfig
    config_class = DonchianConfig
    _parts = ("channel", "atr")

    def __init__(self, config: DonchianConfig) -> None:
        super().__init__(config)
        self._channel = DonchianChannel(config.channel)

    def on_ticks(self, high: int, low: int, close: int) -> int:
        """Process the next candle in integer ticks, and return UP, DOWN or NONE: only the arithmetic of `on_candle`."""
        self._atr.update(high, low, close)
        return self._channel.update(high, low, close)

    @property
    def fingerprint(self) -> str:
        """Everything the state depends on. A state with another fingerprint is rejected."""
        config = self.config
        periods = f"channel={config.channel} atr={config.atr}:{config.atr_period}"
        return f"donchian {config.pair.symbol} {config.timeframe} places={self._scale.places} {periods}"

    @property
    def warm_up(self) -> int:
        """How many candles it needs before its first signal."""
        return max(self.config.channel, self.config.atr_period) + 1
