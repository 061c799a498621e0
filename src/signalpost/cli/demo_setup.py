"""Sets up the demo: the bundled strategies and candles, a fresh data folder, and a local Discord or yours."""

import secrets
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from signalpost.cli.live_replay import Stream
from signalpost.cli.output import say
from signalpost.config import SET_A_WEBHOOK, Config, DestinationConfig
from signalpost.delivery.pacing.limits import HOST_RATE, Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration
from signalpost.sandbox.rules.limits import RAISED, Rate
from signalpost.sandbox.server import DEFAULT_PORT, Sandbox
from signalpost.secret import Secret
from signalpost.service.charts import CandleHistory
from signalpost.sinks.discord.chart import CANDLES
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles, bundled_days, bundled_pairs
from signalpost.trading.replay import Replay, replay
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from signalpost.trading.strategies_file import bundled_strategies

_PREMIUM_PAIRS = frozenset({"EUR_GBP", "EUR_USD", "GBP_USD"})
"""These pairs make half of the signals; the others go to the free tier."""
_MESSAGES_A_MINUTE = 600
"""Twenty times the usual limit of a channel: a signal posts two messages in its life, and edits the first one twice."""
_LIMITS = RAISED._replace(bucket=Rate(100, 2), channel=Rate(_MESSAGES_A_MINUTE, 60))
"""The sandbox's limits: per webhook and channel twenty times Discord's, per IP address Discord's own."""


class BundledMarket:
    """Every bundled strategy that has bundled candles, with those candles."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.without_candles: list[str] = []
        """Keys of strategies."""
        self.straddling_weeks: list[date] = []
        """Mondays of the weeks in which a day ends within an H4 candle."""
        weeks: set[date] = set()
        for config, _ in bundled_strategies():
            if config.pair not in bundled_pairs():
                self.without_candles.append(config.key)
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
        """When the first candle closes."""
        return min(stream.candles[0].time + stream.timeframe.duration for stream in self.streams.values())

    @property
    def candles(self) -> int:
        """The total number of candles."""
        return sum(len(stream.candles) for stream in self.streams.values())

    async def history(self, signal: Signal, *, is_wanted: bool) -> CandleHistory | None:
        """The candles that lead to a strategy's signal, for its chart, if one is wanted."""
        for stream in self.streams.values() if is_wanted else ():
            config = stream.strategy.config
            if (config.pair, config.timeframe, config.strategy_name) == (
                signal.pair,
                signal.timeframe,
                signal.strategy_name,
            ):
                end = bisect_right(stream.candles, signal.timestamp, key=lambda candle: candle.time)
                start = max(0, end - CANDLES - config.slow)
                return CandleHistory(stream.candles[start:end], (config.fast, config.slow))
        return None

    def replayed(self) -> dict[str, Replay]:
        """Replay each strategy at once, without delivery."""
        return {
            key: replay(MAUnifiedStrategy(stream.strategy.config), stream.candles)
            for key, stream in self.streams.items()
        }


@asynccontextmanager
async def demo_config(port: int | None, *, to_discord: bool) -> AsyncIterator[Config]:
    """A configuration with a temporary data folder, a run id, and destinations in a local Discord or your own."""
    run = f"replay-{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signalpost-")))
        if to_discord:
            environment = Config.from_environment()
            if not environment.destinations:
                text = f"--to-discord needs a webhook: {SET_A_WEBHOOK}"
                raise InvalidConfiguration(text, code="missing", field="destinations")
            config = msgspec.structs.replace(environment, home=home, run=run)
            say(f"Sending the messages of {run} to {', '.join(each.name for each in config.destinations)}.", err=True)
        else:
            sandbox = await stack.enter_async_context(await _sandbox(port))
            say(f"Messages appear at {sandbox.url}/", err=True)
            config = Config(home=home, destinations=_destinations(sandbox), host_rate=HOST_RATE, run=run)
        yield config


async def _sandbox(port: int | None) -> Sandbox:
    """A sandbox, not started yet: on `port`, or else on the default port if that is free, or else on any."""
    if port is not None:
        return Sandbox(port=port, limits=_LIMITS)
    try:
        async with Sandbox(port=DEFAULT_PORT):
            return Sandbox(port=DEFAULT_PORT, limits=_LIMITS)
    except InvalidConfiguration:
        return Sandbox(port=0, limits=_LIMITS)


def _destinations(sandbox: Sandbox) -> tuple[DestinationConfig, ...]:
    limits = Limits(_MESSAGES_A_MINUTE, channel=None)
    return tuple(
        DestinationConfig(usual.name, Secret(sandbox.webhook(usual.name)), limits) for usual in USUAL_DESTINATIONS
    )
