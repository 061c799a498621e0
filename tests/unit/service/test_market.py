"""The strategies of a service: they run while it owns the folder, and health says what they lack."""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, Signal, clock
from signalpost.config import FeedConfig, StrategyConfig
from signalpost.config.feeds import Candles
from signalpost.domain.digest import Digest
from signalpost.domain.events import Event, IncidentBegan, IncidentEnded, Taken
from signalpost.domain.instrument import Instrument
from signalpost.domain.reason import Reason
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, InvalidConfiguration
from signalpost.secret import Secret
from signalpost.service.health_report import StreamReport, read_report, report_of
from signalpost.service.market import Market, candles_of
from signalpost.sinks.discord.chart import CANDLES
from signalpost.telemetry.bus import Bus
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.calendar import ALWAYS, Calendar
from signalpost.trading.feeds import FEEDS
from signalpost.trading.feeds.bounded import BoundedFeed
from signalpost.trading.feeds.port import Fetched
from tests.candles_before import candles_until
from tests.unit.delivery.intake_harness import IntakeHarness
from tests.unit.service.conftest import ConfigFor, run_of, signal

HOUR = timedelta(hours=1)
TICK = Decimal("0.001")
PRICES = ("1.5", "1.4", "1.3", "1.4")
"""The last of these crosses up."""


class Deaf:
    """A feed that fails for one pair, and hangs for another."""

    def __init__(self, *, name: str, calendar: Calendar) -> None:
        self.name, self.calendar = name, calendar

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        if pair == "EUR_USD":
            raise FeedFailed("code 503", code="unavailable")
        if pair == "GBP_USD":
            await asyncio.Event().wait()
        return Fetched(())

    quotes = fetch

    async def close(self) -> None: ...


def strategy(pair: str = "EUR_USD", **settings: Any) -> StrategyConfig:
    return StrategyConfig.of(
        {"pair": pair, "timeframe": "H1", "fast": 1, "slow": 2, "atr_period": 2, "feed": "files", **settings}
    )


def write(folder: Path, count: int) -> None:
    """The last candles, of which `count` are in the file."""
    first = Timeframe("H1").candle_open(clock.now()) - len(PRICES) * HOUR
    rows = [
        f"{first + place * HOUR:%Y-%m-%dT%H:%M:%SZ},{close},{Decimal(close) + TICK},{Decimal(close) - TICK},{close}\n"
        for place, close in enumerate(PRICES[:count])
    ]
    folder.mkdir(exist_ok=True)
    (folder / "EUR_USD_H1.csv").write_text("time,open,high,low,close\n" + "".join(rows), encoding="utf-8")


@pytest.fixture
def config(config_for: ConfigFor, tmp_path: Path) -> Config:
    feeds = (FeedConfig("files", "folder", ALWAYS, {"path": tmp_path / "candles"}),)
    return msgspec.structs.replace(config_for(), feeds=feeds, strategies=(strategy(tiers=["premium", "free"]),))


async def running(config: Config, is_done: Callable[[Event | AsyncNotificationService], bool]) -> list[Event]:
    """The events of a service that runs until an event, or the service after one, is what is waited for."""
    events: list[Event] = []
    done = asyncio.Event()

    def listen(event: Event) -> None:
        events.append(event)
        if is_done(event):
            done.set()

    async with asyncio.timeout(20), AsyncNotificationService(config, listeners=[listen]) as service:
        market = run_of(service).market
        assert market is not None
        (stream,) = market.streams.values()
        while stream.last is None:
            await asyncio.sleep(0)
        if not is_done(service):
            await done.wait()
        await service.drain(5)
    return events


async def test_an_embedded_service_runs_the_strategies_and_continues_after_a_restart(
    config: Config, tmp_path: Path
) -> None:
    write(tmp_path / "candles", 3)
    first = await running(config, lambda each: isinstance(each, AsyncNotificationService))
    assert not [each for each in first if isinstance(each, Taken)]
    write(tmp_path / "candles", 4)
    events = await running(config, lambda each: isinstance(each, Taken))
    taken = [each for each in events if isinstance(each, Taken)]
    assert [(each.notification.user_tier, each.destinations) for each in taken] == [
        ("premium", ("signals-premium",)),
        ("free", ("signals-free",)),
    ]
    report = read_report(report_of(config.home / "outbox.db"))
    assert report is not None
    assert [(each.key, each.state_from) for each in report.strategies] in (
        [("EUR_USD_H1", "store")],
        [("EUR_USD_H1", None)],
    )


async def test_signals_that_are_too_old_are_reported_once_in_each_destination(config: Config, tmp_path: Path) -> None:
    write(tmp_path / "candles", 3)
    await running(config, lambda each: isinstance(each, AsyncNotificationService))
    report = report_of(config.home / "outbox.db")
    was_alive_at = clock.now() - 3 * HOUR
    write(tmp_path / "candles", 4)
    os.utime(report, (was_alive_at.timestamp(), was_alive_at.timestamp()))
    with ManualClock(clock.now() + 2 * HOUR):
        events = await running(config, lambda each: isinstance(each, AsyncNotificationService))
    digests = [each.notification for each in events if isinstance(each, Taken) and each.notification.kind == "digest"]
    assert [(each.payload.destination, each.user_tier) for each in digests if isinstance(each.payload, Digest)] == [
        ("signals-premium", "premium"),
        ("signals-free", "free"),
    ]
    (first, second) = (each.payload for each in digests)
    assert isinstance(first, Digest)
    assert isinstance(second, Digest)
    assert [(each.number, each.pair, each.side) for each in first.signals] == [(1, "EUR_USD", "BUY")]
    assert abs(first.since - was_alive_at) < timedelta(milliseconds=1)
    assert first.signals == second.signals


async def test_health_says_that_the_cache_does_not_work(config: Config, tmp_path: Path) -> None:
    write(tmp_path / "candles", 3)
    nowhere = msgspec.structs.replace(config, redis_url=Secret("redis://:a-password@127.0.0.1:1/0"))
    async with asyncio.timeout(20), AsyncNotificationService(nowhere) as service:
        market = run_of(service).market
        assert market is not None
        while market.streams["EUR_USD_H1"].last is None:
            await asyncio.sleep(0)
        found = [each for each in service.health().reasons if isinstance(each, Reason)]
    assert [each.code for each in found] == ["cache-degraded"]
    assert "a-password" not in str(found)


async def test_a_producer_runs_no_strategies(config: Config, tmp_path: Path) -> None:
    write(tmp_path / "candles", 3)
    async with AsyncNotificationService(msgspec.structs.replace(config, destinations=())) as service:
        assert run_of(service).market is None


@pytest.mark.parametrize("uses", [True, False])
async def test_a_feed_that_cannot_be_made_is_an_error_of_the_start_even_if_nothing_uses_it(
    config: Config, uses: bool
) -> None:
    feed = FeedConfig("files" if uses else "unused", "no.module:Feed")
    broken = msgspec.structs.replace(config, feeds=(feed,) if uses else (*config.feeds, feed))
    with pytest.raises(InvalidConfiguration) as raised:
        await AsyncNotificationService(broken).start()
    assert [each.field for each in raised.value.errors] == [f"feeds.{feed.name}.kind"]


def test_health_names_feeds_that_fail_and_streams_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEEDS, "deaf", f"{__name__}:Deaf")  # an own class would run in a thread

    async def main() -> None:
        events: list[Event] = []
        config = Config(
            home=Path(),
            feeds=(FeedConfig("files", "deaf", ALWAYS), FeedConfig("unused", "deaf")),
            strategies=tuple(strategy(pair) for pair in ("EUR_USD", "GBP_USD", "USD_JPY")),
        )
        market = Market(config, IntakeHarness().intake, Bus((), [events.append]))
        await asyncio.sleep(25)
        assert [each.code for each in market.reasons()] == ["feed-failed", "stream-behind"]
        now, report = clock.now(), market.reports()[2]
        assert report == StreamReport("USD_JPY_H1", False, "origin", 0, 0, 3, 0, now - timedelta(seconds=25))
        assert market.lags(now) == {"files": timedelta(seconds=25)}
        await asyncio.sleep(60)
        assert [type(each) for each in events] == [IncidentBegan]
        await market.end()
        await market.end()

    run_virtual(main())


@pytest.mark.parametrize(
    ("follow", "of_strategy", "others"),
    [(None, True, False), (Candles("files", Timeframe("M1")), True, True)],
)
async def test_signals_are_followed_by_the_common_feed_and_those_of_strategies_by_their_own(
    config: Config, follow: Candles | None, of_strategy: bool, others: bool
) -> None:
    strategies = (*config.strategies, strategy("GBP_USD", follow=False))
    market = Market(
        msgspec.structs.replace(config, follow=follow, strategies=strategies), IntakeHarness().intake, Bus()
    )
    made = {"timeframe": "H1", "strategy_name": "MA Unified Strategy"}
    assert market.is_followed(signal(**made)) is of_strategy
    assert market.is_followed(signal(timeframe="H1")) is others
    assert not market.is_followed(signal(**made, pair="GBP_USD"))
    await market.end()


@pytest.mark.parametrize(("of_all", "follows"), [("M1", "M1"), ("H1", "H1"), ("H4", "H1"), (None, "H1")])
async def test_a_strategys_signals_are_followed_by_the_finest_candles(
    config: Config, of_all: str | None, follows: str
) -> None:
    follow = None if of_all is None else Candles("files", Timeframe(of_all))
    market = Market(msgspec.structs.replace(config, follow=follow), IntakeHarness().intake, Bus())
    source = market._plan.source_of(signal(timeframe="H1", strategy_name="MA Unified Strategy"))
    assert source is not None
    assert source.timeframe == follows
    await market.end()


async def test_an_incident_outlives_a_restart_and_ends_when_the_feed_works_or_is_not_used_any_more(
    config: Config, tmp_path: Path
) -> None:
    write(tmp_path / "candles", 3)
    incidents = [
        IncidentBegan("feed", name, AlertSeverity.HIGH, name, "code 503", clock.now()) for name in ("files", "gone")
    ]

    async def restarted(began: Sequence[IncidentBegan], used: Config) -> list[tuple[str, bool]]:
        events: list[Event] = []
        async with AsyncNotificationService(used, listeners=[events.append]) as service:
            for each in began:
                run_of(service)._alerts(each)
            await asyncio.sleep(0.2)
            await service.drain(5)
        return [(each.incident.name, each.is_unused) for each in events if isinstance(each, IncidentEnded)]

    unused = msgspec.structs.replace(config, strategies=())
    assert await restarted(incidents[1:], config) == []
    assert await restarted(incidents[:1], config) == [("gone", True)]
    assert await restarted([], config) == [("files", False)]
    assert await restarted(incidents[:1], unused) == []
    assert await restarted([], unused) == [("files", True)]
    assert await restarted([], unused) == []


async def test_without_strategies_nothing_is_missed(config: Config) -> None:
    follow = Candles("files", Timeframe("M1"))
    intake = IntakeHarness().intake
    market = Market(msgspec.structs.replace(config, strategies=(), follow=follow), intake, Bus())
    assert market.is_followed(signal())
    await market.end()
    assert await intake.load_state("digest of missed signals") is None


async def test_without_feeds_nothing_is_followed(config_for: ConfigFor) -> None:
    market = Market(config_for(), IntakeHarness().intake, bus := Bus())
    assert not market.is_followed(signal())
    await market.end()
    assert not bus._subscribed


class Plenty(Deaf):
    """A feed that has as many candles as are wanted."""

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        return Fetched(candles_until(CHARTED, limit))

    quotes = fetch


CHARTED = Signal(
    pair="EUR_USD",
    timeframe="H1",
    signal_type="BUY",
    entry_price="1.1",
    timestamp="2026-11-27T10:00:00Z",
    known_at="2026-11-27T11:00:00Z",
    strategy_name="MA Unified Strategy",
)


@pytest.mark.parametrize(
    ("other", "follow", "periods", "later"),
    [
        ({}, None, (1, 2), 0),
        ({"known_at": "2026-11-27T08:00:00Z", "timestamp": "2026-11-27T07:00:00Z"}, None, (1, 2), 3),
        ({"strategy_name": "Another"}, None, None, 0),
        ({"pair": "GBP_USD"}, None, None, 0),
        ({"timeframe": "H4"}, None, None, 0),
        ({"timeframe": "H4"}, Candles("files", Timeframe("M1")), (), 0),
        ({"timeframe": None}, Candles("files", Timeframe("M1")), None, 0),
    ],
)
async def test_the_candles_of_a_chart_come_from_its_strategy_or_the_common_feed(
    config: Config, other: dict[str, Any], follow: Candles | None, periods: tuple[int, ...] | None, later: int
) -> None:
    with ManualClock("2026-11-27T11:00:00Z"):
        market = Market(msgspec.structs.replace(config, follow=follow), IntakeHarness().intake, Bus())
        try:
            plenty = Plenty(name="files", calendar=ALWAYS)
            (stream,) = market.streams.values()
            stream.processor.feed = plenty
            market.feeds["files"] = BoundedFeed(plenty)
            made = await market.candles(CHARTED.but(**other))
        finally:
            await market.end()
    assert (None if made is None else made.periods) == periods
    if made is not None:
        assert len(made.candles) == CANDLES + max(made.periods, default=0) + later + 1


async def test_charts_have_candles_as_soon_as_the_strategies_run(config: Config) -> None:
    market: Market | None = None
    candles = candles_of(config, lambda: market)
    assert candles is not None
    assert await candles(CHARTED) is None
    assert candles_of(msgspec.structs.replace(config, strategies=()), lambda: market) is None
    market = Market(config, IntakeHarness().intake, Bus())
    try:
        assert await candles(CHARTED.but(pair="GBP_USD")) is None
    finally:
        await market.end()
