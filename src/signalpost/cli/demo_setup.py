"""Sets up the demo: the bundled strategies and candles, a fresh data folder, and a local Discord or yours."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from signalpost.cli.output import say
from signalpost.config import SET_A_WEBHOOK, Config, DestinationConfig, FeedConfig, StrategyConfig
from signalpost.delivery.pacing.limits import HOST_RATE, Limits
from signalpost.domain.candle import Candle
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration
from signalpost.sandbox.rules.limits import RAISED, Rate
from signalpost.sandbox.server import DEFAULT_PORT, Sandbox
from signalpost.secret import Secret
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles, bundled_days, bundled_pairs
from signalpost.trading.replay import Replay, replay
from signalpost.trading.strategies_file import bundled_strategies

_PREMIUM_PAIRS = frozenset({"EUR_GBP", "EUR_USD", "GBP_USD"})
"""These pairs make half of the signals; the others go to the free tier."""
_FEED = FeedConfig("bundled", "replay")
_MESSAGES_A_MINUTE = 600
"""Twenty times the usual limit of a channel: a signal posts two messages in its life, and edits the first one twice."""
_LIMITS = RAISED._replace(bucket=Rate(100, 2), channel=Rate(_MESSAGES_A_MINUTE, 60))
"""The sandbox's limits: per webhook and channel twenty times Discord's, per IP address Discord's own."""


class BundledMarket:
    """Every bundled strategy that has bundled candles, with those candles."""

    def __init__(self) -> None:
        self.strategies: list[StrategyConfig] = []
        self.candles_by_key: dict[str, Sequence[Candle]] = {}
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
            table = {**msgspec.structs.asdict(config), "feed": _FEED.name, "tiers": [tier]}
            self.strategies.append(StrategyConfig.of(table))
            self.candles_by_key[config.key] = candles
        self.straddling_weeks = sorted(weeks)

    @property
    def begins_at(self) -> datetime:
        """When every strategy has its first candle."""
        return max(self.candles_by_key[each.key][0].time + each.timeframe.duration for each in self.strategies)

    @property
    def candles(self) -> int:
        """The total number of candles."""
        return sum(map(len, self.candles_by_key.values()))

    def replayed(self) -> dict[str, Replay]:
        """Replay each strategy at once, without delivery."""
        return {each.key: replay(each.make(), self.candles_by_key[each.key]) for each in self.strategies}


@asynccontextmanager
async def demo_config(market: BundledMarket, port: int | None, *, to_discord: bool) -> AsyncIterator[Config]:
    """A configuration with a temporary data folder, a run id, and destinations in a local Discord or your own.

    It runs the strategies of the market.
    """
    run = f"replay-{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signalpost-")))
        if to_discord:
            environment = Config.from_environment()
            if not environment.destinations:
                text = f"--to-discord needs a webhook: {SET_A_WEBHOOK}"
                raise InvalidConfiguration(text, code="missing", field="destinations")
            config = msgspec.structs.replace(environment, home=home, run=run, follow=None, redis_url=None)
            say(f"Sending the messages of {run} to {', '.join(each.name for each in config.destinations)}.", err=True)
        else:
            sandbox = await stack.enter_async_context(await _sandbox(port))
            say(f"Messages appear at {sandbox.url}/", err=True)
            config = Config(home=home, destinations=_destinations(sandbox), host_rate=HOST_RATE, run=run)
        yield msgspec.structs.replace(config, feeds=(_FEED,), strategies=tuple(market.strategies))


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
