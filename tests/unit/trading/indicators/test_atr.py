from fractions import Fraction

import pytest

from signalpost import InvalidConfiguration, InvalidSnapshot
from signalpost.trading.indicators.atr import ATR_KINDS, AverageTrueRange
from tests.surface.errors import Facts, facts_of

CANDLES = [(12, 10, 11), (14, 11, 14), (14, 14, 14), (20, 16, 18), (19, 17, 17)]
"""High, low and close: their true ranges are 2, 3, 0, 6 and 2."""


def averages(kind: str, period: int) -> list[Fraction | None]:
    average = AverageTrueRange(kind, period)
    values = []
    for candle in CANDLES:
        average.update(*candle)
        values.append(average.value)
    return values


def test_the_simple_atr_averages_the_last_true_ranges_including_the_first_candle() -> None:
    assert averages("simple", 2) == [None, Fraction(5, 2), Fraction(3, 2), 3, 4]


def test_wilders_atr_is_seeded_without_the_first_candle_and_warm_one_candle_later() -> None:
    assert averages("wilder", 2) == [None, None, Fraction(3, 2), Fraction(15, 4), Fraction(23, 8)]


def test_with_a_period_of_one_both_are_the_true_range() -> None:
    assert averages("simple", 1) == [2, 3, 0, 6, 2]
    assert averages("wilder", 1) == [None, 3, 0, 6, 2]


@pytest.mark.parametrize(("kind", "candles"), [("simple", 3), ("wilder", 4)])
def test_it_is_warm_as_soon_as_it_has_a_value(kind: str, candles: int) -> None:
    average = AverageTrueRange(kind, 3)
    for candle in CANDLES[: candles - 1]:
        average.update(*candle)
        assert (average.is_warm, average.value) == (False, None)
    average.update(*CANDLES[candles - 1])
    assert average.is_warm
    assert average.value == 3 if kind == "wilder" else Fraction(5, 3)


def test_a_market_that_does_not_move_has_an_average_of_zero() -> None:
    for kind in ATR_KINDS:
        average = AverageTrueRange(kind, 2)
        for _ in range(4):
            average.update(7, 7, 7)
        assert average.value == 0


@pytest.mark.parametrize("stop", range(len(CANDLES)))
@pytest.mark.parametrize("kind", ATR_KINDS)
def test_a_restored_atr_continues_as_if_never_stopped(kind: str, stop: int) -> None:
    stopped, resumed = AverageTrueRange(kind, 2), AverageTrueRange(kind, 2)
    for candle in CANDLES[:stop]:
        stopped.update(*candle)
    resumed.restore(stopped.snapshot())
    for candle in CANDLES[stop:]:
        stopped.update(*candle)
        resumed.update(*candle)
    assert resumed.snapshot() == stopped.snapshot()
    assert resumed.value == stopped.value


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"true_range": {"last_close": 3}},
        {"true_range": {"last_close": 3}, "mean": [1]},
        {"true_range": {"last_close": 3}, "mean": {"window": [1, 2, 3], "seed": [1, 2], "scaled": None}},
        {"true_range": {}, "mean": {"window": [1], "seed": [1], "scaled": None}},
    ],
)
@pytest.mark.parametrize("kind", ATR_KINDS)
def test_a_damaged_state_is_refused_and_changes_nothing(kind: str, saved: dict[str, object]) -> None:
    average = AverageTrueRange(kind, 2)
    average.update(*CANDLES[0])
    before = average.snapshot()
    with pytest.raises(InvalidSnapshot):
        average.restore(saved)
    assert average.snapshot() == before


def test_an_unknown_kind_or_a_period_of_zero_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="'ema'") as refusal:
        AverageTrueRange("ema", 14)
    assert facts_of(refusal.value) == [Facts("unknown-word", "atr", "'ema'", "simple, wilder")]
    for kind in ATR_KINDS:
        with pytest.raises(InvalidConfiguration, match="0") as refusal:
            AverageTrueRange(kind, 0)
        assert facts_of(refusal.value) == [Facts("out-of-range", "period", "0", "1 to 100000")]
