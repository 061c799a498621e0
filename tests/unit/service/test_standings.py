"""The standing of a missed signal is what its card would say by now, of ends only."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from signalpost import Signal, UserTier
from signalpost.config.feeds import Candles
from signalpost.domain.instrument import Instrument
from signalpost.domain.life import opened
from signalpost.errors import FeedFailed
from signalpost.service.following import FollowPlan, StreamKey
from signalpost.service.standings import Standings
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.service.follow_harness import EURO, M1, MINUTE, QUIET, START, CountedFeed, bars, signal

UP, DOWN = ("1.1000", "1.1060", "1.0999", "1.1055"), ("1.1000", "1.1001", "1.0940", "1.0945")
AFTER = START + 30 * MINUTE
POUND = Instrument("GBP_USD")


def made(name: str = "s1", **fields: Any) -> Signal:
    return signal(name, strategy_name="MA", **fields)


PLAN = FollowPlan(None, {StreamKey("MA", pair, M1): Candles("feed", M1) for pair in (EURO, POUND)})


def standings(*signals: Signal, feed: CountedFeed, plan: FollowPlan = PLAN, at: datetime = AFTER) -> dict[str, str]:
    """At a time half an hour after START, unless another is given."""
    trades = [opened(each, number, (UserTier.FREE,), at) for number, each in enumerate(signals, 1)]
    return run_virtual(Standings({"feed": feed}, plan).of(trades), at)


def test_only_an_ended_trade_has_a_result() -> None:
    assert standings(made(), feed=CountedFeed(bars(QUIET, UP))) == {"s1": "+1.00R"}
    assert standings(made(), feed=CountedFeed(bars(QUIET, DOWN))) == {"s1": "-1.00R"}
    assert standings(made(stop_loss=None), feed=CountedFeed(bars(QUIET, UP))) == {"s1": "+50.0 pips"}
    assert standings(made(), feed=CountedFeed(bars())) == {"s1": "open"}
    limit = made(order="limit", entry_price="1.0980")
    assert standings(limit, feed=CountedFeed(bars())) == {"s1": "not filled"}
    gone = made(order="limit", entry_price="1.0980", good_until=START + 5 * MINUTE)
    assert standings(gone, feed=CountedFeed(bars())) == {"s1": "not filled"}


def test_a_candle_that_has_not_closed_does_not_count() -> None:
    feed = CountedFeed(bars(QUIET, UP))
    assert standings(made(), feed=feed, at=START + 1.5 * MINUTE) == {"s1": "open"}
    assert standings(made(), feed=feed, at=START + 2 * MINUTE) == {"s1": "+1.00R"}


def test_a_later_signal_of_the_strategy_ends_the_one_before() -> None:
    sell = made("s2", signal_type="SELL", stop_loss="1.1050", targets=["1.0950"], timestamp=START + 4 * MINUTE)
    found = standings(made(), sell, feed=CountedFeed(bars()))
    assert found == {"s1": "0.00R", "s2": "open"}


def test_all_candles_are_read_however_few_a_feed_gives_at_once() -> None:
    feed = CountedFeed(bars(*[QUIET] * 20, UP), limit=3)
    assert standings(made(), feed=feed) == {"s1": "+1.00R"}


def test_a_feed_that_always_gives_the_same_candles_is_read_once_more_at_most() -> None:
    feed = CountedFeed(bars(QUIET, UP))
    quotes = feed.quotes

    async def the_same(*arguments: Any, since: datetime, **options: Any) -> Sequence[Any]:
        return await quotes(*arguments, since=START, **options)

    feed.quotes = the_same  # type: ignore[assignment, method-assign]
    assert standings(made(), feed=feed) == {"s1": "+1.00R"}
    assert len(feed.fetched) == 2


def test_a_feed_that_fails_or_hangs_leaves_out_its_own_signals() -> None:
    def broken(before: Callable[[], Awaitable[object]]) -> dict[str, str]:
        feed = CountedFeed({**bars(QUIET, UP), **bars(QUIET, UP, pair=POUND)})
        quotes = feed.quotes

        async def but_one(pair: Instrument, *arguments: Any, **options: Any) -> Sequence[Any]:
            if pair == EURO:
                await before()
            return await quotes(pair, *arguments, **options)

        feed.quotes = but_one  # type: ignore[assignment, method-assign]
        return standings(made(), made("s2", pair="GBP_USD"), feed=feed)

    async def fails() -> None:
        raise FeedFailed("down")

    assert broken(fails) == {"s2": "+1.00R"}
    assert broken(lambda: asyncio.sleep(timedelta(hours=1).total_seconds())) == {"s2": "+1.00R"}


def test_a_signal_without_candles_has_no_standing() -> None:
    feed = CountedFeed(bars(QUIET, UP))
    assert standings(made(), feed=feed, plan=FollowPlan(None, {})) == {}
    assert feed.fetched == []
