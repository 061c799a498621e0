from decimal import Decimal
from typing import Any

import pytest

from signalpost import InvalidValue
from signalpost.domain.seconds import WITHOUT_BOUND, seconds


@pytest.mark.parametrize(
    ("timeout", "meant"),
    [
        (2, 2.0),
        (0.5, 0.5),
        (0, 0.0),
        (-1, 0.0),
        (None, WITHOUT_BOUND),
        (float("inf"), WITHOUT_BOUND),
        (10**309, WITHOUT_BOUND),
        (float("-inf"), 0.0),
    ],
    ids=str,
)
def test_a_wait_is_seconds_none_is_without_bound_and_what_is_over_is_no_wait(
    timeout: float | None, meant: float
) -> None:
    assert seconds(timeout) == meant


@pytest.mark.parametrize("timeout", [float("nan"), "5", True, Decimal(5)])
def test_what_is_no_number_of_seconds_is_refused_by_name(timeout: Any) -> None:
    with pytest.raises(InvalidValue, match=r"within is .*: give seconds, or None to wait without bound"):
        seconds(timeout, "within")
