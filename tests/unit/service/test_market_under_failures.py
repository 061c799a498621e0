"""A cache that stays behind, a feed that blocks, a store that was unavailable: each delays nothing else."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from signalpost import AsyncNotificationService, Candle, Config, clock
from signalpost.config import FeedConfig
from signalpost.domain.events import CandlesTaken, Event, IncidentBegan, IncidentEnded, StoreMoved
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import StoreFailed
from signalpost.secret import Secret
from signalpost.service.market import Market
from signalpost.telemetry.bus import Bus
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.calendar import ALWAYS, Calendar
from signalpost.trading.feeds import FEEDS
from signalpost.trading.feeds.port import Fetched
from tests.unit.delivery.intake_harness import IntakeHarness
from tests.unit.service.conftest import ConfigFor, run_of
from tests.unit.service.test_market import strategy, write


class Punctual:
    """A feed whose candles are in as soon as they have closed."""

    def __init__(self, *, name: str, calendar: Calendar) -> None:
        self.name, self.calendar = name, calendar

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        forming = timeframe.candle_open(clock.now())
        opens = (forming - place * timeframe.duration for place in range(5, 0, -1))
        shown = [Candle(time=at, open=1, high=1, low=1, close=1) for at in opens if since is None or at >= since]
        return Fetched(tuple(shown), forming)

    quotes = fetch

    async def close(self) -> None: ...


class Refusing:
    """A cache that can refuse to save."""

    trouble: str | None = None
    refuses = True

    def __init__(self, *_: object) -> None: ...

    async def read(self, streams: Sequence[str]) -> dict[str, StreamState]:
        return {}

    async def write(self, states: object) -> None:
        self.trouble = "Redis is read-only" if self.refuses else None

    async def close(self) -> None: ...


def test_a_cache_that_stays_behind_the_store_is_alerted_once_until_it_has_caught_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signalpost.trading.redis_cache.RedisCache", Refusing)
    monkeypatch.setattr(Refusing, "refuses", True)
    monkeypatch.setitem(FEEDS, "punctual", f"{__name__}:Punctual")  # an own class would run in a thread

    async def main() -> None:
        events: list[Event] = []
        feeds = (FeedConfig("files", "punctual", ALWAYS),)
        url = Secret("redis://127.0.0.1:1/0")
        config = Config(home=Path(), feeds=feeds, strategies=(strategy(timeframe="M1"),), redis_url=url)
        market = Market(config, IntakeHarness().intake, Bus((), [events.append]))
        await asyncio.sleep(100)
        assert {type(each) for each in events} == {CandlesTaken}
        assert [each.code for each in market.reasons()] == ["cache-degraded"]
        await asyncio.sleep(100)
        (began,) = (each for each in events if isinstance(each, IncidentBegan))
        assert (began.kind, began.name, began.feed) == ("cache", "cache", "cache")
        monkeypatch.setattr(Refusing, "refuses", False)
        await asyncio.sleep(100)
        assert [each.incident for each in events if isinstance(each, IncidentEnded)] == [began]
        await market.end()
        without = msgspec.structs.replace(config, redis_url=None)
        await Market(without, IntakeHarness().intake, Bus((), [events.append]), None, [began]).end()
        assert [each.is_unused for each in events if isinstance(each, IncidentEnded)] == [False, True]

    run_virtual(main())


class Blocking(Punctual):
    """A feed that blocks until the test is over."""

    is_over = threading.Event()
    has_begun = threading.Event()

    async def fetch(self, *_: object, **__: object) -> Fetched:
        self.has_begun.set()
        self.is_over.wait()
        return Fetched(())


async def test_a_custom_feed_that_blocks_delays_neither_a_stop_nor_the_streams_of_other_feeds(
    config_for: ConfigFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("signalpost.service.market._LEAST_TO_CLOSE", 0.05)
    write(tmp_path / "candles", 3)
    files = FeedConfig("files", "folder", ALWAYS, {"path": tmp_path / "candles"})
    feeds = (files, FeedConfig("own", f"{__name__}:Blocking", ALWAYS))
    strategies = (strategy(), strategy("GBP_USD", feed="own"))
    service = AsyncNotificationService(msgspec.structs.replace(config_for(), feeds=feeds, strategies=strategies))
    try:
        await service.start()
        market = run_of(service).market
        assert market is not None
        async with asyncio.timeout(20):
            while market.streams["EUR_USD_H1"].last is None or not Blocking.has_begun.is_set():
                await asyncio.sleep(0)
            await service.stop(0)
    finally:
        Blocking.is_over.set()
    assert [each.args[0] for each in caplog.records if isinstance(each.args, tuple) and each.args] == ["own"]


def test_the_strategies_go_on_when_the_store_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEEDS, "punctual", f"{__name__}:Punctual")  # an own class would run in a thread

    async def main() -> None:
        feeds = (FeedConfig("files", "punctual", ALWAYS),)
        harness, bus = IntakeHarness(), Bus()
        market = Market(Config(home=Path(), feeds=feeds, strategies=(strategy(timeframe="M1"),)), harness.intake, bus)
        (stream,) = market.streams.values()
        with monkeypatch.context() as full:
            full.setattr(harness.intake, "commit", _fails)
            await asyncio.sleep(300)
        assert stream.last is None
        bus.emit(StoreMoved(is_well=False, reason="full"))
        await asyncio.sleep(0.1)
        assert stream.last is None
        bus.emit(StoreMoved(is_well=True))
        await asyncio.sleep(0.5)
        assert stream.last is not None
        await market.end()
        assert not bus._subscribed

    run_virtual(main())


async def _fails(*_: object, **__: object) -> None:
    raise StoreFailed("the disk is full")
