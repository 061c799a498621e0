"""The strategies of a service that owns its data folder, with their feeds and the cache of their states.

See docs/why/0035-the-strategy-lives.md.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from signalpost import clock
from signalpost.config import Config, StrategyConfig
from signalpost.config.feeds import Candles, make_feeds
from signalpost.delivery.intake import Intake
from signalpost.delivery.kept_task import KeptTask
from signalpost.domain.events import Event, IncidentBegan, StoreMoved, emit_each, hears
from signalpost.domain.reason import Reason
from signalpost.domain.signal import Signal
from signalpost.service.away import Away
from signalpost.service.charts import CandleHistory, CandleSource
from signalpost.service.following import FollowedLedger, Follower, FollowPlan, StreamKey
from signalpost.service.health_report import StreamReport
from signalpost.service.standings import Standings
from signalpost.sinks.discord.chart import CANDLES
from signalpost.telemetry.bus import Bus
from signalpost.trading.alarm_clock import AlarmClock
from signalpost.trading.feeds import FEEDS
from signalpost.trading.feeds.bounded import CLOSE_WITHIN, BoundedFeed
from signalpost.trading.feeds.isolated import IsolatedFeed
from signalpost.trading.feeds.port import Feed, Series
from signalpost.trading.incidents import Incidents, named
from signalpost.trading.processor import IncrementalSignalProcessor, StateFrom
from signalpost.trading.round import Round
from signalpost.trading.round_cache import RoundCache
from signalpost.trading.runner import StreamRunner
from signalpost.trading.schedule import lag
from signalpost.trading.strategies.port import LiveStrategy

_MOST_CANDLES = 5_000
"""The most candles in one fetch."""
_WATCH_EVERY = 5.0
_LEAST_TO_CLOSE = 1.0


class Market:
    """Runs all strategies of a configuration, and follows live signals, from its creation until `end`.

    `was_alive_at` is when an owner last wrote its report: signals since then may have been missed. `opened` are the
    incidents of earlier owners that are not over. Belongs to the running loop. Raises InvalidConfiguration if the cache
    or a feed, even an unused one, cannot be created.
    """

    def __init__(
        self,
        config: Config,
        intake: Intake,
        bus: Bus,
        was_alive_at: datetime | None = None,
        opened: Iterable[IncidentBegan] = (),
    ) -> None:
        self._bus = bus
        self._began, self._was_alive_at = clock.now(), was_alive_at
        self._made = _feeds_of(config)
        used = {each.feed for each in (*config.strategies, config.follow) if each is not None}
        self.feeds = {name: feed for name, feed in self._made.items() if name in used}
        series_by_key = {each.key: Series(each.feed, each.pair, each.timeframe) for each in config.strategies}
        self.incidents = Incidents(opened, series_by_key, config.watchdogs)
        self.alarms = AlarmClock()
        """Where the tasks that wait for candles sleep."""
        strategies = [(each, each.make()) for each in config.strategies]
        together = Round()
        self._cache = _cache_of(config, [strategy.config.stream for _, strategy in strategies], together)
        self._plan = _plan_of(config, [strategy for _, strategy in strategies])
        self._away = Away(intake, config.routing(), Standings(self.feeds, self._plan))
        ledger = FollowedLedger(intake, self._plan, together)
        self.streams = {each.key: self._stream(each, strategy, ledger, together) for each, strategy in strategies}
        self._others = None if config.follow is None else config.follow.feed
        step = config.filters.price_notes if config.run is None else None  # a replay has no notes
        self._follower = Follower(
            intake,
            self.feeds,
            self._plan,
            self.incidents,
            bus.emit,
            alarms=self.alarms,
            step=step,
            together=together,
        )
        bus.subscribe(self._follower.listen)
        bus.subscribe(self._listen)
        self._tasks = [KeptTask(name, run, bus.emit) for name, run in self._work()]

    def _stream(
        self, config: StrategyConfig, strategy: LiveStrategy, ledger: FollowedLedger, together: Round
    ) -> StreamRunner:
        feed = self.feeds[config.feed]
        return StreamRunner(
            config.key,
            IncrementalSignalProcessor(strategy, feed, ledger, self._cache, tiers=config.tiers),
            self.incidents,
            self._bus.emit,
            on_missed=self._missed,
            at_work=together.at_work,
            alarms=self.alarms,
        )

    def _work(self) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The work of each task, by its name. Ends the incidents of feeds and of a cache that are no longer used."""
        if self.streams:
            yield "digest", self._away.run
        yield from ((f"strategy {key}", each.run) for key, each in self.streams.items())
        if self.feeds:
            yield "follower", self._follower.run
        else:
            emit_each(self._bus.emit, self.incidents.only((), clock.now()))
        if self._cache is not None:
            yield "cache watchdog", partial(self._watch, self._cache)
        else:
            emit_each(self._bus.emit, self.incidents.without_cache(clock.now()))

    def is_followed(self, signal: Signal) -> bool:
        """True if the candles of a feed decide how a signal goes on."""
        return self._plan.source_of(signal) is not None

    def reasons(self) -> Iterator[Reason]:
        """Why strategies do not get their candles, or run without the cache. Any thread may call it."""
        now = clock.now()
        yield from self.incidents.reasons(now)
        behind: dict[str, list[str]] = {}
        for key, stream in self.streams.items():
            if stream.is_behind(now):
                behind.setdefault(stream.feed, []).append(key)
        for feed, keys in behind.items():
            yield Reason(f"feed {feed}: no answer for {named(keys)} since their candles closed", "stream-behind")
        if self._cache is not None and (trouble := self._cache.trouble) is not None:
            text = f"strategies run without the cache of their states: {trouble}"
            yield Reason(text, "cache-degraded")

    def lags(self, now: datetime) -> Mapping[str, timedelta]:
        """How far each feed is behind, for the series that is furthest behind; 0 for a feed that nothing needs now.

        Before the first candle of a series, it is the time for which the series has been needed.
        """
        places = {  # of a thousand strategies, most are at the same place
            (each.feed, each.series.timeframe, each.processor.watermark, self._began, each.last and each.last.forming)
            for each in self.streams.values()
        }
        places |= {
            (series.feed, series.timeframe, watermark, since, None)
            for series, watermark, since in self._follower.places()
        }
        found = dict.fromkeys(self.feeds, timedelta())
        for feed, timeframe, watermark, since, forming in places:
            calendar = self.feeds[feed].calendar
            behind = now - since if watermark is None else lag(watermark, calendar, timeframe, now, forming)
            found[feed] = max(found[feed], behind)
        return found

    def reports(self) -> tuple[StreamReport, ...]:
        """The report of each stream."""
        return tuple(_report_of(each, self._began) for each in self.streams.values())

    async def candles(self, signal: Signal) -> CandleHistory | None:
        """The candles up to a signal, with the periods of its strategy's averages; None if no feed has them.

        If no strategy here made the signal, they come from the feed that follows it. Raises FeedFailed.
        """
        feed, periods = self._feed_of(signal)
        if feed is None or signal.timeframe is None:
            return None
        later = max(0, (clock.now() - signal.known_at) // signal.timeframe.duration)
        limit = min(_MOST_CANDLES, CANDLES + max(periods, default=0) + later + 1)
        fetched = await feed.fetch(signal.pair, signal.timeframe, limit=limit)
        return CandleHistory(fetched.candles, periods)

    def _feed_of(self, signal: Signal) -> tuple[Feed | None, tuple[int, ...]]:
        """The feed of a signal's candles, and the periods of its strategy's averages."""
        made_by = (signal.strategy_name, signal.pair, signal.timeframe)
        for stream in self.streams.values():
            config = stream.processor.strategy.config
            if (config.strategy_name, config.pair, config.timeframe) == made_by:
                averages = (getattr(config, "fast", None), getattr(config, "slow", None))
                return stream.processor.feed, tuple(each for each in averages if isinstance(each, int))
        return (None if self._others is None else self.feeds[self._others]), ()

    async def end(self, timeout: float = CLOSE_WITHIN) -> float:
        """Stop the strategies, close the cache and the feeds, and return the seconds this took. Repeats do nothing.

        A feed that does not close within the timeout, at least 1 second and at most 5, is abandoned.
        """
        loop = asyncio.get_running_loop()
        began, within = loop.time(), max(_LEAST_TO_CLOSE, min(timeout, CLOSE_WITHIN))
        tasks, self._tasks = self._tasks, []
        self._bus.unsubscribe(self._follower.listen)
        self._bus.unsubscribe(self._listen)
        if tasks:
            await asyncio.gather(*(task.end() for task in tasks))
            if self.streams:
                await self._away.close()
            if self._cache is not None:
                await self._cache.close()
            await asyncio.gather(*(feed.close(within) for feed in self._made.values()))
        return loop.time() - began

    async def _watch(self, cache: RoundCache) -> None:
        """Report that the cache stays behind the store, and that it has caught up."""
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            emit_each(self._bus.emit, self.incidents.cached(cache.closes_behind, cache.trouble, clock.now()))

    @hears(StoreMoved)
    def _listen(self, event: Event) -> None:
        """Run the strategies that wait for the store as soon as it works again."""
        if isinstance(event, StoreMoved) and event.is_well:
            for stream in self.streams.values():
                stream.store_works()

    def _missed(self, since: datetime | None) -> None:
        self._away.missed(self._was_alive_at if since is None else since)


def candles_of(config: Config, market: Callable[[], Market | None]) -> CandleSource | None:
    """The source of candles for charts; None if no feed is used. It has no candles until `market` returns a Market."""

    async def candles(signal: Signal) -> CandleHistory | None:
        running = market()
        return None if running is None else await running.candles(signal)

    return candles if config.strategies or config.follow is not None else None


def _feeds_of(config: Config) -> dict[str, BoundedFeed]:
    kinds = {each.name: each.kind for each in config.feeds}
    return {
        name: BoundedFeed(feed if kinds[name] in FEEDS else IsolatedFeed(feed))
        for name, feed in make_feeds(config.feeds).items()
    }


def _cache_of(config: Config, streams: list[str], together: Round) -> RoundCache | None:
    if config.redis_url is None or not streams:
        return None
    from signalpost.trading.redis_cache import RedisCache  # an extra

    return RoundCache(RedisCache(config.redis_url, str(config.home)), streams, together)


def _plan_of(config: Config, strategies: Sequence[LiveStrategy]) -> FollowPlan:
    """The candles by which signals are followed: those of `[follow]`, or the strategy's own if these are finer."""
    candles = {}
    for each, strategy in zip(config.strategies, strategies, strict=True):
        key = StreamKey(strategy.config.strategy_name, each.pair, each.timeframe)
        own = Candles(each.feed, each.timeframe)
        finest = min(config.follow or own, own, key=lambda candles: candles.timeframe.duration)
        candles[key] = finest if each.follow else None
    return FollowPlan(config.follow, candles)


def _report_of(stream: StreamRunner, began: datetime) -> StreamReport:
    hits = stream.states_from[StateFrom.CACHE]
    return StreamReport(
        key=stream.key,
        warm=stream.processor.is_warm,
        state_from=stream.state_from,
        candles_read=0 if stream.last is None else stream.last.candles_read,
        hits=hits,
        misses=stream.states_from.total() - hits,
        rebuilt=stream.rebuilt,
        needed_since=began,
        forming=None if stream.last is None else stream.last.forming,
    )
