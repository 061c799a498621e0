"""A follower that is killed at any point neither skips a candle nor applies one twice."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import Signal, clock
from signalpost.config.feeds import Candles
from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.delivery.outbox.book import Follow
from signalpost.delivery.outbox.commands import Answer, Command
from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.price_step import PriceStep
from signalpost.domain.trade import Trade, TradeState, result_of
from signalpost.service import following as service_following
from signalpost.service.following import FollowPlan, StreamKey
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles
from signalpost.trading.lives import lived
from signalpost.trading.replay import replay
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from signalpost.trading.strategies.ma_unified_config import MAUnifiedConfig
from tests.inline_outbox import InlineOutbox
from tests.size import size
from tests.tmpfs import new_core
from tests.unit.service.follow_harness import CountedFeed, Following

PAIR = Instrument("GBP_JPY")
CONFIG = MAUnifiedConfig(pair=PAIR, timeframe=TIMEFRAME, fast=5, slow=20)
PLAN = FollowPlan(None, {StreamKey(CONFIG.strategy_name, PAIR, TIMEFRAME): Candles("feed", TIMEFRAME)})
CANDLES = 150


class _Killed(InlineOutbox):
    """A store whose process is killed at one of its commits of candles: just before it, or just after."""

    def __init__(self, core: Any, kills: Random) -> None:
        super().__init__(core)
        self._kills = kills
        self.is_killed = asyncio.Event()
        self._end_of_time = asyncio.Event()

    async def do(self, command: Command[Answer]) -> Answer:
        if self.is_killed.is_set():
            await self._end_of_time.wait()
        if not isinstance(command, Follow) or self._kills.random() > 0.1:
            return await super().do(command)
        if self._kills.random() < 0.5:
            await super().do(command)
        self.is_killed.set()
        await self._end_of_time.wait()
        raise AssertionError


@pytest.mark.unmeasured
@settings(max_examples=size(3, 60))
@given(st.integers(0, 2_000), st.integers(0, 2**32))
def test_the_trades_are_those_of_a_life_without_restarts(first: int, seed: int) -> None:
    # No weekends: polling through them would only slow the test down.
    real = bundled_candles(PAIR)[first : first + CANDLES]
    candles = [each.but(time=real[0].time + number * TIMEFRAME.duration) for number, each in enumerate(real)]
    signals = replay(MAUnifiedStrategy(CONFIG), candles).signals
    expected = lived(signals, candles, TIMEFRAME)
    with patch.object(service_following, "_LOOK_EVERY", 3_600.0):  # a look for each 10 s of weeks would take long
        found = run_virtual(_followed(candles, signals, Random(seed)), candles[0].time)
    assert list(map(_outcome, found)) == list(map(_outcome, expected))


class _Calm(Random):
    """Kills nothing: one follower lives until the end."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: Any) -> Any:
        return seq[-1]


@settings(max_examples=size(1, 30))
@given(st.integers(0, 2_000), st.integers(0, 2**32))
def test_the_price_notes_are_those_of_a_life_without_restarts(first: int, seed: int) -> None:
    real = bundled_candles(PAIR)[first : first + CANDLES]
    candles = [each.but(time=real[0].time + number * TIMEFRAME.duration) for number, each in enumerate(real)]
    signals = replay(MAUnifiedStrategy(CONFIG), candles).signals
    limits = Filters(max_per_day=2)
    with patch.object(service_following, "_LOOK_EVERY", 3_600.0):
        found, expected = (
            run_virtual(_followed(candles, signals, kills, PriceStep.of("0.25R"), limits), candles[0].time)
            for kills in (Random(seed), _Calm())
        )
    assert [(_outcome(each), each.price_note) for each in found] == [
        (_outcome(each), each.price_note) for each in expected
    ]


def _outcome(trade: Trade) -> tuple[object, ...]:
    """All that became of a trade; its changes were made known later than in a replay."""
    end, result = trade.end, result_of(trade)
    return (
        (trade.signal.signal_id, trade.version, trade.state, trade.fill, trade.hits, trade.parts, trade.flags),
        None if end is None else (end.at, end.reason, end.price, end.text),
        None if result is None else result.exact_r,
    )


async def _followed(
    candles: Sequence[Candle],
    signals: Sequence[Signal],
    kills: Random,
    step: PriceStep | None = None,
    filters: Filters = NO_FILTERS,
) -> list[Trade]:
    """The trades of the signals, each accepted as its candle closed, by followers that are killed again and again."""
    killed_before = []  # their tasks never end, as in a process that is gone
    core, feed = new_core(), CountedFeed({(PAIR, TIMEFRAME): candles}, limit=kills.choice([2, 3, 500]))
    opening = Following(plan=FollowPlan(None, {}), core=core)
    ending = asyncio.ensure_future(_accept(opening, signals, candles[-1].time + TIMEFRAME.duration))
    while not ending.done():
        harness = Following(feed, plan=PLAN, core=core, step=step, filters=filters)
        outbox = _Killed(core, kills)
        killed_before.append(outbox)
        harness.outbox.do = outbox.do  # type: ignore[method-assign]
        killed = asyncio.ensure_future(outbox.is_killed.wait())
        # Some are killed while they wait or fetch, some are down for days.
        within = kills.choice([1, 3_600, 10**5, 10**7])
        await asyncio.wait({killed, ending}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        outbox.is_killed.set()
        await harness.stop()
        await asyncio.sleep(kills.choice([0, 60, 10**5]))
    last = Following(feed, plan=PLAN, core=core, step=step, filters=filters)
    await asyncio.sleep(60)
    await last.stop()
    trades = list((await opening.trades()).values())
    await opening.stop()
    core.close()
    return trades[::-1]


async def _accept(opening: Following, signals: Sequence[Signal], end: datetime) -> None:
    for signal in signals:
        await asyncio.sleep((signal.known_at - clock.now()).total_seconds())
        assert await opening.intake.accept(signal)
    await asyncio.sleep((end - clock.now()).total_seconds())


def test_the_candles_have_trades_of_all_kinds() -> None:
    """So that the comparison is of something."""
    candles = bundled_candles(PAIR)[:2_000]
    trades = lived(replay(MAUnifiedStrategy(CONFIG), candles).signals, candles, TIMEFRAME)
    reasons = {trade.end.reason and trade.end.reason.value for trade in trades if trade.end is not None}
    assert reasons >= {"target", "stop", "reversed"}
    assert all(trade.state is TradeState.CLOSED for trade in trades[:-1])
