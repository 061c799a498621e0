from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from signalpost import Candle, InvalidValue

GOOD = {"time": "2025-08-20T01:00:00Z", "open": 1.1, "high": 1.3, "low": 1.0, "close": 1.2}


def test_a_row_of_a_data_frame_is_a_candle() -> None:
    frame = pd.DataFrame(
        {"open": [1.1], "high": [1.3], "low": ["1.0"], "close": [1], "volume": [np.int64(7)]},
        index=pd.DatetimeIndex(["2025-08-20T03:00:00"], tz="Europe/Berlin"),
    )
    for time, row in frame.iterrows():
        candle = Candle(time=time, **row)
        assert candle == Candle(time="2025-08-20T01:00:00Z", open="1.1", high=np.float32(1.3), low=1, close=1, volume=7)
        assert [type(price) for price in (candle.open, candle.high, candle.low, candle.volume)] == [Decimal] * 4


def test_a_flat_candle_and_one_without_volume_are_candles() -> None:
    candle = Candle(time="2025-08-20T01:00:00Z", open=1, high=1, low=1, close=1)
    assert candle.volume is None
    assert candle.but(volume=0).volume == 0


@pytest.mark.parametrize(
    "wrong",
    [{"high": 0.9}, {"low": 1.15}, {"open": 1.31}, {"open": 0.99}, {"close": 1.31}, {"close": 0.99}, {"low": 1.4}],
)
def test_a_price_outside_low_to_high_is_refused_with_the_candle_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValue, match=r"^the candle of 2025-08-20T01:00:00Z has .*: high must be the highest"):
        Candle(**{**GOOD, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("price", [0, -1, float("nan"), float("inf"), None, True, "x"])
def test_each_price_must_be_a_finite_number_above_zero(name: str, price: object) -> None:
    with pytest.raises(InvalidValue, match=f"^{name} is "):
        Candle(**{**GOOD, name: price})  # type: ignore[arg-type]


def test_a_volume_below_zero_and_a_time_without_a_zone_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^volume is -1: it cannot be negative"):
        Candle(**{**GOOD, "volume": -1})  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"^time is 2025-08-20T01:00:00, which names no time zone"):
        Candle(**{**GOOD, "time": "2025-08-20T01:00:00"})  # type: ignore[arg-type]
