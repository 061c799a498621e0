"""Each message asks readers to do one thing: what happened to a trade is cut into steps of one order each."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.change import Change, Close, Correct, Update
from signalpost.domain.life import after
from signalpost.domain.trade import Trade, one_order_each
from signalpost.errors import NotPossible
from tests.unit.domain.trades import SECOND, trade

CHANGES = st.lists(
    st.one_of(
        st.builds(Update, stop_loss=st.sampled_from(["1.0960", "1.0970", "be"])),
        st.builds(
            Update, close_part=st.just(5), price=st.sampled_from(["1.1010", "1.1020"]), note=st.text("ab", min_size=1)
        ),
        st.builds(Update, target_hit=st.integers(1, 2)),
        st.just(Correct(stop_loss="1.0940")),
    ),
    max_size=8,
)


def orders(before: Trade, later: Trade) -> int:
    """Moved stops, and the prices at which a person closed parts, one after the other."""
    parts = [part.price for part in later.parts[len(before.parts) :] if part.target is None]
    in_a_row = [price for price, last in zip(parts, [None, *parts], strict=False) if price != last]
    return len(in_a_row) + (later.stop != before.stop)


@given(CHANGES)
def test_each_step_has_one_order_and_together_they_say_all(changes: list[Change]) -> None:
    first = last = trade()
    for change in changes:
        try:
            last = after(last, change, SECOND)
        except NotPossible:
            continue
    steps = one_order_each(first, last)
    assert (steps[0][0], steps[-1][1]) == (first, last)
    assert all(one[1] is other[0] for one, other in pairwise(steps))
    assert all(orders(*step) == 1 for step in steps) or (len(steps) == 1 and orders(first, last) == 0)
    hits = [part.target for step in steps for part in step[1].parts[len(step[0].parts) :] if part.target is not None]
    assert hits == list(range(1, last.hits + 1))
    assert all(before.hits <= later.hits for before, later in steps)


def test_an_end_is_the_only_order() -> None:
    first = trade()
    moved = after(first, Update(close_part=50, price="1.1010", stop_loss="1.0960"), SECOND)
    ended = after(moved, Close(reason="stop"), SECOND)
    assert one_order_each(first, ended) == [(first, ended)]
