"""A feed of a user's own class in a thread of its own: whatever it does, it holds up neither a stop nor other feeds."""

import asyncio
import logging
import threading
from datetime import UTC, datetime

import pytest

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.trading.calendar import ALWAYS
from signalpost.trading.feeds import isolated
from signalpost.trading.feeds.bounded import BoundedFeed
from signalpost.trading.feeds.isolated import IsolatedFeed
from signalpost.trading.feeds.port import Fetched
from signalpost.trading.outcomes import QuoteCandle
from tests.until import until

START = datetime(2026, 3, 3, tzinfo=UTC)
PAIR, M1 = Instrument("EUR_USD"), Timeframe("M1")
CANDLE = Candle(time=START, open=1, high=2, low=1, close=2)


class Own:
    """A feed that can block, swallow its cancellation, or raise."""

    name, calendar = "own", ALWAYS

    def __init__(self) -> None:
        self.release, self.is_closed = threading.Event(), False
        self.blocks = self.swallows = self.waits = False
        self.fault: BaseException | None = None
        self.thread: threading.Thread | None = None
        self.cancelled = 0
        self.wake = asyncio.Event()

    async def fetch(self, *_: object, **__: object) -> Fetched:
        self.thread, self.loop = threading.current_thread(), asyncio.get_running_loop()
        if self.fault is not None:
            raise self.fault
        if self.blocks:
            self.release.wait()
        if self.waits:
            await asyncio.Event().wait()
        while self.swallows:
            try:
                await self.wake.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        return Fetched((CANDLE,))

    async def quotes(self, *_: object, **__: object) -> tuple[QuoteCandle, ...]:
        return (await self.fetch()).mid_quotes(ALWAYS, M1)

    async def close(self) -> None:
        self.thread, self.is_closed = threading.current_thread(), True

    def has_ended(self) -> bool:
        """True if it was closed, and its thread has ended."""
        assert self.thread is not None
        self.thread.join(5)
        return self.is_closed and not self.thread.is_alive()


async def test_answers_and_failures_come_out_of_the_thread_which_ends_with_the_feed() -> None:
    own = Own()
    feed = BoundedFeed(IsolatedFeed(own))
    assert (await feed.fetch(PAIR, M1)).candles == (CANDLE,)
    assert own.thread is not threading.current_thread()
    assert await feed.quotes(PAIR, M1, since=START) == Fetched((CANDLE,)).mid_quotes(ALWAYS, M1)
    for fault in (SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), ValueError("a secret")):
        own.fault = fault
        with pytest.raises(FeedFailed) as raised:
            await feed.fetch(PAIR, M1)
        assert (raised.value.code, type(fault).__name__ in str(raised.value)) == ("feed-raised", True)
        assert "secret" not in str(raised.value)
    await feed.close()
    assert own.has_ended()
    with pytest.raises(FeedFailed) as raised:
        await feed.fetch(PAIR, M1)
    assert raised.value.code == "closed"


async def test_a_feed_that_blocks_delays_no_other_and_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    own, other = Own(), Own()
    own.blocks = True
    feed, works = BoundedFeed(IsolatedFeed(own), within=0.05), BoundedFeed(IsolatedFeed(other))
    fetching = asyncio.create_task(feed.fetch(PAIR, M1))
    assert (await works.fetch(PAIR, M1)).candles == (CANDLE,)
    with pytest.raises(FeedFailed) as raised:
        await fetching
    assert raised.value.code == "timeout"
    with caplog.at_level(logging.WARNING):
        await feed.close(0.05)
    assert [each.args[:1] for each in caplog.records if isinstance(each.args, tuple)] == [("own",)]
    own.release.set()
    await works.close()


async def test_a_feed_that_swallows_its_cancellation_ends_its_callers_and_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "_CANCEL_WITHIN", 0.01)
    own = Own()
    own.swallows = True
    feed = IsolatedFeed(own)
    fetching = asyncio.create_task(feed.fetch(PAIR, M1))
    await until(lambda: own.thread)
    fetching.cancel()
    await asyncio.wait([fetching])
    assert fetching.cancelled()
    with caplog.at_level(logging.WARNING):
        await feed.close()
    assert own.cancelled
    own.swallows = False
    own.loop.call_soon_threadsafe(own.wake.set)
    assert own.has_ended()
    assert [each.args for each in caplog.records][:1] == [("own", 1)]


async def test_a_feed_that_ends_when_it_is_cancelled_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    own = Own()
    own.waits = True
    feed = IsolatedFeed(own)
    calls = [asyncio.create_task(feed.fetch(PAIR, M1)) for _ in range(3)]
    await until(lambda: own.thread is not None)
    await feed.close()
    await asyncio.wait(calls)
    assert [each.cancelled() for each in calls] == [True] * 3
    assert caplog.records == []


async def test_no_more_calls_begin_if_too_many_have_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_MOST_UNFINISHED", 2)
    own = Own()
    own.blocks = True
    feed = BoundedFeed(IsolatedFeed(own), within=0.02)
    codes = []
    for _ in range(3):
        with pytest.raises(FeedFailed) as raised:
            await feed.fetch(PAIR, M1)
        codes.append((raised.value.code, raised.value.errors[0].limit))
    assert codes == [("timeout", None), ("timeout", None), ("timeout", "2")]
    own.release.set()
    own.blocks = False
    while True:
        try:
            assert (await feed.fetch(PAIR, M1)).candles == (CANDLE,)
            break
        except FeedFailed:
            await asyncio.sleep(0)
    await feed.close()


async def test_a_feed_that_was_not_used_is_closed_too() -> None:
    own = Own()
    feed = IsolatedFeed(own)
    for _ in range(2):
        await feed.close()
    assert own.has_ended()
