"""The settings of a moving-average strategy: pair, timeframe, periods, stop and target, filters."""

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from signalpost.domain.exact import Number, non_negative, positive, share, whole
from signalpost.domain.instrument import Instrument
from signalpost.domain.precision import MOST_PLACES
from signalpost.domain.text import id_of, required_text
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidConfiguration, InvalidValue
from signalpost.trading.indicators.atr import checked_kind
from signalpost.trading.indicators.moving_average import checked_period

LONGEST_KEY = 80
"""Long enough for the default key of the longest symbol: the symbol with its timeframe."""

_set = msgspec.structs.force_setattr


class MAUnifiedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration of the moving-average strategy, validated when created.

    Periods are in candles. The stop is `sl_mult` and the target `tp_mult` average true ranges from the entry.
    `min_atr` is in price and `min_rr` is compared with tp_mult / sl_mult exactly; 0 turns either filter off.
    `confidence` is copied to every signal. `places` is the number of decimals of a price: by default the instrument's,
    or None if not known. Raises InvalidConfiguration for invalid settings, such as a fast period longer than the slow
    one without `inverted`.
    """

    pair: Instrument
    timeframe: Timeframe
    fast: int
    slow: int
    key: str = ""
    atr_period: int = 14
    atr: str = "simple"
    sl_mult: Decimal = Decimal(2)
    tp_mult: Decimal = Decimal(3)
    min_atr: Decimal = Decimal(0)
    min_rr: Decimal = Decimal(0)
    inverted: bool = False
    confidence: Decimal | None = None
    strategy_name: str = "MA Unified Strategy"
    places: int | None = None

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

    def __post_init__(self) -> None:
        try:
            self._convert()
        except InvalidValue as fault:
            raise InvalidConfiguration.of_all(fault.errors) from fault
        self._check_periods()

    @property
    def stream(self) -> str:
        """Pair and timeframe, and a custom key, which distinguishes two strategies on the same pair."""
        stream = f"{self.pair.symbol}:{self.timeframe}"
        return stream if self.key == f"{self.pair.symbol}_{self.timeframe}" else f"{stream}:{self.key}"

    def _convert(self) -> None:
        pair, timeframe = Instrument(self.pair), Timeframe(self.timeframe)
        for name, value in {
            "pair": pair,
            "timeframe": timeframe,
            "key": id_of(self.key, "key") if self.key != "" else f"{pair.symbol}_{timeframe}",
            "sl_mult": positive(self.sl_mult, "sl_mult"),
            "tp_mult": positive(self.tp_mult, "tp_mult"),
            "min_atr": non_negative(self.min_atr, "min_atr"),
            "min_rr": non_negative(self.min_rr, "min_rr"),
            "confidence": None if self.confidence is None else share(self.confidence, "confidence"),
            "strategy_name": required_text(self.strategy_name, "strategy_name"),
            "places": pair.places if self.places is None else whole(self.places, "places", most=MOST_PLACES),
        }.items():
            _set(self, name, value)
        if len(self.key) > LONGEST_KEY:
            advice = f"use at most {LONGEST_KEY} characters"
            raise InvalidConfiguration.of("key", self.key[:40], advice, code="too-long", limit=str(LONGEST_KEY))

    def _check_periods(self) -> None:
        for name in ("fast", "slow", "atr_period"):
            checked_period(getattr(self, name), name)
        checked_kind(self.atr)
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
