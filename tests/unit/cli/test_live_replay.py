"""A service runs a strategy on past candles, driven by a clock that leaps."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Self

import msgspec
import pytest

from signalpost import AsyncNotificationService, Candle, Config, Instrument, MAUnifiedStrategy, clock
from signalpost.cli import live_replay
from signalpost.cli.demo import deliveries_table, seconds_table, summary
from signalpost.cli.live_replay import LiveReplay, ReplayClock, SignalTimes, Stopwatch, installed
from signalpost.config import DestinationConfig, FeedConfig, StrategyConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.trade import Trade, result_of
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from signalpost.sinks.discord.cards.look import ChartTheme, Look
from signalpost.trading.calendar import ALWAYS, FX
from signalpost.trading.feeds.bundled import bundled_days
from signalpost.trading.replay import replay as run
from signalpost.trading.strategies_file import bundled_strategies
from tests.trade_ends import Ended, ends

START = datetime(2020, 1, 6, tzinfo=UTC)
H4 = timedelta(hours=4)
KEY = "EUR_USD_H4"
WITHOUT_CHARTS = Look(chart=ChartTheme.OFF)


class Delivering(NamedTuple):
    sandbox: Sandbox
    service: AsyncNotificationService
    stopwatch: Stopwatch
    replay: LiveReplay


class Market(NamedTuple):
    """A strategy, and all candles of its feed."""

    strategy: StrategyConfig
    candles: Sequence[Candle]

    @classmethod
    def of(cls, candles: Sequence[Candle], **settings: Any) -> Self:
        table = {"pair": "EUR_USD", "timeframe": "H4", "atr_period": 2, "feed": "past", "tiers": ["premium"]}
        return cls(StrategyConfig.of({**table, **settings}), candles)

    @property
    def feed(self) -> FeedConfig:
        candles = {(self.strategy.pair, self.strategy.timeframe): self.candles}
        return FeedConfig("past", "replay", ALWAYS if self.strategy.timeframe == "H4" else FX, {"candles": candles})


def waves() -> Market:
    """A market that falls and rises by turns: a cross every few candles."""
    prices = [100 + (n % 6 if n % 12 < 6 else 6 - n % 6) for n in range(60)]
    candles = [
        Candle(time=START + n * H4, open=close, high=close + 1, low=close - 1, close=close)
        for n, close in enumerate(prices)
    ]
    return Market.of(candles, fast=1, slow=3)


@asynccontextmanager
async def delivering(
    home: Path, market: Market, *channels: str, look: Look = WITHOUT_CHARTS
) -> AsyncIterator[Delivering]:
    """A service on a replay's clock, which runs a strategy and delivers to a local Discord."""
    async with Sandbox(limits=OFF) as sandbox:
        destinations = tuple(
            DestinationConfig(name, Secret(sandbox.webhook(name)), NOTHING_ASSUMED)
            for name in channels or ("signals-premium",)
        )
        config = Config(
            home=home,
            destinations=destinations,
            host_rate=None,
            run="replay-7",
            feeds=(market.feed,),
            strategies=(market.strategy,),
            look=look,
        )
        with installed(ReplayClock(market.candles[0].time + market.strategy.timeframe.duration)) as replay_clock:
            stopwatch = Stopwatch(replay_clock)
            service = AsyncNotificationService(
                config,
                listeners=[stopwatch],
                candles=lambda signal: replay.history(signal),  # noqa: PLW0108  # it is made below
            )
            async with service:
                replay = LiveReplay(service, replay_clock, {market.strategy.key: market.candles}, stopwatch)
                yield Delivering(sandbox, service, stopwatch, replay)


async def test_a_replay_is_delivered_on_its_own_clock_and_timed(tmp_path: Path) -> None:
    async with delivering(tmp_path, waves()) as (sandbox, _, stopwatch, replay):
        instants = [at async for at in replay.run(1e9, asyncio.Event())]
        trades = await replay.trades()
        shown = sandbox.discord.guild.messages("signals-premium")
        figures = summary(replay, trades, is_whole=True)
    assert instants == [START + n * H4 for n in range(2, 61)]
    assert (figures["candles"], figures["refused"]) == (60, [])
    signals = len(stopwatch.times_by_sequence)
    assert signals == len(trades[KEY]) == figures["signals"] > 5
    assert stopwatch.is_all_delivered
    delivered = ("signals-premium", "delivered")
    assert stopwatch.ended == {delivered: signals}
    assert len(shown) == signals + stopwatch.companions[delivered]
    assert "replay" in str(shown[0]["embeds"])
    for times in stopwatch.times_by_sequence.values():
        assert times.accepted is not None
        assert times.begun is not None
        assert times.delivered is not None
        assert 0 < times.generated < times.accepted < times.delivered < 60, "from when the candle was due"
        assert times.begun < times.delivered
    assert re.findall(r"\d+", str(deliveries_table(stopwatch).title)) == ["60", *[str(signals)] * 2]
    assert seconds_table([]).title
    assert (figures["is_whole"], figures["all_delivered"]) == (True, True)
    counts = {"count": signals, "edits": stopwatch.edits[delivered], "companions": stopwatch.companions[delivered]}
    assert {"destination": "signals-premium", "state": "delivered", **counts} in figures["deliveries"]
    assert [list(each) for each in figures["seconds"].values()] == [["p50", "p99", "longest", "at_most"]] * 4


async def test_the_clock_stands_still_until_the_first_candles_are_taken(tmp_path: Path) -> None:
    async with delivering(tmp_path, waves()) as (_, _, stopwatch, replay):
        taken = [stopwatch.candles async for _ in replay.run(1e9, asyncio.Event())]
    assert taken == list(range(2, 61))


async def test_each_signal_is_followed_to_the_end_that_the_candles_give(tmp_path: Path) -> None:
    """The ends are computed by code of the tests, and compared with the signal book and with what readers see."""
    candles = bundled_days(Instrument("EUR_USD")).candles
    (config,) = (each.config for each in bundled_strategies() if each.config.key == "EUR_USD_D")
    signals = run(MAUnifiedStrategy(config), candles).signals
    expected = ends(signals, candles)
    assert {each.how for each in expected} == {"target", "stop", "reversed"}
    market = Market.of(candles, **msgspec.structs.asdict(config))
    async with delivering(tmp_path, market) as (sandbox, _, stopwatch, replay):
        async for _ in replay.run(1e9, asyncio.Event()):
            pass
        trades = (await replay.trades())["EUR_USD_D"]
        shown = sandbox.discord.guild.messages("signals-premium")
    assert [trade.signal.signal_id for trade in trades] == [signal.signal_id for signal in signals]
    assert [end_of(trade) for trade in trades] == expected
    assert stopwatch.is_all_delivered
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


@pytest.mark.parametrize(("state", "is_good"), [("delivered", True), ("superseded", True), ("dead", False)])
def test_each_edit_and_companion_must_be_delivered_or_be_superseded(state: str, is_good: bool) -> None:
    stopwatch = Stopwatch(ReplayClock(START))
    stopwatch.edits["signals-free", "delivered"] = 1
    stopwatch.companions["signals-free", state] = 1
    assert stopwatch.is_all_delivered is is_good


async def test_a_refused_signal_is_reported_and_not_delivered(tmp_path: Path) -> None:
    async with delivering(tmp_path, waves(), "signals-free") as (_, _, stopwatch, replay):
        async for _ in replay.run(1e9, asyncio.Event()):
            pass
        trades = await replay.trades()
        figures = summary(replay, trades, is_whole=False)
    (reason,) = set(stopwatch.refused)
    assert "signals-premium" in reason
    assert not stopwatch.is_all_delivered
    assert trades == {KEY: []}
    assert (figures["is_whole"], figures["all_delivered"], figures["refused"]) == (False, False, [reason])


async def test_a_slow_replay_takes_its_time_and_draws_charts(tmp_path: Path) -> None:
    """A chart has the candles up to its signal."""
    market = waves()
    async with delivering(tmp_path, market, look=Look()) as (_, _, _, replay):
        began = perf_counter()
        async for _ in replay.run(59 * H4.total_seconds() / 0.3, asyncio.Event()):
            pass
        assert perf_counter() - began >= 0.3
        last = (await replay.trades())[KEY][-1].signal
        replay.is_late = False
        history = await replay.history(last)
        assert history is not None
        assert (history.candles[-1], history.periods) == (market.candles[-1], (1, 3))


@pytest.mark.parametrize("share", [0, 1e-9, 1])
async def test_a_replay_that_is_late_waits_for_charts_for_a_share_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(live_replay, "_LATE", 0)
    monkeypatch.setattr(live_replay, "_FOR_CHARTS", share)
    async with delivering(tmp_path, waves(), look=Look()) as (sandbox, _, stopwatch, replay):
        async for _ in replay.run(1e9, asyncio.Event()):
            pass
        shown = sandbox.discord.guild.messages("signals-premium")
        charts = sum(bool(each["attachments"]) for each in shown)
        signals = len(stopwatch.times_by_sequence)
        wanted = {0: {0}, 1e-9: {1}, 1: set(range(signals // 2, signals + 1))}[share]
        assert charts in wanted
        last = (await replay.trades())[KEY][-1].signal
        assert (await replay.history(last) is not None) is (share == 1)


async def test_a_replay_that_waits_for_its_next_candle_ends_as_soon_as_it_is_stopped(tmp_path: Path) -> None:
    stopped = asyncio.Event()
    async with delivering(tmp_path, waves()) as (_, _, _, replay):
        asyncio.get_running_loop().call_soon(stopped.set)
        async with asyncio.timeout(10):
            assert [at async for at in replay.run(1e-9, stopped)] == []


async def test_a_replay_that_cannot_keep_its_speed_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_replay, "_LATE", 0)
    async with delivering(tmp_path, waves()) as (_, _, _, replay):
        late = [replay.is_late async for _ in replay.run(1e9, asyncio.Event())]
    assert late == [True] * 59


def test_the_clock_of_a_replay_leaps_forward_only_and_goes_on_in_between() -> None:
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
    quick, slow, lost = (SignalTimes(perf_counter(), generated) for generated in (0.001, 0.001, 0.6))
    quick.accepted, quick.begun, quick.delivered = 0.002, 0.003, 0.004
    slow.accepted, slow.begun, slow.delivered = 0.2, 0.3, 6.001
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
