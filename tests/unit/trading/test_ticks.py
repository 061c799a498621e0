from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import InvalidConfiguration, InvalidValue
from signalpost.trading.ticks import TickScale
from tests.surface.errors import Facts, facts_of


@settings(print_blob=True)
@given(st.integers(0, 10**18), st.integers(0, 18))
def test_converting_to_a_price_and_back_loses_nothing(ticks: int, places: int) -> None:
    scale, price = TickScale(places), Decimal(ticks).scaleb(-places)
    assert scale.ticks(price) == ticks
    assert scale.price(ticks) == price
    assert scale.exact_ticks(price) == ticks


def test_the_spelling_of_a_price_does_not_matter() -> None:
    scale = TickScale(2)
    assert [scale.ticks(Decimal(text)) for text in ("1.5", "1.50", "1.500000", "15E-1", "1E+2")] == [150] * 3 + [
        150,
        10_000,
    ]


def test_a_price_with_more_decimals_than_the_stream_is_refused_not_rounded() -> None:
    with pytest.raises(InvalidValue, match=r"1\.234") as refusal:
        TickScale(2).ticks(Decimal("1.234"))
    assert facts_of(refusal.value) == [Facts("too-fine", None, "1.234", "2 decimals")]


def test_a_fraction_of_ticks_is_a_price_rounded_half_to_even_at_18_decimals() -> None:
    assert TickScale(5).price(Fraction(1, 3)) == Decimal("0.000003333333333333")
    assert TickScale(12).price(Fraction(25, 10**7)) == Decimal("2e-18")  # from 2.5 units
    assert TickScale(12).price(Fraction(35, 10**7)) == Decimal("4e-18")  # from 3.5 units
    assert TickScale(5).price(-1) == Decimal("-0.00001")


def test_a_number_finer_than_a_tick_is_a_fraction_of_one() -> None:
    assert TickScale(3).exact_ticks(Decimal("0.0002")) == Fraction(1, 5)


def test_the_callers_decimal_context_makes_no_difference() -> None:
    with localcontext(prec=3):
        scale = TickScale(5)
        assert scale.ticks(Decimal("123456.78901")) == 12_345_678_901
        assert scale.price(12_345_678_901) == Decimal("123456.78901")


def test_the_largest_price_of_all_fits_at_the_finest_scale() -> None:
    assert TickScale(12).ticks(Decimal("9.99e18")) == 999 * 10**28


@pytest.mark.parametrize("places", [-1, 19, True, 2.0, "5", None])
def test_decimals_are_a_whole_number_up_to_eighteen(places: object) -> None:
    with pytest.raises(InvalidConfiguration, match="18") as refusal:
        TickScale(places)  # type: ignore[arg-type]
    assert facts_of(refusal.value) == [Facts("out-of-range", "places", repr(places), "0 to 18")]
