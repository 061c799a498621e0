"""Which opposite signals end an older trade: posted ones, also if they are saved after their first candle was taken."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from signalpost.config.feeds import Candles
from signalpost.delivery.deduplication import Filters
from signalpost.domain.change import Reopen
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome
from signalpost.domain.trade import Trade, TradeState
from signalpost.service.following import FollowPlan, StreamKey
from tests.unit.service.follow_harness import EURO, M1, MINUTE, QUIET, START, CountedFeed, Following, bars, following
from tests.unit.service.follow_harness import signal as any_signal

PLAN = FollowPlan(None, {StreamKey("cross", EURO, M1): Candles("feed", M1)})
SELL = {"signal_type": "SELL", "stop_loss": "1.1050", "targets": ["1.0950"]}
NEXT = ("1.1003", "1.1004", "1.0996", "1.1000")
"""The candle at whose open the opposite signal is filled."""
TARGET = ("1.1000", "1.1060", "1.0996", "1.1000")


def signal(name: str, at: datetime = START, **fields: Any) -> Signal:
    """A strategy's signal, known at `at`."""
    return any_signal(name, strategy_name="cross", timestamp=at - MINUTE, **fields)


def ended(trade: Trade) -> tuple[str, Decimal | None, datetime] | None:
    end = trade.end
    return None if end is None else (str(end.reason or end.text), end.price, end.at)


@pytest.mark.parametrize("minutes", [2.1, 10.1])
def test_the_older_trade_ends_at_the_fill_of_the_newer_one(minutes: float) -> None:
    async def test(harness: Following) -> None:
        await harness.until(minutes)
        await harness.accept(signal("s2", START + MINUTE, **SELL))
        await harness.until(minutes + 1)
        trades = await harness.trades()
        assert trades["s2"].fill is not None
        assert ended(trades["s1"]) == ("reversed", trades["s2"].fill.price, trades["s2"].fill.at)
        assert ended(trades["s1"]) == ("reversed", Decimal("1.1003"), START + MINUTE)
        assert trades["s2"].state is TradeState.OPEN
        await harness.until(minutes + 5)
        assert (await harness.trades())["s1"].version == trades["s1"].version

    following(test, CountedFeed(bars(QUIET, NEXT)), plan=PLAN, signals=[signal("s1")])


def test_an_order_that_waits_is_cancelled() -> None:
    async def test(harness: Following) -> None:
        await harness.until(4.1)
        await harness.accept(signal("s2", START + MINUTE, **SELL))
        await harness.until(5)
        trade = (await harness.trades())["s1"]
        assert (trade.state, ended(trade)) == (TradeState.CANCELLED, ("reversed", None, START + MINUTE))

    order = signal("s1", order="limit", entry_price="1.0980")
    following(test, CountedFeed(bars(QUIET, NEXT)), plan=PLAN, signals=[order])


def test_what_was_announced_meanwhile_stands() -> None:
    """An end stands, and so does a part: only the rest is reversed, after it."""

    async def test(harness: Following) -> None:
        await harness.until(4.1)
        await harness.accept(signal("s2", START + MINUTE, **SELL))
        await harness.until(5)
        trades = await harness.trades()
        assert ended(trades["whole"]) == ("target", Decimal("1.1050"), START + 3 * MINUTE)
        assert ended(trades["half"]) == ("reversed", Decimal("1.1003"), START + 3 * MINUTE)
        assert [part.price for part in trades["half"].parts] == [Decimal("1.1050"), Decimal("1.1003")]

    half = signal("half", targets=[{"price": "1.1050", "share": 50}, {"price": "1.1100", "share": 50}])
    following(test, CountedFeed(bars(QUIET, NEXT, TARGET)), plan=PLAN, signals=[signal("whole"), half])


def test_a_trade_that_was_filled_after_the_newer_one_is_not_reversed() -> None:
    async def test(harness: Following) -> None:
        await harness.until(4.1)
        await harness.accept(signal("s2", START + MINUTE, **SELL))
        await harness.until(5)
        assert ended((await harness.trades())["s1"]) is None

    order = signal("s1", order="limit", entry_price="1.0980")
    down = ("1.1000", "1.1004", "1.0970", "1.1000")
    following(test, CountedFeed(bars(QUIET, NEXT, down)), plan=PLAN, signals=[order])


def test_a_trade_that_a_person_reopened_is_not_reversed_again_when_another_signal_is_late() -> None:
    async def test(harness: Following) -> None:
        await harness.until(4.1)
        await harness.accept(signal("s2", START + MINUTE, **SELL))
        await harness.until(5.1)
        await harness.intake.amend("s1", Reopen(), exact=True)
        await harness.accept(signal("s3", START + MINUTE, stop_loss="1.0940"))
        await harness.until(8)
        trades = await harness.trades()
        assert trades["s3"].fill is not None
        assert ended(trades["s1"]) is None

    following(test, CountedFeed(bars(QUIET, NEXT)), plan=PLAN, signals=[signal("s1")])


def test_an_opposite_signal_that_a_filter_stops_ends_nothing() -> None:
    """Nobody saw it, and it has no fill. The next one that is posted ends the older trade."""

    async def test(harness: Following) -> None:
        await harness.until(2)
        unsure = signal("unsure", START + 2 * MINUTE, confidence_score="0.1", **SELL)
        assert (await harness.intake.accept(unsure)).outcome is Outcome.SUPPRESSED
        await harness.until(5.1)
        trades = await harness.trades()
        assert (ended(trades["s1"]), trades["s1"].state) == (None, TradeState.OPEN)
        assert trades["unsure"].fill is None
        await harness.accept(signal("sure", START + 5 * MINUTE, confidence_score="0.9", **SELL))
        await harness.until(7)
        assert ended((await harness.trades())["s1"]) == ("reversed", Decimal("1.1000"), START + 5 * MINUTE)

    sure = signal("s1", confidence_score="0.9")
    following(test, CountedFeed(bars()), plan=PLAN, signals=[sure], filters=Filters(min_confidence=Decimal("0.5")))
