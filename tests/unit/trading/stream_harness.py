"""A processor with a scripted feed and a real store in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from signalpost import Candle, MAUnifiedConfig, Signal, Ticket, UserTier
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.outbox.commands import OutboxEntry
from signalpost.domain.change import Revise
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState, Unpublished
from signalpost.domain.ticket import Refusal
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, StoreFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.cache import StateCache
from signalpost.trading.calendar import ALWAYS, Calendar
from signalpost.trading.feeds.port import Fetched
from signalpost.trading.outcomes import QuoteCandle
from signalpost.trading.processor import IncrementalSignalProcessor
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from tests.unit.delivery.intake_harness import IntakeHarness

HOUR = timedelta(hours=1)
START = datetime(2026, 1, 5, tzinfo=UTC)
CONFIG = MAUnifiedConfig(pair="EUR_USD", timeframe="H1", fast=1, slow=2, atr_period=2)
DOWN_UP = ("1.5", "1.4", "1.3", "1.4")
"""The last of these crosses up."""


class ListFeed:
    """A feed that answers from a list. Everything in it has closed."""

    def __init__(self, candles: Sequence[Candle] = (), *, name: str = "list", calendar: Calendar = ALWAYS) -> None:
        self.name = name
        self.calendar = calendar
        self.candles = list(candles)
        self.forming: datetime | None = None
        self.fetches: list[datetime | None] = []
        self.fails_at: int | None = None
        """The number of the fetch that fails."""
        self.cut_at: int | None = None
        self.then: list[Candle] | None = None
        """The candles from the next answer on."""

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        self.fetches.append(since)
        if len(self.fetches) == self.fails_at:
            raise FeedFailed("the feed is away")
        candles, self.candles = self.candles, self.then or self.candles
        if since is None:
            return Fetched(tuple(candles[-limit:]), self.forming)
        found = [each for each in candles if each.time >= since]
        at_most = min(limit, self.cut_at or limit)
        return Fetched(tuple(found[:at_most]), self.forming, len(found) > at_most)

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class IntakeLedger:
    """A ledger over a real intake and its store."""

    def __init__(self, harness: IntakeHarness) -> None:
        self.harness = harness
        self.loads = 0

    async def load_state(self, stream: str) -> StreamState | None:
        self.loads += 1
        return await self.harness.intake.load_state(stream)

    async def commit(
        self,
        state: StreamState,
        signals: Sequence[Signal],
        *,
        tiers: Sequence[UserTier | str] = (),
        unpublished: Sequence[Unpublished] = (),
    ) -> list[Ticket]:
        return await self.harness.intake.commit(state, signals, tiers or (None,), unpublished=unpublished)

    async def revise(self, signal_id: str) -> Ticket:
        ticket = await self.harness.intake.amend(signal_id, Revise(from_feed=True), exact=True, hold=False)
        if ticket.cause is Refusal.STORE:
            raise StoreFailed(ticket.reason or "")
        return ticket


class StreamHarness:
    """A processor over a feed and a store, which can be restarted."""

    def __init__(
        self,
        candles: Sequence[Candle] = (),
        *,
        config: MAUnifiedConfig = CONFIG,
        cache: StateCache | None = None,
        store: IntakeHarness | None = None,
        calendar: Calendar = ALWAYS,
        **options: Any,
    ) -> None:
        self.store = store or IntakeHarness()
        self.ledger = IntakeLedger(self.store)
        self.feed = ListFeed(candles, calendar=calendar)
        self.config, self.cache, self.options = config, cache, options
        self.restart()

    def restart(self) -> None:
        """Begin again with nothing but the store and the cache."""
        strategy = MAUnifiedStrategy(self.config)
        self.processor = IncrementalSignalProcessor(strategy, self.feed, self.ledger, self.cache, **self.options)

    async def rows(self) -> list[OutboxEntry]:
        """The deliveries in the store."""
        return await self.store.rows()

    async def trades(self) -> list[BookEntry]:
        """The trades in the store's book, newest first."""
        return list(await self.store.intake.find(FindTrades()))


def candles(*closes: object, start: datetime = START, step: timedelta = HOUR) -> list[Candle]:
    """Candles that close at these prices."""
    return [candle(start + step * place, close) for place, close in enumerate(closes)]


def candle(at: datetime, close: Any) -> Candle:
    """A candle that reaches a bit above and below its close."""
    price = Candle(time=at, open=close, high=close, low=close, close=close).close
    margin = type(price)("0.001")
    return Candle(time=at, open=price, high=price + margin, low=price - margin, close=price)


async def crossed(clock: ManualClock, **options: Any) -> StreamHarness:
    """A stream whose last candle crossed up, and was posted."""
    harness = StreamHarness(candles(*DOWN_UP[:3]), **options)
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(HOUR)
    assert len((await harness.processor.cycle(START + 4 * HOUR)).signals) == 1
    return harness
