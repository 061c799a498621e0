import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import InvalidValue
from signalpost.trading.feeds.price_grid import PriceGrid, grid_of
from tests.surface.errors import Facts, facts_of


def decimals(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def test_a_market_has_the_decimals_of_its_longest_price() -> None:
    assert grid_of(decimals("1.1", "1.16344", "2")).places == 5
    assert grid_of(decimals("100", "1E+2")).places == 0


def test_trailing_zeros_count_as_written() -> None:
    assert grid_of(decimals("1.10000", "1.2")).places == 5


def test_prices_longer_than_any_market_quotes_do_not_count() -> None:
    assert grid_of(decimals("1.0842", "1.0841999999999998")).places == 4


def test_if_all_are_longer_the_grid_has_the_fewest_decimals_that_keep_them() -> None:
    assert grid_of(decimals("1.0842000000000001", "1.0841999999999998")).places == 4
    assert grid_of(decimals("0.00003123000000000001")).places == 8


def test_no_market_has_more_than_eighteen_decimals() -> None:
    assert grid_of(decimals("0.00000000000012345")).places == 17
    assert grid_of(decimals("0.00000000000000000012345")).places == 18
    assert grid_of(decimals("0.1234567890123456789")).places <= 18


def test_a_small_price_is_never_rounded_to_zero() -> None:
    with pytest.raises(InvalidValue) as refusal:
        PriceGrid(2).nearest(Decimal("2.3e-13"))
    assert refusal.value.code == "too-fine"
    assert grid_of(decimals("0", "2.3e-13", "-5")).places == 14
    assert PriceGrid(2).nearest(Decimal("-1.160000000000001")) == Decimal("-1.16")


def test_a_grid_is_as_fine_as_the_instrument_and_the_quoted_prices() -> None:
    assert grid_of(decimals("2850.1"), at_least=3).places == 3
    assert grid_of(decimals("2850.1", "2850.1255"), at_least=3).places == 4
    assert grid_of(decimals("1.1634400000001", "1.1634400000000001"), at_least=5).places == 5


def test_a_price_on_the_grid_does_not_change() -> None:
    price = Decimal("1.16344")
    assert PriceGrid(5).nearest(price) is price
    assert PriceGrid(2).nearest(Decimal("1.16000")) == Decimal("1.16")


@pytest.mark.parametrize(("given_", "rounded"), [("1.1634400000001", "1.16344"), ("1.1634399999999", "1.16344")])
def test_noise_is_rounded_away(given_: str, rounded: str) -> None:
    assert PriceGrid(5).nearest(Decimal(given_)) == Decimal(rounded)


@pytest.mark.parametrize("price", ["1.163441", "1.00000000100000001", "1.0000000011"])
def test_a_difference_of_a_billionth_or_more_is_not_noise(price: str) -> None:
    with pytest.raises(InvalidValue, match="5") as refusal:
        PriceGrid(5).nearest(Decimal(price))
    assert facts_of(refusal.value) == [Facts("too-fine", None, price, "5 decimals")]


@given(st.integers(1, 10**9), st.integers(0, 8))
def test_the_callers_decimal_context_changes_nothing(ticks: int, places: int) -> None:
    price = Decimal(ticks).scaleb(-places)
    noisy = decimal.Context(prec=60).add(price, Decimal(ticks).scaleb(-places - 15))
    with decimal.localcontext(decimal.Context(prec=1, traps=[decimal.Inexact])):
        assert PriceGrid(places).nearest(noisy) == price
