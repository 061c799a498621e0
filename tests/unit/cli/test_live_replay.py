import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import pytest

from signalpost import (
    AsyncNotificationService,
    Candle,
    Config,
    Instrument,
    MAUnifiedConfig,
    MAUnifiedStrategy,
    Timeframe,
    UserTier,
    clock,
)
from signalpost.cli.demo import deliveries_table, seconds_table, summary
from signalpost.cli.live_replay import LiveReplay, ReplayClock, SignalTimes, Stopwatch, Stream, installed
from signalpost.config import DestinationConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.trade import Trade, result_of
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from signalpost.trading.feeds.bundled import bundled_days
from signalpost.trading.replay import replay as run
from signalpost.trading.strategies_file import bundled_strategies
from tests.trade_ends import Ended, ends

START = datetime(2020, 1, 6, tzinfo=UTC)
H4 = timedelta(hours=4)


class Delivering(NamedTuple):
    sandbox: Sandbox
    service: AsyncNotificationService
    clock: ReplayClock
    stopwatch: Stopwatch


def streams() -> dict[str, Stream]:
    """A market that falls and rises by turns: a cross every few candles."""
    closes = [100 + (n % 6 if n % 12 < 6 else 6 - n % 6) for n in range(60)]
    candles = [
        Candle(time=START + n * H4, open=close, high=close + 1, low=close - 1, close=close)
        for n, close in enumerate(closes)
    ]
    config = MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=1, slow=3, atr_period=2)
    return {"EUR_USD_H4": Stream(MAUnifiedStrategy(config), Timeframe("H4"), candles, UserTier.PREMIUM)}


@asynccontextmanager
async def delivering(home: Path, start: datetime) -> AsyncIterator[Delivering]:
    """A service on a replay's clock, which delivers to a local Discord."""
    async with Sandbox(limits=OFF) as sandbox:
        webhook = Secret(sandbox.webhook("signals-premium"))
        destination = DestinationConfig("signals-premium", webhook, NOTHING_ASSUMED)
        config = Config(home=home, destinations=(destination,), host_rate=None, run="replay-7")
        stopwatch = Stopwatch()
        with installed(ReplayClock(start)) as replay_clock:
            async with AsyncNotificationService(config, listeners=[stopwatch]) as service:
                yield Delivering(sandbox, service, replay_clock, stopwatch)


async def test_a_replay_is_delivered_on_its_own_clock_and_timed(tmp_path: Path) -> None:
    async with delivering(tmp_path, START) as (sandbox, service, replay_clock, stopwatch):
        replay = LiveReplay(service, replay_clock, streams(), stopwatch)
        instants = [at async for at in replay.run(speed=1e9)]
        shown = sandbox.discord.guild.messages("signals-premium")
    assert instants == [START + n * H4 for n in range(1, 61)]
    assert replay.candles == 60
    assert replay.signals > 5
    assert replay.refused == []
    assert replay.is_all_delivered
    delivered = ("signals-premium", "delivered")
    assert stopwatch.ended == {delivered: replay.signals}
    assert len(shown) == replay.signals + stopwatch.companions[delivered]
    assert "replay" in str(shown[0]["embeds"])
    for times in stopwatch.times_by_sequence.values():
        assert times.accepted is not None
        assert times.begun is not None
        assert times.delivered is not None
        assert 0 < times.generated < times.accepted < times.delivered
        assert times.begun < times.delivered
    assert re.findall(r"\d+", str(deliveries_table(replay, stopwatch).title)) == ["60", *[str(replay.signals)] * 2]
    assert seconds_table([]).title
    figures = summary(replay, stopwatch, is_whole=True)
    assert (figures["is_whole"], figures["all_delivered"], figures["refused"]) == (True, True, [])
    assert (figures["candles"], figures["signals"]) == (60, replay.signals)
    counts = {
        "count": replay.signals, "edits": stopwatch.edits[delivered], "companions": stopwatch.companions[delivered],
    }  # fmt: skip
    assert figures["deliveries"] == [{"destination": "signals-premium", "state": "delivered", **counts}]
    assert [list(each) for each in figures["seconds"].values()] == [["p50", "p99", "longest", "at_most"]] * 4


async def test_each_signal_is_followed_to_the_end_that_the_candles_give(tmp_path: Path) -> None:
    """The ends are computed by code of the tests, and compared with the signal book and with what readers see."""
    candles = bundled_days(Instrument("EUR_USD")).candles
    (config,) = (each.config for each in bundled_strategies() if each.config.key == "EUR_USD_D")
    signals = run(MAUnifiedStrategy(config), candles).signals
    expected = ends(signals, candles)
    assert {each.how for each in expected} == {"target", "stop", "reversed"}
    stream = Stream(MAUnifiedStrategy(config), config.timeframe, candles, UserTier.PREMIUM)
    async with delivering(tmp_path, candles[0].time) as (sandbox, service, replay_clock, stopwatch):
        replay = LiveReplay(service, replay_clock, {"EUR_USD_D": stream}, stopwatch)
        async for _ in replay.run(speed=1e9):
            pass
        shown = sandbox.discord.guild.messages("signals-premium")
    trades = replay.trades["EUR_USD_D"]
    assert [trade.signal.signal_id for trade in trades] == [signal.signal_id for signal in signals]
    assert [end_of(trade) for trade in trades] == expected
    assert replay.is_all_delivered
    cards = [message for message in shown if message["embeds"]]
    assert [bool(card["edited_timestamp"]) for card in cards] == [True] * len(signals)
    assert len(shown) - len(cards) == len(signals), "a companion for each end"


def end_of(trade: Trade) -> Ended:
    if trade.end is None:
        return Ended("open")
    assert trade.end.price is not None
    result = result_of(trade)
    assert result is not None
    assert result.exact_r is not None
    return Ended(str(trade.end.reason), Fraction(trade.end.price), result.exact_r)


async def test_a_change_of_a_trade_that_another_changed_is_refused_and_reported(tmp_path: Path) -> None:
    async with delivering(tmp_path, START) as (_, service, replay_clock, stopwatch):
        replay = LiveReplay(service, replay_clock, streams(), stopwatch)
        async for _ in replay.run(speed=1e9):
            trades = replay.trades["EUR_USD_H4"]
            if len(trades) == 1 and trades[0].version == 1:
                assert await service.update_signal(trades[0].signal, note="by hand")
    assert len(replay.refused) > 0
    assert not replay.is_all_delivered


@pytest.mark.parametrize(("state", "is_good"), [("delivered", True), ("superseded", True), ("dead", False)])
def test_each_edit_and_companion_must_be_delivered_or_be_superseded(state: str, is_good: bool) -> None:
    stopwatch = Stopwatch()
    stopwatch.edits["signals-free", "delivered"] = 1
    stopwatch.companions["signals-free", state] = 1
    assert stopwatch.is_all_delivered(0) is is_good


async def test_a_refused_signal_is_reported_and_not_delivered(tmp_path: Path) -> None:
    stopwatch = Stopwatch()
    with installed(ReplayClock(START)) as replay_clock:
        async with AsyncNotificationService(Config(home=tmp_path, run="r"), listeners=[stopwatch]) as service:
            replay = LiveReplay(service, replay_clock, streams(), stopwatch)
            async for _ in replay.run(speed=1e9):
                pass
    (reason,) = set(replay.refused)
    assert "signals-premium" in reason
    assert not replay.is_all_delivered
    assert replay.trades == {"EUR_USD_H4": []}
    figures = summary(replay, stopwatch, is_whole=False)
    assert (figures["is_whole"], figures["all_delivered"], figures["refused"]) == (False, False, [reason])


async def test_a_slow_replay_takes_its_time(tmp_path: Path) -> None:
    stopwatch = Stopwatch()
    with installed(ReplayClock(START)) as replay_clock:
        async with AsyncNotificationService(Config(home=tmp_path, run="r")) as service:
            replay = LiveReplay(service, replay_clock, streams(), stopwatch)
            began = perf_counter()
            async for _ in replay.run(speed=59 * H4.total_seconds() / 0.3):
                pass
    assert perf_counter() - began >= 0.3


def test_the_replays_clock_leaps_forward_only_and_goes_on_in_between() -> None:
    before = clock.now()
    with installed(ReplayClock(START)) as replay_clock:
        assert START <= clock.now() < START + timedelta(minutes=1)
        replay_clock.leap_to(START + H4)
        first = clock.now()
        assert START + H4 <= first < START + H4 + timedelta(minutes=1)
        replay_clock.leap_to(START)
        assert clock.now() > first
    assert clock.now() >= before


def test_each_time_is_compared_with_its_limit_by_the_longest() -> None:
    quick, slow, lost = (SignalTimes(perf_counter()) for _ in range(3))
    quick.generated, quick.accepted, quick.begun, quick.delivered = 0.001, 0.002, 0.003, 0.004
    slow.generated, slow.accepted, slow.begun, slow.delivered = 0.001, 0.2, 0.3, 6.001
    lost.generated = 0.6
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    Console(file=text, width=120).print(seconds_table([quick, slow, lost]))
    rows = [" ".join(line.replace("│", " ").split()) for line in text.getvalue().splitlines() if " ms " in line]
    expected = (
        "1.0 ms 600.0 ms 600.0 ms 500 ms fail",
        "199.0 ms 199.0 ms 199.0 ms 100 ms fail",
        "299.0 ms 299.0 ms 299.0 ms 1,000 ms pass",
        "6,000.0 ms 6,000.0 ms 6,000.0 ms 5,000 ms fail",
    )
    for row, end in zip(rows, expected, strict=True):
        assert row.endswith(end)
