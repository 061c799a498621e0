"""Collects the metrics of a running service for a scrape, without waiting long for a store that hangs."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from signalpost import __version__, clock
from signalpost.delivery.outbox.backlog import Backlog, LaneBacklog
from signalpost.delivery.pacing.breaker import BreakerState
from signalpost.domain.reason import Reason
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.service.health import Health, HealthStatus
from signalpost.service.runtime import Runtime
from signalpost.telemetry.families import Family, Kind, Labels, of_state
from signalpost.telemetry.metrics import families_of
from signalpost.trading.candle_rules import CandleRule

if TYPE_CHECKING:
    from signalpost.delivery.dispatch.gate import Gate
    from signalpost.service.market import Market
    from signalpost.service.run import Run

STORE_WITHIN = 1.0
"""Seconds for which a scrape waits for the store. Without an answer, the metrics of the backlog are missing."""


class Scrape:
    """Collects the metrics of a runtime, on its event loop."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._destinations = Labels(each.name for each in runtime.config.destinations)
        self._feeds = Labels(each.name for each in runtime.config.feeds)
        self._reading: asyncio.Task[Mapping[str, LaneBacklog]] | None = None

    async def families(self) -> Sequence[Family]:
        """All metrics. Takes a second at most, whatever the store does."""
        runtime = self._runtime
        run = runtime.run
        backlog = None if run is None else await self._backlog(run)
        found = [
            Family("build_info", Kind.GAUGE, "The version of signalpost.", ("version",), [((__version__,), 1)]),
            of_state("role", "Whether this process delivers.", "role", str(runtime.role), ("owner", "producer")),
            *_of_health(runtime.health()),
            *families_of(runtime.metrics()),
            *runtime.families(),
        ]
        if backlog is not None:
            found += self._of_backlog(backlog)
        if run is not None:
            found += self._of_gates(run.engine.gates, run.loop.time())
            if run.market is not None:
                found += self._of_market(run.market)
        return found

    async def _backlog(self, run: "Run") -> Mapping[str, LaneBacklog] | None:
        """Read the backlog; None if the store does not answer in time. At most one such command waits for the store."""
        reading = self._reading
        if reading is None or reading.done():
            reading = self._reading = asyncio.create_task(run.outbox.do(Backlog()), name="signalpost backlog")
            reading.add_done_callback(_retrieve)
        done, _ = await asyncio.wait((reading,), timeout=STORE_WITHIN)
        try:
            return reading.result() if done else None  # another scrape may have begun the next one
        except (StoreFailed, CommandFailed, StoreClosed, asyncio.CancelledError):
            return None

    def _of_backlog(self, backlog: Mapping[str, LaneBacklog]) -> Iterator[Family]:
        now = clock.now()
        depths = dict.fromkeys(((name,) for name in self._destinations.names), 0.0)
        ages = dict(depths)
        for name, (deliveries, oldest) in backlog.items():
            key = (self._destinations.of(name),)
            age = 0.0 if oldest is None else (now - oldest).total_seconds()
            depths[key] = depths.get(key, 0.0) + deliveries
            ages[key] = max(ages.get(key, 0.0), age)
        yield _of_destinations("open_deliveries", "Open deliveries, also of other runs.", depths)
        text = "Seconds since the oldest open delivery was accepted; 0 if none is open."
        yield _of_destinations("oldest_delivery_seconds", text, ages)

    def _of_gates(self, gates: "Mapping[str, Gate]", now: float) -> Iterator[Family]:
        known = [(name, gates[name]) for name in self._destinations.names if name in gates]
        states = {(name, str(each)): gate.breaker.state is each for name, gate in known for each in BreakerState}
        failing = {(name,): gate.breaker.is_failing for name, gate in known}
        gone = {(name,): gate.gone is not None for name, gate in known}
        pauses = {(name,): gate.pacer.paused_for(now) for name, gate in known}
        paused = {key: 0.0 if pause is None else pause.seconds for key, pause in pauses.items()}
        text = "1 for the present state of a breaker."
        yield Family("circuit_breaker_state", Kind.GAUGE, text, ("destination", "state"), states.items())
        yield _of_destinations("destination_failing", "1 while messages fail, as far as is known.", failing)
        yield _of_destinations("destination_disabled", "1 if the webhook no longer exists.", gone)
        text = "Seconds for which sending is still paused by a rate limit or too many rejections."
        yield _of_destinations("destination_paused_seconds", text, paused)

    def _of_market(self, market: "Market") -> Iterator[Family]:
        lags, unusual = dict[tuple[str, ...], float](), Counter[str]()
        for stream in market.streams.values():
            unusual.update(stream.counts)
        for feed, behind in market.lags(clock.now()).items():
            key = (self._feeds.of(feed),)
            lags[key] = max(lags.get(key, 0.0), behind.total_seconds())
        text = "Seconds since the first missing candle should have closed, for the series that is furthest behind."
        yield Family("feed_lag_seconds", Kind.GAUGE, text, ("feed",), lags.items())
        text = "Unusual candles, by the rule that was applied."
        yield Family(
            "unusual_candles", Kind.COUNTER, text, ("rule",), [((each,), unusual[each]) for each in CandleRule]
        )
        reports = market.reports()
        for name, text, count in (
            ("hits", "States of strategies that were read from the cache.", sum(each.hits for each in reports)),
            ("misses", "States of strategies that were not in the cache.", sum(each.misses for each in reports)),
            ("rebuilt", "Saved states that could not be used.", sum(each.rebuilt for each in reports)),
        ):
            yield Family(f"cache_{name}", Kind.COUNTER, text, (), [((), count)])


def _of_destinations(name: str, text: str, values: Mapping[tuple[str], float]) -> Family:
    return Family(name, Kind.GAUGE, text, ("destination",), values.items())


def _of_health(health: Health) -> Iterator[Family]:
    text = "1 for the present status."
    yield of_state("health_status", text, "status", str(health.status), [str(each) for each in HealthStatus])
    codes = Counter(each.code for each in health.reasons if isinstance(each, Reason))
    text = "Reasons why the service is not healthy."
    yield Family("health_reasons", Kind.GAUGE, text, ("code",), [((code,), count) for code, count in codes.items()])


def _retrieve(task: "asyncio.Task[Mapping[str, LaneBacklog]]") -> None:
    """Retrieve the error of an abandoned command, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
