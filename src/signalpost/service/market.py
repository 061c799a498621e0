"""The strategies of a service while it owns its data folder, with their feeds and the cache of their states.

See docs/why/0035-the-strategy-lives.md.
"""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext

from signalpost import clock
from signalpost.config import Config
from signalpost.config.feeds import make_feeds
from signalpost.delivery.kept_task import KeptTask
from signalpost.domain.events import Listener
from signalpost.domain.ledger import Ledger
from signalpost.domain.reason import Reason
from signalpost.service.health_report import StreamReport
from signalpost.trading.feeds.bounded import BoundedFeed
from signalpost.trading.incidents import Incidents, named
from signalpost.trading.processor import IncrementalSignalProcessor, StateFrom
from signalpost.trading.round_cache import RoundCache
from signalpost.trading.runner import StreamRunner


class Market:
    """Runs all strategies of a configuration from the moment it is made until `end`. Belongs to the running loop.

    Raises InvalidConfiguration if a feed or the cache cannot be made.
    """

    def __init__(self, config: Config, ledger: Ledger, emit: Listener) -> None:
        used = {each.feed for each in config.strategies}
        feeds = make_feeds(each for each in config.feeds if each.name in used)
        self.feeds = {name: BoundedFeed(feed) for name, feed in feeds.items()}
        self.incidents = Incidents()
        strategies = [(each, each.make()) for each in config.strategies]
        self._cache = _cache_of(config, [strategy.config.stream for _, strategy in strategies])
        at_work = nullcontext if self._cache is None else self._cache.at_work
        self.streams: dict[str, StreamRunner] = {}
        for each, strategy in strategies:
            feed = self.feeds[each.feed]
            processor = IncrementalSignalProcessor(strategy, feed, ledger, self._cache, tiers=each.tiers)
            self.streams[each.key] = StreamRunner(each.key, processor, self.incidents, emit, at_work=at_work)
        self._tasks = [KeptTask(f"strategy {key}", each.run, emit) for key, each in self.streams.items()]

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
        if tasks:
            await asyncio.gather(*(task.end() for task in tasks))
            if self._cache is not None:
                await self._cache.close()
            await asyncio.gather(*(feed.close() for feed in self.feeds.values()))


def _cache_of(config: Config, streams: list[str]) -> RoundCache | None:
    if config.redis_url is None or not streams:
        return None
    from signalpost.trading.redis_cache import RedisCache  # an extra

    return RoundCache(RedisCache(config.redis_url, str(config.home)), streams)


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
