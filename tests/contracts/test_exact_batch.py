from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import Candle, Filtered, MAUnifiedConfig, MAUnifiedStrategy, Signal
from signalpost.trading.indicators.atr import AverageTrueRange
from tests.contracts import exact_batch
from tests.contracts.made_candles import PLACES
from tests.contracts.made_candles import candles as made_candles
from tests.contracts.samples import SAMPLES
from tests.size import size

pytestmark = pytest.mark.unmeasured

Real = Callable[[str], Sequence[Candle]]

TICK = Decimal(1).scaleb(-PLACES)


def assert_same(candles: Sequence[Candle], config: MAUnifiedConfig) -> None:
    """Check that each candle's decision and each number of each signal equal the batch computation, to the bit."""
    strategy = MAUnifiedStrategy(config)
    answers = [strategy.on_candle(candle) for candle in candles]
    expected = {cross.index: cross for cross in exact_batch.crosses(candles, config)}
    for index, answer in enumerate(answers):
        cross = expected.pop(index, None)
        if cross is None:
            assert answer is None, index
        elif cross.filters:
            assert isinstance(answer, Filtered), index
            assert (answer.signal_type, answer.filters) == (cross.side, cross.filters), index
        else:
            assert isinstance(answer, Signal), index
            assert (answer.signal_type, answer.timestamp) == (cross.side, candles[index].time)
            assert {name: Fraction(getattr(answer, name)) for name in cross.prices} == cross.prices, index
    assert not expected


periods = [(10, 20), (40, 140), (1, 2), (160, 20)]


@pytest.mark.parametrize(("pair", "atr"), [("EUR_USD", "simple"), ("USD_JPY", "wilder")])
@pytest.mark.parametrize(("fast", "slow"), periods)
def test_real_candles_give_the_same_signals_as_the_batch(pair: str, fast: int, slow: int, atr: str, real: Real) -> None:
    config = MAUnifiedConfig(pair=pair, timeframe="H4", fast=fast, slow=slow, atr=atr, inverted=fast > slow)
    assert_same(real(pair), config)


@pytest.mark.parametrize("config", SAMPLES["ma-unified"], ids=lambda config: config.key)
def test_the_samples_give_the_same_signals_as_the_batch(config: MAUnifiedConfig, real: Real) -> None:
    assert_same(real(config.pair), config)


@st.composite
def configs(draw: st.DrawFn) -> MAUnifiedConfig:
    fast, slow = draw(st.sampled_from([pair for pair in product(range(1, 7), repeat=2) if pair[0] != pair[1]]))
    return MAUnifiedConfig(
        pair="EUR_USD",
        timeframe="H4",
        fast=fast,
        slow=slow,
        inverted=fast > slow,
        atr=draw(st.sampled_from(["simple", "wilder"])),
        atr_period=draw(st.integers(1, 6)),
        sl_mult=draw(st.sampled_from(["0.1", "1.1", "1.5", "2", "7"])),
        tp_mult=draw(st.sampled_from(["0.3", "2.2", "2.25", "3"])),
        min_atr=draw(st.sampled_from([Decimal(0), TICK, TICK * 2, TICK * Decimal("2.5")])),
        min_rr=draw(st.sampled_from(["0", "1.5", "2", "3"])),
    )


@settings(print_blob=True, max_examples=size(50, 600))
@given(candles=made_candles(), config=configs())
def test_random_candles_give_the_same_signals_as_the_batch(candles: list[Candle], config: MAUnifiedConfig) -> None:
    assert_same(candles, config)


@settings(print_blob=True, max_examples=size(25, 300))
@given(candles=made_candles(min_size=15, max_size=60), period=st.integers(1, 14))
def test_each_average_true_range_equals_the_batch_at_every_candle(candles: list[Candle], period: int) -> None:
    """To the bit. And Wilder's rounding errors never add up to more than `period` half units.

    Each step errs by half a unit of 2**-64 ticks at most, and passes on (n - 1)/n of the error it was given.
    """
    simple, wilder = AverageTrueRange("simple", period), AverageTrueRange("wilder", period)
    ranges = [reach * 10**PLACES for reach in exact_batch.true_ranges(candles)]
    means = exact_batch.means(ranges, period)
    rounded, unrounded = (exact_batch.wilder(ranges, period, grid=grid) for grid in (2**64, None))
    for index, each in enumerate(candles):
        ticks = [int(price.scaleb(PLACES)) for price in (each.high, each.low, each.close)]
        simple.update(*ticks)
        wilder.update(*ticks)
        assert (simple.value, wilder.value) == (means[index], rounded[index])
        if wilder.value is not None:
            assert abs(wilder.value - unrounded[index]) <= Fraction(period, 2**65)
