"""The strategies of a service while it owns its data folder, with their feeds and the cache of their states.

See docs/why/0035-the-strategy-lives.md.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial

from signalpost import clock
from signalpost.config import STORE_FILE, Config
from signalpost.config.feeds import Candles, make_feeds
from signalpost.delivery.intake import Intake
from signalpost.delivery.kept_task import KeptTask
from signalpost.domain.reason import Reason
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.service.away import Away
from signalpost.service.following import Follower, FollowPlan, StreamKey
from signalpost.service.health_report import StreamReport, report_of, written_at
from signalpost.telemetry.bus import Bus
from signalpost.trading.feeds.bounded import BoundedFeed
from signalpost.trading.incidents import Incidents, named
from signalpost.trading.processor import IncrementalSignalProcessor, StateFrom
from signalpost.trading.round_cache import RoundCache
from signalpost.trading.runner import StreamRunner
from signalpost.trading.strategies.port import LiveStrategy


class Market:
    """Runs all strategies of a configuration, and follows live signals, from the moment it is made until `end`.

    Belongs to the running loop. Raises InvalidConfiguration if a feed or the cache cannot be made.
    """

    def __init__(self, config: Config, intake: Intake, bus: Bus) -> None:
        used = {each.feed for each in (*config.strategies, config.follow) if each is not None}
        feeds = make_feeds(each for each in config.feeds if each.name in used)
        self.feeds = {name: BoundedFeed(feed) for name, feed in feeds.items()}
        self.incidents = Incidents()
        self._away = Away(intake.accept, intake.find, config.routing())
        self._was_alive_at = written_at(report_of(config.home / STORE_FILE))
        strategies = [(each, each.make()) for each in config.strategies]
        self._cache = _cache_of(config, [strategy.config.stream for _, strategy in strategies])
        at_work = nullcontext if self._cache is None else self._cache.at_work
        self.streams: dict[str, StreamRunner] = {}
        for each, strategy in strategies:
            feed = self.feeds[each.feed]
            processor = IncrementalSignalProcessor(strategy, feed, intake, self._cache, tiers=each.tiers)
            missed = partial(self._missed, each.tiers)
            self.streams[each.key] = StreamRunner(
                each.key, processor, self.incidents, bus.emit, on_missed=missed, at_work=at_work
            )
        self._bus = bus
        self._plan = _plan_of(config, [strategy for _, strategy in strategies])
        self._follower = Follower(intake, self.feeds, self._plan, self.incidents, bus.emit)
        bus.subscribe(self._follower.listen)
        work = {f"strategy {key}": each.run for key, each in self.streams.items()}
        if self.feeds:
            work["follower"] = self._follower.run
        self._tasks = [KeptTask(name, run, bus.emit) for name, run in work.items()]

    def is_followed(self, signal: Signal) -> bool:
        """True if the candles of a feed decide how a signal goes on."""
        return self._plan.source_of(signal) is not None

    def reasons(self) -> Iterator[Reason]:
        """Why strategies do not get their candles, or not as usual. For any thread."""
        now = clock.now()
        yield from self.incidents.reasons(now)
        behind: dict[str, list[str]] = {}
        for key, stream in self.streams.items():
            if stream.is_behind(now):
                behind.setdefault(stream.feed, []).append(key)
        for feed, keys in behind.items():
            yield Reason(f"feed {feed}: no answer for {named(keys)} since their candles closed", "stream-behind")
        if self._cache is not None and (trouble := self._cache.trouble) is not None:
            yield Reason(f"the cache of the strategies' states does not work: {trouble}", "cache-degraded")

    def reports(self) -> tuple[StreamReport, ...]:
        """What is known of each stream."""
        return tuple(map(_report_of, self.streams.values()))

    async def end(self) -> None:
        """Stop the strategies, and close cache and feeds; a second call does nothing."""
        tasks, self._tasks = self._tasks, []
        self._bus.unsubscribe(self._follower.listen)
        if tasks:
            await asyncio.gather(*(task.end() for task in tasks))
            await self._away.close()
            if self._cache is not None:
                await self._cache.close()
            await asyncio.gather(*(feed.close() for feed in self.feeds.values()))

    def _missed(self, tiers: Sequence[UserTier], signals: Sequence[Signal], since: datetime | None) -> None:
        self._away.missed(signals, tiers, self._was_alive_at if since is None else since)


def _cache_of(config: Config, streams: list[str]) -> RoundCache | None:
    if config.redis_url is None or not streams:
        return None
    from signalpost.trading.redis_cache import RedisCache  # an extra

    return RoundCache(RedisCache(config.redis_url, str(config.home)), streams)


def _plan_of(config: Config, strategies: Sequence[LiveStrategy]) -> FollowPlan:
    """Which candles follow which signals: the finest for all, or else each strategy's own for its signals."""
    candles = {}
    for each, strategy in zip(config.strategies, strategies, strict=True):
        key = StreamKey(strategy.config.strategy_name, each.pair, each.timeframe)
        candles[key] = (config.follow or Candles(each.feed, each.timeframe)) if each.follow else None
    return FollowPlan(config.follow, candles)


def _report_of(stream: StreamRunner) -> StreamReport:
    hits = stream.states_from[StateFrom.CACHE]
    return StreamReport(
        key=stream.key,
        warm=stream.processor.is_warm,
        state_from=stream.state_from,
        candles_read=0 if stream.last is None else stream.last.candles_read,
        hits=hits,
        misses=stream.states_from.total() - hits,
        rebuilt=stream.rebuilt,
    )
