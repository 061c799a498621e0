"""The settings of a moving-average strategy: pair, timeframe, periods, stop and target, filters."""

from typing import TYPE_CHECKING

from signalpost.domain.exact import Number
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidConfiguration
from signalpost.trading.indicators.moving_average import checked_period
from signalpost.trading.strategies.atr_config import AtrConfig


class MAUnifiedConfig(AtrConfig, frozen=True, kw_only=True):
    """One configuration of the moving-average strategy, validated when created.

    `fast` and `slow` are in candles; the other settings are those of `AtrConfig`. Raises InvalidConfiguration for
    invalid settings, such as a fast period longer than the slow one without `inverted`.
    """

    fast: int
    slow: int
    inverted: bool = False
    strategy_name: str = "MA Unified Strategy"

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            pair: str,
            timeframe: Timeframe | str | int,
            fast: int,
            slow: int,
            key: str = "",
            atr_period: int = 14,
            atr: str = "simple",
            sl_mult: Number = 2,
            tp_mult: Number = 3,
            min_atr: Number = 0,
            min_rr: Number = 0,
            inverted: bool = False,
            confidence: Number | None = None,
            strategy_name: str = "MA Unified Strategy",
            places: int | None = None,
        ) -> None: ...

    def _check(self) -> None:
        for name in ("fast", "slow"):
            checked_period(getattr(self, name), name)
        super()._check()
        if not isinstance(self.inverted, bool):
            raise InvalidConfiguration.of("inverted", self.inverted, "use true or false", code="not-a-boolean")
        if self.fast == self.slow:
            raise InvalidConfiguration(
                f"{self.key}: fast and slow are both {self.fast}, so they never cross: use two different periods",
                code="conflict",
                field="slow",
                value=str(self.slow),
                limit=f"fast: {self.fast}",
            )
        if self.fast > self.slow and not self.inverted:
            raise InvalidConfiguration(
                f"{self.key}: fast ({self.fast}) is longer than slow ({self.slow}): "
                f"swap them, or set inverted if this is intended",
                code="conflict",
                field="inverted",
                value=str(self.inverted),
                limit=f"fast: {self.fast}, slow: {self.slow}",
            )
        if self.fast < self.slow and self.inverted:
            raise InvalidConfiguration(
                f"{self.key}: inverted is set, but fast ({self.fast}) is shorter than slow ({self.slow}): "
                f"unset it, or swap them",
                code="conflict",
                field="inverted",
                value=str(self.inverted),
                limit=f"fast: {self.fast}, slow: {self.slow}",
            )
