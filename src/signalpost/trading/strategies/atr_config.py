"""The settings of every strategy whose stop and target are distances in average true ranges."""

from decimal import Decimal

import msgspec

from signalpost.domain.exact import non_negative, positive, share, whole
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


class AtrConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The common part of configurations, validated when created.

    `atr_period` is in candles. The stop is `sl_mult` and the target `tp_mult` average true ranges from the entry.
    `min_atr` is in price and `min_rr` is compared with tp_mult / sl_mult exactly; 0 turns either filter off.
    `confidence` is copied to every signal. `places` is the number of decimals of a price: by default the instrument's,
    or None if not known. Raises InvalidConfiguration for invalid settings.
    """

    pair: Instrument
    timeframe: Timeframe
    key: str = ""
    atr_period: int = 14
    atr: str = "simple"
    sl_mult: Decimal = Decimal(2)
    tp_mult: Decimal = Decimal(3)
    min_atr: Decimal = Decimal(0)
    min_rr: Decimal = Decimal(0)
    confidence: Decimal | None = None
    strategy_name: str
    places: int | None = None

    def __post_init__(self) -> None:
        try:
            self._convert()
        except InvalidValue as fault:
            raise InvalidConfiguration.of_all(fault.errors) from fault
        self._check()

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

    def _check(self) -> None:
        """Check the settings together. A subclass checks its own too."""
        checked_period(self.atr_period, "atr_period")
        checked_kind(self.atr)
