"""A follower in virtual time, on a book in memory and feeds of made candles."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from signalpost import Signal, clock
from signalpost.config.feeds import Candles
from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.candle import Candle
from signalpost.domain.events import Event
from signalpost.domain.instrument import Instrument
from signalpost.domain.price_step import PriceStep
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import Trade
from signalpost.service.following import Follower, FollowPlan
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.alarm_clock import AlarmClock
from signalpost.trading.calendar import ALWAYS, Calendar
from signalpost.trading.feeds.port import Feed
from signalpost.trading.feeds.replay import ReplayFeed
from signalpost.trading.incidents import Incidents
from signalpost.trading.outcomes import QuoteCandle
from signalpost.trading.round import Round
from tests.unit.delivery.intake_harness import IntakeHarness

START = datetime.fromisoformat("2026-03-02T10:00:00+00:00")
MINUTE = timedelta(minutes=1)
M1 = Timeframe("M1")
EURO = Instrument("EUR_USD")
BY_HAND = FollowPlan(Candles("feed", M1), {})
QUIET = ("1.1000", "1.1004", "1.0996", "1.1000")


def bars(*prices: tuple[str, str, str, str], quiet: int = 60, pair: Instrument = EURO) -> dict[Any, list[Candle]]:
    """M1 candles from START on: these, then quiet ones."""
    every = [*prices, *[QUIET] * (quiet - len(prices))]
    made = [
        Candle(time=START + number * MINUTE, open=first, high=high, low=low, close=last)
        for number, (first, high, low, last) in enumerate(every)
    ]
    return {(pair, M1): made}


def signal(name: str = "s1", **fields: Any) -> Signal:
    """A BUY of EUR_USD at 1.1000 with the stop at 1.0950 and the target at 1.1050, known at START."""
    usual = {
        "signal_id": name,
        "pair": "EUR_USD",
        "timeframe": "M1",
        "signal_type": "BUY",
        "entry_price": "1.1000",
        "stop_loss": "1.0950",
        "targets": ["1.1050"],
        "timestamp": START - MINUTE,
        "valid_until": START + timedelta(days=1),
    }
    return Signal(**{**usual, **fields})


class CountedFeed(ReplayFeed):
    """A feed that notes each request, and that fails, hangs or does anything else before it answers."""

    def __init__(
        self, candles: Mapping[Any, Any], *, name: str = "feed", calendar: Calendar = ALWAYS, limit: int = 500
    ) -> None:
        super().__init__(name=name, calendar=calendar, candles=candles)
        self.fetched: list[tuple[str, datetime]] = []
        """The pair of each request, and when it came."""
        self.before: Callable[[], Awaitable[object]] | None = None
        self._limit = limit

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        self.fetched.append((str(pair), clock.now()))
        if self.before is not None:
            await self.before()
        return await super().quotes(pair, timeframe, since=since, limit=min(limit, self._limit))

    def minutes(self, pair: Instrument = EURO) -> list[float]:
        """When each request for a pair came, in minutes from START."""
        return [(at - START) / MINUTE for name, at in self.fetched if name == str(pair)]


class Following(IntakeHarness):
    """An intake whose trades are followed."""

    def __init__(
        self,
        *feeds: Feed,
        plan: FollowPlan = BY_HAND,
        core: Any = None,
        seed: int = 7,
        step: PriceStep | None = None,
        filters: Filters = NO_FILTERS,
    ) -> None:
        super().__init__(core=core, seed=seed, filters=filters)
        self.incidents = Incidents()
        self.seen: list[Event] = []
        made = {feed.name: feed for feed in feeds}
        self.together = Round()
        self.follower = Follower(
            self.intake,
            made,
            plan,
            self.incidents,
            self.seen.append,
            alarms=AlarmClock(),
            step=step,
            together=self.together,
        )
        self._task = asyncio.ensure_future(self.follower.run())

    async def accept(self, *signals: Signal) -> None:
        for each in signals:
            assert await self.intake.accept(each)
            self.follower.listen(self.events[-1])

    async def until(self, minutes: float) -> None:
        """Let time pass, up to so many minutes after START."""
        await asyncio.sleep((START + minutes * MINUTE - clock.now()).total_seconds())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def trades(self) -> dict[str, Trade]:
        return {each.trade.signal.signal_id: each.trade for each in await self.intake.find(FindTrades())}

    async def trade(self, name: str = "s1") -> Trade:
        return (await self.trades())[name]


def following(
    test: Callable[[Following], Awaitable[None]],
    *feeds: Feed,
    signals: Iterable[Signal] = (),
    plan: FollowPlan = BY_HAND,
    filters: Filters = NO_FILTERS,
) -> None:
    """Run a test in virtual time from START on, with these signals accepted at START."""

    async def main() -> None:
        harness = Following(*feeds, plan=plan, filters=filters)
        try:
            await harness.accept(*signals)
            await test(harness)
        finally:
            await harness.stop()
            await harness.outbox.close()

    run_virtual(main(), START)
