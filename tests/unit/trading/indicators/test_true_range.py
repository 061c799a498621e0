import pytest

from signalpost import InvalidSnapshot
from signalpost.trading.indicators.atr import TrueRange


def test_the_first_true_range_is_high_minus_low() -> None:
    assert TrueRange().update(high=12, low=7, close=9) == 5


@pytest.mark.parametrize(
    ("high", "low", "reach"),
    [
        (12, 7, 5),  # the last close lies within
        (10, 7, 3),  # at the high
        (13, 10, 3),  # at the low
        (15, 13, 5),  # a gap up counts
        (8, 6, 4),  # a gap down counts
        (10, 10, 0),  # nothing moved
        (14, 14, 4),  # a flat candle after a gap
    ],
)
def test_a_later_true_range_includes_the_last_close(high: int, low: int, reach: int) -> None:
    true_range = TrueRange()
    true_range.update(high=11, low=9, close=10)
    assert true_range.update(high, low, close=low) == reach


def test_the_last_close_is_restored() -> None:
    stopped, resumed = TrueRange(), TrueRange()
    resumed.restore(stopped.snapshot())
    assert not resumed.has_last_close
    stopped.update(high=11, low=9, close=10)
    resumed.restore(stopped.snapshot())
    assert resumed.has_last_close
    assert resumed.update(high=15, low=13, close=14) == 5


@pytest.mark.parametrize("saved", [{}, {"last_close": 1.5}, {"last_close": "ten"}, {"last_close": [10]}])
def test_a_damaged_state_is_refused_and_changes_nothing(saved: dict[str, object]) -> None:
    true_range = TrueRange()
    true_range.update(high=11, low=9, close=10)
    with pytest.raises(InvalidSnapshot, match="last_close") as refusal:
        true_range.restore(saved)
    assert (refusal.value.code, refusal.value.field) == ("not-a-number", "last_close")
    assert true_range.snapshot() == {"last_close": 10}
