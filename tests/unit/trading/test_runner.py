"""Streams in virtual time: when they look for candles, and that none holds up another."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from signalpost import Candle, MAUnifiedConfig, Signal, Ticket, clock
from signalpost.domain.events import CandlesTaken, Event, IncidentBegan, IncidentEnded
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.ticket import Outcome
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, StoreClosed, StoreFailed
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.alarm_clock import AlarmClock
from signalpost.trading.calendar import ALWAYS
from signalpost.trading.candle_rules import CandleRule
from signalpost.trading.feeds.bounded import BoundedFeed
from signalpost.trading.feeds.port import Feed, Fetched
from signalpost.trading.incidents import Incidents
from signalpost.trading.outcomes import QuoteCandle
from signalpost.trading.processor import IncrementalSignalProcessor, StateFrom
from signalpost.trading.runner import StreamRunner
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 3, 10, 0, 30, tzinfo=UTC)
FIRST = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)


class ClockFeed:
    """A feed that shows a candle some seconds after its close, and can fail, hang or be slow."""

    calendar = ALWAYS

    def __init__(self, name: str = "feed", delay: float = 0.0) -> None:
        self.name, self.delay, self.first = name, delay, FIRST
        self.missing: set[datetime] = set()
        self.shows_forming = False
        self.looks: list[datetime] = []
        self.running = self.most_running = 0
        self.fault: Callable[[str], Exception | None] = lambda _: None
        self.takes = 0.0

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        self.looks.append(clock.now())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.running -= 1
        if (fault := self.fault(pair)) is not None:
            raise fault
        return self._shown(timeframe, since)

    def _shown(self, timeframe: Timeframe, since: datetime | None) -> Fetched:
        until = clock.now() - timedelta(seconds=self.delay)
        last = timeframe.candle_open(until)
        count = (last - self.first) // timeframe.duration
        opens = [self.first + place * timeframe.duration for place in range(count)]
        found = [at for at in opens if at not in self.missing and (since is None or at >= since)]
        return Fetched(tuple(map(candle, found)), last if self.shows_forming else None)

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        await self.fetch(pair, timeframe)
        return ()

    async def close(self) -> None:
        if (fault := self.fault("close")) is not None:
            raise fault


@cache
def candle(at: datetime) -> Candle:
    price = "1.1" if at.minute % 4 < 2 else "1.2"
    return Candle(time=at, open=price, high="1.3", low="1.0", close=price)


class MemoryLedger:
    """A ledger in memory, which can fail."""

    def __init__(self) -> None:
        self.states: dict[str, StreamState] = {}
        self.signals: list[Signal] = []
        self.committed_at: dict[str, datetime] = {}
        self.fault: Exception | None = None

    async def load_state(self, stream: str) -> StreamState | None:
        return self.states.get(stream)

    async def commit(self, state: StreamState, signals: Sequence[Signal], **_: Any) -> list[Ticket]:
        if self.fault is not None:
            raise self.fault
        self.states[state.stream] = state
        self.signals += signals
        self.committed_at[state.stream] = clock.now()
        return [Ticket(Outcome.ACCEPTED, "t")] * len(signals)

    async def revise(self, signal_id: str) -> Ticket:
        raise NotImplementedError


class Broken(MAUnifiedStrategy):
    """A strategy that raises."""

    def on_candle(self, candle: Candle) -> Signal | None:
        raise KeyError("a strategy's own error")


class Runners:
    """Streams that run."""

    def __init__(self, feed: Feed, *pairs: str, timeframe: str = "M1", ledger: MemoryLedger | None = None) -> None:
        self.events: list[Event] = []
        """All but those of candles."""
        self.taken: list[CandlesTaken] = []
        self.incidents = Incidents()
        self.ledger = ledger or MemoryLedger()
        self.streams = [self._stream(feed, pair, timeframe) for pair in pairs or ("EUR_USD",)]
        self.tasks = [asyncio.create_task(each.run()) for each in self.streams]

    def _stream(self, feed: Feed, pair: str, timeframe: str) -> StreamRunner:
        strategy = MAUnifiedStrategy(MAUnifiedConfig(pair=pair, timeframe=timeframe, fast=1, slow=2, places=5))
        processor = IncrementalSignalProcessor(strategy, feed, self.ledger)
        around: dict[str, Any] = {"on_missed": lambda _: None, "at_work": nullcontext, "alarms": AlarmClock()}
        return StreamRunner(strategy.config.key, processor, self.incidents, self._listen, **around)

    def _listen(self, event: Event) -> None:
        if isinstance(event, CandlesTaken):
            self.taken.append(event)
        else:
            self.events.append(event)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def test_a_stream_looks_a_second_after_each_close_and_polls_until_the_candle_is_in() -> None:
    async def main() -> None:
        feed = ClockFeed(delay=6)
        runners = Runners(feed)
        await asyncio.sleep(180)
        await runners.stop()
        seconds = [(each - START) / timedelta(seconds=1) for each in feed.looks]
        assert seconds == [0, 31, 32, 34, 39, 91, 92, 94, 99, 151, 152, 154, 159]
        (stream,) = runners.streams
        assert stream.states_from == {StateFrom.ORIGIN: 1}
        assert stream.last is not None
        assert stream.last.watermark == START + timedelta(seconds=90)
        assert runners.ledger.signals

    run_virtual(main(), START)


def test_new_candles_are_reported_with_the_time_that_they_and_their_signals_took() -> None:
    async def main() -> None:
        feed = ClockFeed(delay=6)
        feed.takes = 0.5
        runners = Runners(feed)
        await asyncio.sleep(160)
        await runners.stop()
        first, *later = runners.taken
        assert (first.strategy, first.feed, first.candles, first.waited_seconds) == ("EUR_USD_M1", "feed", 60, ())
        assert [each.candles for each in later] == [1, 1]
        assert [each.took_seconds for each in runners.taken] == pytest.approx([0.5] * 3)
        waited = [seconds for each in later for seconds in each.waited_seconds]
        assert len(waited) == len(runners.ledger.signals)
        assert waited
        assert all(6 <= seconds <= 12 for seconds in waited)

    run_virtual(main(), START)


@pytest.mark.parametrize("shows_forming", [True, False])
def test_an_empty_slot_ends_by_the_next_one_and_is_counted(shows_forming: bool) -> None:
    async def main() -> None:
        feed = ClockFeed()
        feed.missing = {START - timedelta(seconds=30)}
        feed.shows_forming = shows_forming
        runners = Runners(feed)
        await asyncio.sleep(31 + 61)
        await runners.stop()
        polls = [31] if shows_forming else [31, 32, 34, 39, 49, 59, 69, 79, 89]
        assert [(each - START) / timedelta(seconds=1) for each in feed.looks] == [
            0,
            *polls,
            *([91] if shows_forming else [91, 91]),
        ]
        assert runners.streams[0].counts[CandleRule.GAP] == 1
        assert runners.streams[0].last is not None
        assert runners.streams[0].last.watermark == START + timedelta(seconds=30)

    run_virtual(main(), START)


def test_a_feed_that_fails_is_retried_and_alerted_once_with_a_recovery() -> None:
    async def main() -> None:
        feed = ClockFeed()
        feed.fault = lambda _: FeedFailed("code 503", code="unavailable")
        runners = Runners(feed, "EUR_USD", "GBP_USD")
        await asyncio.sleep(100)
        assert [each.code for each in runners.incidents.reasons(clock.now())] == ["feed-failed"]
        feed.fault = lambda _: None
        await asyncio.sleep(60)
        await runners.stop()
        seconds = [(each - START) / timedelta(seconds=1) for each in feed.looks[::2]]
        assert seconds == [0, 1, 3, 7, 15, 31, 63, 123, 151]
        began, ended = runners.events
        assert isinstance(began, IncidentBegan)
        assert isinstance(ended, IncidentEnded)
        assert (began.kind, began.name, began.severity, ended.incident) == ("feed", "feed", AlertSeverity.HIGH, began)

    run_virtual(main(), START)


def test_a_feed_that_brings_nothing_new_is_alerted_once_with_a_recovery() -> None:
    async def main() -> None:
        feed = ClockFeed()
        streams = Runners(feed, "EUR_USD", "GBP_USD")
        await asyncio.sleep(30 * 60)
        assert streams.events == []
        feed.delay = 3600
        await asyncio.sleep(10 * 60)
        assert streams.events == []
        await asyncio.sleep(20 * 60)
        (began,) = streams.events
        assert isinstance(began, IncidentBegan)
        assert (began.kind, began.feed) == ("silent-feed", "feed")
        last = datetime(2026, 3, 3, 10, 29, tzinfo=UTC)
        assert began.since == last + 3 * MINUTE, "the next candle closes after 2 minutes, and has 1 minute to arrive"
        feed.delay = 0
        await asyncio.sleep(5 * 60)
        assert [type(each) for each in streams.events] == [IncidentBegan, IncidentEnded]
        await streams.stop()

    run_virtual(main(), START)


def test_candles_that_arrive_late_are_alerted_once_until_they_are_on_time() -> None:
    async def main() -> None:
        feed = ClockFeed(delay=400)
        streams = Runners(feed, timeframe="H1")
        await asyncio.sleep(5 * 3600)
        (began,) = streams.events
        assert isinstance(began, IncidentBegan)
        assert (began.kind, began.severity) == ("late-feed", AlertSeverity.MEDIUM)
        feed.delay = 20
        await asyncio.sleep(2 * 3600)
        assert [type(each) for each in streams.events] == [IncidentBegan, IncidentEnded]
        await streams.stop()

    run_virtual(main(), START)


def test_a_feed_that_requires_a_pause_gets_it() -> None:
    async def main() -> None:
        feed = ClockFeed()
        feed.fault = lambda _: FeedFailed("slow down", code="throttled", retry_after=45.0)
        runners = Runners(feed)
        await asyncio.sleep(50)
        await runners.stop()
        assert [(each - START) / timedelta(seconds=1) for each in feed.looks] == [0, 45]

    run_virtual(main(), START)


def test_a_feed_that_requires_a_long_pause_is_alerted_meanwhile() -> None:
    async def main() -> None:
        feed = ClockFeed()
        feed.fault = lambda _: FeedFailed("slow down", code="throttled", retry_after=600.0)
        runners = Runners(feed)
        await asyncio.sleep(100)
        await runners.stop()
        assert len(feed.looks) == 1
        (began,) = runners.events
        assert isinstance(began, IncidentBegan)
        assert began.candles == (Instrument("EUR_USD"), Timeframe("M1"))

    run_virtual(main(), START)


def test_a_strategy_that_raises_pauses_and_stops_no_other() -> None:
    async def main() -> None:
        feed = ClockFeed()
        runners = Runners(feed, "EUR_USD", "GBP_USD")
        broken, works = runners.streams

        broken.processor = IncrementalSignalProcessor(Broken(broken.processor.strategy.config), feed, runners.ledger)  # type: ignore[arg-type]
        await asyncio.sleep(3600 * 2)
        await runners.stop()
        began = [each for each in runners.events if isinstance(each, IncidentBegan)]
        assert [(each.kind, each.name, each.severity) for each in began] == [
            ("strategy", "EUR_USD_M1", AlertSeverity.HIGH),
            ("strategy", "EUR_USD_M1", AlertSeverity.CRITICAL),
        ]
        assert "KeyError" in began[0].reason
        assert (broken.last, works.last is not None) == (None, True)
        assert len(feed.looks) == 121 + 1 + len([0, 5, 10, 25, 40, 70, 100]) - 1

    run_virtual(main(), START)


def test_a_store_that_fails_is_waited_for_without_an_incident() -> None:
    async def main() -> None:
        ledger = MemoryLedger()
        ledger.fault = StoreFailed("the disk is full")
        runners = Runners(ClockFeed(), ledger=ledger)
        await asyncio.sleep(10)
        ledger.fault = None
        await asyncio.sleep(10)
        assert (len(ledger.states), runners.events) == (1, [])
        ledger.fault = StoreClosed()
        await asyncio.sleep(60)
        assert isinstance(runners.tasks[0].exception(), StoreClosed)

    run_virtual(main(), START)


def test_a_stream_that_waits_for_the_store_goes_on_as_soon_as_the_store_works() -> None:
    async def main() -> None:
        ledger = MemoryLedger()
        ledger.fault = StoreFailed("the disk is full")
        feed = ClockFeed()
        (stream,) = (runners := Runners(feed, ledger=ledger)).streams
        await asyncio.sleep(70)
        ledger.fault, looks = None, len(feed.looks)
        stream.store_works()
        await asyncio.sleep(0.1)
        assert (len(ledger.states), len(feed.looks)) == (1, looks + 1)
        stream.store_works()
        await asyncio.sleep(0.1)
        assert len(feed.looks) == looks + 1, "it waits for a candle"
        assert runners.events == []

    run_virtual(main(), START)


def test_a_feed_that_hangs_holds_up_no_other_and_is_reported() -> None:
    async def main() -> None:
        hangs, works = ClockFeed("hangs"), ClockFeed("works")
        hangs.takes = 1e9
        first, second = Runners(BoundedFeed(hangs)), Runners(BoundedFeed(works))
        await asyncio.sleep(25)
        assert (first.streams[0].is_behind(clock.now()), second.streams[0].is_behind(clock.now())) == (True, False)
        await asyncio.sleep(100)
        assert [each.code for each in first.incidents.reasons(clock.now())] == ["feed-failed"]
        assert second.streams[0].last is not None
        assert second.streams[0].worked_at == START + timedelta(seconds=91)
        await first.stop()
        await second.stop()

    run_virtual(main(), START)


def test_a_thousand_streams_that_close_together_are_all_in_within_5_seconds() -> None:
    async def main() -> None:
        feed = ClockFeed()
        feed.takes, feed.first = 0.05, START - timedelta(minutes=3, seconds=30)
        names = [f"{one}{two}{three}_USD" for one in "ABCDEFGHIJ" for two in "ABCDEFGHIJ" for three in "ABCDEFGHIJ"]
        runners = Runners(BoundedFeed(feed), *names)
        await asyncio.sleep(60)
        await runners.stop()
        lags = [at - (START + timedelta(seconds=30)) for at in runners.ledger.committed_at.values()]
        assert (len(lags), feed.most_running) == (1000, 32)
        assert max(lags) < timedelta(seconds=5)

    run_virtual(main(), START)


async def test_only_feed_failures_come_out_of_a_bounded_feed() -> None:
    feed = ClockFeed()
    bounded: Feed = BoundedFeed(feed, within=0.01)
    eur, m1 = Instrument("EUR_USD"), Timeframe("M1")
    feed.fault = lambda _: ValueError("token-1234")
    for fetch in (lambda: bounded.fetch(eur, m1), lambda: bounded.quotes(eur, m1, since=FIRST)):
        with pytest.raises(FeedFailed) as fault:
            await fetch()
        assert (fault.value.code, "token-1234" in str(fault.value), fault.value.__context__) == (
            "feed-raised",
            False,
            None,
        )
    await bounded.close()
    feed.fault = lambda _: FeedFailed("x", code="throttled")
    with pytest.raises(FeedFailed) as fault:
        await bounded.fetch(eur, m1)
    assert fault.value.code == "throttled"
