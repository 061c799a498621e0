"""How far feeds are behind: from the start on, and also those that only follow signals."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from signalpost import Config, clock
from signalpost.config import FeedConfig, StrategyConfig
from signalpost.config.feeds import Candles
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.service.market import Market
from signalpost.telemetry.bus import Bus
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.calendar import ALWAYS, Calendar
from signalpost.trading.feeds import FEEDS
from signalpost.trading.feeds.port import Fetched
from tests.candles_before import candles_until
from tests.unit.delivery.intake_harness import IntakeHarness
from tests.unit.service.follow_harness import M1, MINUTE, START, signal

SECOND = timedelta(seconds=1)
STRATEGY = {"pair": "EUR_USD", "timeframe": "M1", "fast": 1, "slow": 2, "atr_period": 2, "feed": "files"}


class Source:
    """A feed that fails, or answers with the candles that are closed now, or were at `frozen`."""

    fails: ClassVar[bool]
    frozen: ClassVar[datetime | None]
    shows_forming: ClassVar[bool]

    def __init__(self, *, name: str, calendar: Calendar) -> None:
        self.name, self.calendar = name, calendar

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        if self.fails:
            raise FeedFailed("code 503", code="unavailable")
        now = clock.now().replace(second=0)
        made = candles_until(signal(timestamp=(self.frozen or now) - MINUTE, known_at=self.frozen or now), 20)
        new = tuple(each for each in made if since is None or each.time >= since)
        return Fetched(new, now if self.shows_forming else None)

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[Any, ...]:
        return (await self.fetch(pair, timeframe, since=since)).mid_quotes(self.calendar, timeframe)

    async def close(self) -> None: ...


@pytest.fixture(autouse=True)
def source(monkeypatch: pytest.MonkeyPatch) -> type[Source]:
    monkeypatch.setitem(FEEDS, "source", f"{__name__}:Source")  # an own class would run in a thread
    Source.fails, Source.frozen, Source.shows_forming = False, None, False
    return Source


def market(intake: IntakeHarness, *strategies: dict[str, Any], follow: str | None = None) -> Market:
    config = Config(
        home=Path(),
        feeds=tuple(FeedConfig(name, "source", ALWAYS) for name in ("files", "other", "unused")),
        strategies=tuple(map(StrategyConfig.of, strategies)),
        follow=None if follow is None else Candles(follow, M1),
    )
    return Market(config, intake.intake, Bus())


def lags(of: Market) -> dict[str, float]:
    return {name: each.total_seconds() for name, each in of.lags(clock.now()).items()}


def test_a_feed_that_never_answers_is_behind_since_the_start(source: type[Source]) -> None:
    async def main() -> None:
        source.fails = True
        running = market(IntakeHarness(), STRATEGY)
        await asyncio.sleep(600)
        assert lags(running) == {"files": 600}
        source.fails = False
        await asyncio.sleep(90)
        assert lags(running) == {"files": 0}
        await running.end()

    run_virtual(main(), START)


def test_the_feed_of_followed_signals_is_behind_only_while_signals_need_it(source: type[Source]) -> None:
    async def main() -> None:
        harness, source.fails = IntakeHarness(), True
        running = market(harness, follow="other")
        await asyncio.sleep(300)
        assert lags(running) == {"other": 0}, "nothing needs it"
        await harness.intake.accept(signal(stop_loss="1.0500", targets=["1.1500"]))
        await asyncio.sleep(130)
        assert 120 <= lags(running)["other"] <= 130, "no candle since the signal came"
        source.fails = False
        await asyncio.sleep(61)
        assert lags(running) == {"other": 0}
        source.frozen = clock.now().replace(second=0)
        await asyncio.sleep(180)
        assert lags(running)["other"] == (clock.now() - source.frozen - MINUTE).total_seconds()
        await running.end()
        await harness.outbox.close()

    run_virtual(main(), START)


def test_candles_without_trades_are_not_missing_if_the_feed_shows_a_later_one(source: type[Source]) -> None:
    async def main() -> None:
        source.frozen, source.shows_forming = START, True
        running = market(IntakeHarness(), STRATEGY)
        await asyncio.sleep(600)
        assert lags(running) == {"files": 0}
        await running.end()

    run_virtual(main(), START)
