"""The bundled strategies over the bundled candles: replayed at once, and made ready to be delivered."""

from collections.abc import Mapping
from datetime import date, datetime

from signalpost.cli.live_replay import Stream
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles, bundled_days, bundled_pairs
from signalpost.trading.replay import Replay, replay
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from signalpost.trading.strategies_file import bundled_strategies

_PREMIUM_PAIRS = frozenset({"EUR_GBP", "EUR_USD", "GBP_USD"})
"""They make half of the signals; the others are for everybody."""


class BundledMarket:
    """Every bundled strategy that has bundled candles."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.left_out: list[str] = []
        """Strategies without candles."""
        self.straddling_weeks: list[date] = []
        """Mondays of the weeks in which the days are not cut exactly."""
        weeks: set[date] = set()
        for config, _ in bundled_strategies():
            if config.pair not in bundled_pairs():
                self.left_out.append(config.key)
                continue
            candles = bundled_candles(config.pair)
            if config.timeframe != TIMEFRAME:
                candles, straddling = bundled_days(config.pair)
                weeks.update(straddling)
            tier = UserTier.PREMIUM if config.pair in _PREMIUM_PAIRS else UserTier.FREE
            self.streams[config.key] = Stream(MAUnifiedStrategy(config), config.timeframe, candles, tier)
        self.straddling_weeks = sorted(weeks)

    @property
    def first_close(self) -> datetime:
        """When the first candle is known."""
        return min(stream.candles[0].time + stream.timeframe.duration for stream in self.streams.values())

    @property
    def candles(self) -> int:
        """How many candles there are in all."""
        return sum(len(stream.candles) for stream in self.streams.values())

    def replayed(self) -> dict[str, Replay]:
        """What each strategy makes of its candles, at once and undelivered."""
        return {
            key: replay(MAUnifiedStrategy(stream.strategy.config), stream.candles)
            for key, stream in self.streams.items()
        }


def signals_of(replays: Mapping[str, Replay]) -> list[Signal]:
    """All signals of some replays, in the order in which they were known."""
    return sorted((signal for made in replays.values() for signal in made.signals), key=lambda each: each.known_at)
