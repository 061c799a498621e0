from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import Candle, InvalidValue
from signalpost.domain.candle import PRICES
from signalpost.domain.exact import decimal_of
from tests.surface.errors import Facts, facts_of

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
    with pytest.raises(InvalidValue) as refusal:
        Candle(**{**GOOD, **wrong})  # type: ignore[arg-type]
    ((code, field, value, _),) = facts_of(refusal.value)
    assert (code, value) == ("conflict", str({**GOOD, **wrong}[str(field)]))
    assert "2025-08-20T01:00:00Z" in str(refusal.value)
    assert str(*wrong.values()) in str(refusal.value)


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("price", [float("nan"), float("inf"), None, True, "x"])
def test_each_price_must_be_a_finite_number(name: str, price: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Candle(**{**GOOD, name: price})  # type: ignore[arg-type]
    assert (refusal.value.code, refusal.value.field) == ("not-a-number", name)


@pytest.mark.parametrize(
    "prices", [(-14, "13.86", "-16.74", "10.01"), (0, 0, 0, 0), ("-37.63", "-9.12", "-40.32", "-13.1"), (1, 1, 0, 0)]
)
def test_a_candle_may_have_prices_of_zero_and_below(prices: tuple[object, ...]) -> None:
    try:
        candle = Candle(time="2020-04-20T22:00:00Z", **dict(zip(("open", "high", "low", "close"), prices, strict=True)))  # type: ignore[arg-type]
    except InvalidValue as fault:
        pytest.fail(str(fault))
    assert candle.low == Decimal(str(prices[2]))


def test_a_candle_reports_all_of_its_faults_at_once() -> None:
    with pytest.raises(InvalidValue) as refusal:
        Candle(time="now", open="x", high=None, low=1, close=1, volume=-1)  # type: ignore[arg-type]
    assert [fault.field for fault in refusal.value.errors] == ["time", "open", "high", "volume"]


def test_a_volume_below_zero_and_a_time_without_a_zone_are_refused() -> None:
    with pytest.raises(InvalidValue) as refusal:
        Candle(**{**GOOD, "volume": -1})  # type: ignore[arg-type]
    assert facts_of(refusal.value) == [Facts("out-of-range", "volume", "-1", "0 or more")]
    with pytest.raises(InvalidValue) as refusal:
        Candle(**{**GOOD, "time": "2025-08-20T01:00:00"})  # type: ignore[arg-type]
    assert facts_of(refusal.value) == [Facts("no-time-zone", "time", "2025-08-20T01:00:00")]


@given(
    prices=st.lists(st.decimals("-5", "5", places=3), min_size=4, max_size=4),
    volume=st.none() | st.decimals("0", "9", places=1),
)
def test_a_candle_of_checked_values_is_the_one_that_the_constructor_makes(
    prices: list[Decimal], volume: Decimal | None
) -> None:
    at = datetime(2026, 3, 3, tzinfo=UTC)
    checked = [decimal_of(price, "open") for price in prices]
    fields = dict(zip(PRICES, checked, strict=True))
    made = outcome(lambda: Candle(time=at, volume=volume, **fields))
    assert outcome(lambda: Candle.of_checked(at, checked, volume)) == made


def outcome(make: Callable[[], Candle]) -> object:
    """The candle, with its JSON, or the faults."""
    try:
        made = make()
    except InvalidValue as fault:
        return fault.errors
    return made, hash(made), made.to_json()
