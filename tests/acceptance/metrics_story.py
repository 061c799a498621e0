"""A story that moves every metric, with scrapes of it.

A real service delivers to the sandbox and runs a strategy. A few rare events are emitted on its bus instead.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from signalpost import (
    Alert,
    Announcement,
    AsyncNotificationService,
    Candle,
    Config,
    Delivery,
    DeliveryState,
    NotificationPriority,
    Outcome,
    Signal,
    SystemStatus,
    Ticket,
    clock,
)
from signalpost.config import DestinationConfig, FeedConfig, StrategyConfig
from signalpost.delivery.outbox.commands import Put
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain import events
from signalpost.domain.delivery import DeliveryId
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState
from signalpost.domain.notification import Notification
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import StoreFailed
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from signalpost.telemetry.log_queue import logger
from signalpost.testing.log_lines import flush_log
from signalpost.trading.calendar import ALWAYS, FX, Calendar
from signalpost.trading.feeds.port import Fetched
from signalpost.trading.watchdogs import FeedAnswer
from signalpost.web.auth import TokenAuth
from signalpost.web.server import HttpServer
from signalpost.web.service_api import ServiceApi
from signalpost.web.tokens import TokensFile
from tests.unit.service.conftest import emit, run_of

Labels = frozenset[tuple[str, str]]
Scraped = dict[tuple[str, Labels], float]
UNREACHABLE = "community"
HOUR = timedelta(hours=1)
NAMES = ("signals-free", "signals-premium", "alerts-critical", "alerts-general", "system-status")
TOKEN = "a-token-that-nobody-may-see"
PATIENCE = 300.0
"""Seconds, in which even a busy machine delivers a few messages."""


class Candles:
    """A feed that answers with a list."""

    every: ClassVar[list[Candle]] = []

    def __init__(self, *, name: str, calendar: Calendar) -> None:
        self.name, self.calendar = name, calendar

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        return Fetched(tuple(self.every))

    quotes = fetch

    async def close(self) -> None: ...


class Cache:
    """A cache in memory, which lasts longer than a service."""

    trouble: ClassVar[str | None] = None
    states: ClassVar[dict[str, StreamState]] = {}

    def __init__(self, *_: object) -> None: ...

    async def read(self, streams: Sequence[str]) -> dict[str, StreamState]:
        return {name: self.states[name] for name in streams if name in self.states}

    async def write(self, states: Iterable[StreamState]) -> None:
        self.states.update((each.stream, each) for each in states)

    async def close(self) -> None: ...


def candles(*closes: str | None) -> list[Candle]:
    """Hourly candles, of which the last has just closed; None for a gap. The first is flat."""
    first = Timeframe("H1").candle_open(clock.now()) - 5 * HOUR
    return [
        Candle(time=first + place * HOUR, open=close, high=close if place == 0 else "1.9", low=close, close=close)
        for place, close in enumerate(closes)
        if close is not None
    ]


class Story:
    """A service, and the scrapes of its metrics."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox = sandbox
        self.scrapes: list[Scraped] = []
        self.texts: list[str] = []
        self.taken: list[Notification] = []
        """What the services accepted."""
        destinations = tuple(
            DestinationConfig(name, Secret(f"{sandbox.webhook(name).rpartition('/')[0]}/{TOKEN}"), NOTHING_ASSUMED)
            for name in NAMES
        )
        nobody = Secret(f"http://127.0.0.1:1/api/webhooks/1/{TOKEN}")
        destinations += (DestinationConfig(UNREACHABLE, nobody, NOTHING_ASSUMED),)
        strategy = StrategyConfig.of(
            {"pair": "EUR_USD", "timeframe": "H1", "fast": 1, "slow": 2, "atr_period": 2, "feed": "files"}
        )
        self.config = Config(
            home=home,
            destinations=destinations,
            host_rate=None,
            feeds=(FeedConfig("files", f"{__name__}:Candles", ALWAYS),),
            strategies=(strategy,),
            redis_url=Secret("redis://:SECRET@127.0.0.1:1/0"),
        )

    @asynccontextmanager
    async def run(self, **changes: Any) -> AsyncIterator[AsyncNotificationService]:
        """A service whose strategy has looked at its candles."""
        config = msgspec.structs.replace(self.config, **changes)
        async with AsyncNotificationService(config, listeners=[self._note]) as service:
            market = run_of(service).market
            for stream in () if market is None else market.streams.values():
                while stream.last is None:
                    await asyncio.sleep(0.01)
            yield service

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.Taken):
            self.taken.append(event.notification)

    async def scrape(self, service: AsyncNotificationService) -> Scraped:
        """Scrape a service over HTTP."""
        api = ServiceApi(service)
        server = HttpServer(api, TokenAuth(TokensFile(self.config.home), api.rank_by_tier))
        await server.start()
        async with ClientSession() as session, session.get(f"{server.url}/metrics") as answer:
            text = await answer.text()
        await server.stop()
        found = {
            (sample.name.removeprefix("signalpost_"), frozenset(sample.labels.items())): sample.value
            for metric in text_string_to_metric_families(text)
            for sample in metric.samples
        }
        self.scrapes.append(found)
        self.texts.append(text)
        return found

    def fault(self, webhook: str, status: int = 0, **facts: Any) -> None:
        """Plan faults of the sandbox. They process no request, unless `is_processed` says so."""
        answer = usual_answer(status, retry_after=0.5) if status else None
        self.sandbox.discord.faults.plan(Fault(webhook, answer=answer, **{"is_processed": False, **facts}))


def signal(**fields: Any) -> Signal:
    usual = {"pair": "GBPUSD", "timeframe": "H4", "signal_type": "BUY", "entry_price": "1.3", "stop_loss": "1.2"}
    return Signal(**{**usual, "timestamp": clock.now().replace(microsecond=0), **fields})


def alert(severity: str = "critical", **fields: Any) -> Alert:
    return Alert(**{"alert_type": "feed", "severity": severity, "title": "TITLE", **fields})


async def candles_story(story: Story) -> None:
    """A strategy has no candles, begins, goes on from the cache, and then with other settings."""
    Candles.every = []
    async with story.run() as service:
        await story.scrape(service)
    first, *rest = candles("1.5", None, "1.4", "1.3", "1.4")
    Candles.every = [first, first, *rest[:2]]
    async with story.run() as service:
        await story.scrape(service)
    late = first.but(time=first.time - 9 * HOUR)
    Candles.every = [late, first, rest[0], rest[1].but(high="1.95"), rest[2]]
    async with story.run() as service:
        await service.drain(PATIENCE)
        await story.scrape(service)
    async with story.run(feeds=(FeedConfig("files", f"{__name__}:Candles", FX),)) as service:
        await story.scrape(service)


async def until_open(service: AsyncNotificationService, name: str) -> None:
    while not run_of(service).engine.gates[name].is_open:
        await asyncio.sleep(0.01)


async def deliveries_story(story: Story, service: AsyncNotificationService) -> None:
    """Messages of every priority, and every end that an answer of Discord can bring."""
    for priority in NotificationPriority:
        await service.queue_notification(SystemStatus(status="up", status_id=str(priority)), priority)
    opened = signal()
    assert (await service.queue_notification(opened)).outcome is Outcome.ACCEPTED
    assert (await service.queue_notification(opened)).outcome is Outcome.DUPLICATE
    story.fault("signals-free", 429)
    story.fault("alerts-general", 400)
    story.fault("signals-premium", is_processed=True, is_cut=True, times=2)
    await service.queue_notification(alert("medium"))
    await service.queue_notification(signal(signal_type="SELL", stop_loss="1.4"), user_tier="premium")
    assert await service.drain(PATIENCE) == []
    for note in ("one", "two", "three"):
        await service.update_signal(opened, note=note)
    assert await service.drain(PATIENCE) == []


async def outage_story(story: Story, service: AsyncNotificationService) -> None:
    """A destination fails until its breaker opens, and recovers."""
    story.fault("alerts-critical", 503, times=100)
    for number in range(8):
        await service.queue_notification(alert(alert_id=str(number)))
    await until_open(service, "alerts-critical")
    soon = clock.now() + timedelta(seconds=0.2)
    await service.queue_notification(alert(alert_id="expires", valid_until=soon))
    await story.scrape(service)
    story.sandbox.discord.faults.clear()
    assert await service.drain(PATIENCE) == []
    await story.scrape(service)


async def gone_story(story: Story, service: AsyncNotificationService) -> None:
    """A webhook is deleted, another is limited for minutes, and the host of a third does not answer."""
    await service.queue_notification(Announcement(title="TITLE", text="TEXT"))
    story.sandbox.discord.guild.delete("signals-free")
    await service.queue_notification(signal(pair="USDJPY", entry_price="150", stop_loss="149"))
    story.sandbox.discord.faults.plan(Fault("system-status", answer=usual_answer(429, 300.0), is_processed=False))
    await service.queue_notification(SystemStatus(status="down"))
    market, since = run_of(service).market, clock.now() - timedelta(seconds=30)
    assert market is not None
    (key, stream), incidents = *market.streams.items(), market.incidents
    assert not [*incidents.feed_failed(stream.series, key, "SECRET", since)]
    assert [*incidents.strategy_failed(stream.feed, key, "SECRET", 1, since)]
    Cache.trouble = "SECRET"
    hour = stream.series.timeframe.candle_open(since)
    answer = partial(FeedAnswer, stream.series, "SECRET", ALWAYS)
    late = answer(hour - 2 * HOUR, None, hour + HOUR / 2), answer(hour - HOUR, hour - HOUR, hour + HOUR * 0.6)
    began = [
        event for each in (*late, answer(hour - HOUR, None, hour + 9 * HOUR)) for event in incidents.answered(each)
    ]
    assert len(began) == 2, "half an hour late, and silent for hours"
    gates = run_of(service).engine.gates
    while gates["signals-free"].gone is None or gates["system-status"].pacer.paused_for(_time()) is None:
        await asyncio.sleep(0.01)
    while not service.get_metrics()["attempts_unavailable"]:
        await asyncio.sleep(0.01)
    found = await story.scrape(service)
    assert found["health_status", frozenset({("status", "degraded")})] == 1


def _time() -> float:
    return asyncio.get_running_loop().time()


async def store_story(story: Story, service: AsyncNotificationService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store hangs, and then fails."""
    outbox, do = run_of(service).outbox, run_of(service).outbox.do
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    hanging = asyncio.create_task(outbox.call(lambda: asyncio.run_coroutine_threadsafe(release.wait(), loop).result()))
    await asyncio.sleep(0)
    found = await story.scrape(service)
    assert found["oldest_command_s", frozenset()] >= 1
    assert ("open_deliveries", frozenset({("destination", "signals-free")})) not in found
    release.set()
    await hanging

    async def failing(command: Any) -> Any:
        if isinstance(command, Put):
            raise StoreFailed("locked", code="locked")
        return await do(command)

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "do", failing)
        assert (await service.queue_notification(alert("low"))).outcome is Outcome.HELD
        found = await story.scrape(service)
        assert found["health_status", frozenset({("status", "unhealthy")})] == 1


async def rare_story(story: Story, service: AsyncNotificationService, notification: Notification) -> None:
    """Events that take frozen processes, damaged disks or days to bring about."""
    name, low = "alerts-general", NotificationPriority.LOW
    for priority in NotificationPriority:
        for state in (each for each in DeliveryState if each.is_terminal):
            ended = Delivery(DeliveryId("1", name), state, priority, 0, "s", notification.valid_until)
            emit(service, events.Settled(ended))
    damaged = Delivery(DeliveryId("1", name), DeliveryState.DEAD, low, 0, "s", notification.valid_until)
    emit(
        service,
        *(events.Taken(Ticket(outcome, ""), notification, ()) for outcome in Outcome),
        *(
            events.SendEnded(name, each, "SECRET", 0.1)
            for each in ("cardlost", "unwanted", "unchanged", "lapsed", "Own")
        ),
        events.BreakerMoved(name, "half-open", "open"),
        events.RowDamaged(damaged, was_open=False),
        events.ClockStepped(60.0),
        events.TookOver(NAMES),
        events.OwnershipLost(1),
        events.WorkerFailed("sender", "KeyError", "SECRET"),
        events.ChartEnded(name, "s"),
        events.ChartEnded(name, "s", "SECRET"),
    )
    await story.scrape(service)


class Broken(logging.Handler):
    """A handler of the log that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        raise ValueError


async def log_story(story: Story, service: AsyncNotificationService) -> None:
    """A line of the log is lost."""
    broken = Broken()
    logging.getLogger("signalpost").addHandler(broken)
    logger.error("lost")
    flush_log()
    logging.getLogger("signalpost").removeHandler(broken)
    await story.scrape(service)


async def half_open(service: AsyncNotificationService, story: Story) -> None:
    """A breaker lets one message through, which hangs."""
    story.fault("alerts-general", 503, times=100)
    for number in range(8):
        await service.queue_notification(alert("medium", alert_id=f"half {number}"))
    await until_open(service, "alerts-general")
    story.sandbox.discord.faults.clear()
    story.fault("alerts-general", method="POST", seconds_before=30.0)
    while not run_of(service).engine.gates["alerts-general"].is_on_trial:
        await asyncio.sleep(0.01)
    await story.scrape(service)
    story.sandbox.discord.faults.clear()


async def lived(home: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    """The story, from the first start to the end."""
    async with Sandbox(limits=OFF, open=True) as sandbox:
        story = Story(sandbox, home)
        await candles_story(story)
        async with story.run() as service:
            await deliveries_story(story, service)
            await outage_story(story, service)
            await half_open(service, story)
            await rare_story(story, service, story.taken[0])
            await log_story(story, service)
            await gone_story(story, service)
            await store_story(story, service, monkeypatch)
            async with story.run(destinations=(), strategies=(), feeds=()) as producer:
                await story.scrape(producer)
            await service.stop(0)
            await story.scrape(service)
        return story
