"""The moving-average strategy over the bundled candles: each life ends as an independent computation says."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest

from signalpost.domain.candle import Candle
from signalpost.domain.change import Close, CloseReason, Fill, Update
from signalpost.domain.life import opened
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import result_of
from signalpost.trading.feeds.bundled import bundled_candles, bundled_days
from signalpost.trading.outcomes import QuoteCandle, begin, reverses
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from signalpost.trading.strategies_file import bundled_strategies
from tests.unit.trading.outcomes.lives import Life
from tests.unit.trading.outcomes.reference import Bar, Plan, story

CONFIGS = {each.config.key: each.config for each in bundled_strategies()}
CASES = {
    "GBP_USD_H4": Counter({"stop": 49, "reversed": 24, "target": 23}),
    "EUR_USD_D": Counter({"target": 14, "stop": 11, "reversed": 5}),
}
"""Strategies with many reversals, and how their trades end."""


def followed(key: str, candles: Sequence[Candle]) -> list[Life]:
    """All lives, oldest first. Those that have ended take no more candles.

    In each candle the newer trade comes first, because its fill reverses the older ones.
    """
    config = CONFIGS[key]
    strategy = MAUnifiedStrategy(config)
    lives: list[Life] = []
    for candle in candles:
        quotes = QuoteCandle.of_mid(candle, config.timeframe)
        for number in [number for number in reversed(range(len(lives))) if lives[number].trade.end is None]:
            life, fill = lives[number], None
            newer = lives[number + 1].trade if number + 1 < len(lives) else None
            if newer is not None and newer.fill is not None and newer.fill.at == candle.time:
                fill = newer.fill if reverses(newer.signal, life.trade) else None
            lives[number] = life.take(quotes, reversal=fill)
        answer = strategy.on_candle(candle)
        if isinstance(answer, Signal):
            trade = opened(answer, len(lives) + 1, (UserTier.FREE,), answer.known_at)
            lives.append(Life(trade, begin(trade, config.timeframe, by_strategy=True)))
    return lives


def ticks(price: Decimal | None) -> Fraction:
    assert price is not None
    return Fraction(price)


@pytest.mark.parametrize("key", CASES)
def test_each_life_ends_as_an_independent_computation_says(key: str) -> None:
    config = CONFIGS[key]
    is_daily = config.timeframe == Timeframe("D")
    candles = bundled_days(config.pair).candles if is_daily else bundled_candles(config.pair)
    bars = [
        Bar(*[tuple(Fraction(price) for price in (each.open, each.high, each.low, each.close))] * 2)  # type: ignore[arg-type]
        for each in candles
    ]
    number_of = {each.time: number for number, each in enumerate(candles)}
    lives, ends = followed(key, candles), Counter[str]()
    for life, later in zip(lives, [*lives[1:], None], strict=True):
        signal, first = life.trade.signal, number_of[life.trade.signal.timestamp] + 1
        plan = Plan(
            side=signal.signal_type,
            order="MARKET",
            entry=ticks(signal.entry_price),
            stop=ticks(signal.stop_loss),
            targets=[ticks(signal.take_profit)],
            leaves=None if later is None else number_of[later.trade.signal.timestamp] + 1 - first,
        )
        expected = story(plan, bars[first:])
        prices = [price_of(change, signal) for change in life.changes]
        assert prices == [event.price for event in expected.events]
        if expected.r is not None:
            result = result_of(life.trade)
            assert result is not None
            assert result.r == Decimal(round(expected.r * 10**18)).scaleb(-18)
            assert life.trade.end is not None
            ends[str(life.trade.end.reason)] += 1
            assert expected.events[-1].what == life.trade.end.reason
    assert ends == CASES[key]
    assert CloseReason.REVERSED in ends


def price_of(change: object, signal: Signal) -> Fraction:
    if isinstance(change, Update):
        return ticks(signal.take_profit)
    assert isinstance(change, Fill | Close)
    return ticks(change.price)
