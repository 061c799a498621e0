import pytest

from signalpost import InvalidSnapshot
from signalpost.trading.indicators.cross import DOWN, NONE, UP, Cross


@pytest.mark.parametrize(
    ("before", "now", "cross"),
    [
        (-1, +1, UP),
        (0, +1, UP),  # a tie is not above, so leaving it upwards is a cross
        (+2, +1, NONE),
        (+1, -1, DOWN),
        (0, -1, DOWN),
        (-2, -1, NONE),
        (-1, 0, NONE),  # reaching a tie is not a cross
        (+1, 0, NONE),
        (0, 0, NONE),
    ],
)
def test_a_cross_is_above_now_and_not_above_before_or_the_reverse(before: int, now: int, cross: int) -> None:
    lines = Cross()
    assert lines.update(before) == NONE, "the first comparison has nothing before it"
    assert lines.update(now) == cross


def test_leaving_a_tie_is_a_cross_and_passing_through_one_is_a_single_cross() -> None:
    lines = Cross()
    assert [lines.update(difference) for difference in (5, 0, 3, 0, -2)] == [NONE, NONE, UP, NONE, DOWN]


@pytest.mark.parametrize("last", [None, -(10**40), -1, 0, 1, 7])
def test_it_remembers_which_line_was_above_but_not_the_distance(last: int | None) -> None:
    stopped, resumed = Cross(), Cross()
    if last is not None:
        stopped.update(last)
    saved = stopped.snapshot()
    assert saved["last"] in (None, DOWN, NONE, UP)
    resumed.restore(saved)
    assert resumed.snapshot() == saved
    assert resumed.update(1) == stopped.update(1)


@pytest.mark.parametrize("saved", [{}, {"last": 2}, {"last": "above"}, {"last": True}, {"last": 0.0}])
def test_a_damaged_state_is_refused_and_changes_nothing(saved: dict[str, object]) -> None:
    lines = Cross()
    lines.update(-3)
    with pytest.raises(InvalidSnapshot):
        lines.restore(saved)
    assert lines.update(3) == UP
