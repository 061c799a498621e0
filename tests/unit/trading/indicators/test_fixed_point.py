from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost.trading.indicators.moving_average import half_even


@pytest.mark.parametrize(
    ("dividend", "divisor", "rounded"),
    [
        (1, 2, 0),
        (3, 2, 2),
        (5, 2, 2),
        (-1, 2, 0),
        (-3, 2, -2),
        (-5, 2, -2),
        (2, 3, 1),
        (1, 3, 0),
        (-2, 3, -1),
        (6, 3, 2),
    ],
)
def test_it_rounds_to_the_nearest_and_ties_to_even(dividend: int, divisor: int, rounded: int) -> None:
    assert half_even(dividend, divisor) == rounded


@settings(print_blob=True)
@given(st.integers(), st.integers(1, 200_000))
def test_it_rounds_like_a_fraction(dividend: int, divisor: int) -> None:
    assert half_even(dividend, divisor) == round(Fraction(dividend, divisor))
