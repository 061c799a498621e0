from decimal import Decimal
from typing import Any

import pytest

from signalpost import InvalidValue
from signalpost.domain.seconds import WITHOUT_BOUND, seconds
from signalpost.errors import shown
from tests.surface.errors import Facts, facts_of


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
def test_a_timeout_is_in_seconds_none_has_no_limit_and_a_negative_one_is_zero(
    timeout: float | None, meant: float
) -> None:
    assert seconds(timeout) == meant


@pytest.mark.parametrize("timeout", [float("nan"), "5", True, Decimal(5)])
def test_a_timeout_that_is_not_a_number_is_refused_by_name(timeout: Any) -> None:
    with pytest.raises(InvalidValue) as refusal:
        seconds(timeout, "within")
    assert facts_of(refusal.value) == [Facts("not-a-number", "within", shown(timeout))]
