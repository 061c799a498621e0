"""How a filled trade ends: stop, targets, moved levels and reversal."""

from decimal import Decimal
from typing import Any

import pytest

from signalpost.domain.change import Change, Close, CloseReason, Fill, Flag, Update
from signalpost.domain.identity import BY_HAND
from signalpost.domain.life import after
from signalpost.domain.target import Target
from signalpost.domain.trade import Filled, Trade, TradeState
from signalpost.trading.outcomes import begin, reverses
from tests.unit.trading.outcomes.lives import M1, START, Life, at, begun, lived, mid, sides, signal, trade

MID = (Flag.MID_PRICES,)
BOUGHT = mid(0, *["1.1000"] * 4)


def bought(*targets: object, stop: str | None = "1.0950", **fields: object) -> Life:
    return begun(trade("BUY", "1.1000", stop, *targets, **fields)).take(BOUGHT)


def new_changes(life: Life, *quotes: object, **reversal: object) -> tuple[Change, ...]:
    before = len(life.changes)
    for each in quotes:
        life = life.take(each, **reversal)  # type: ignore[arg-type]
    return life.changes[before:]


def stopped(price: str, when: float, *flags: Flag) -> Close:
    return Close(price=price, reason=CloseReason.STOP, at=at(when), flags=(*MID, *flags), from_feed=True)


def hit(number: int, when: float) -> Update:
    return Update(target_hit=number, at=at(when), from_feed=True, flags=MID)


def turned(price: str, when: float) -> Close:
    return Close(price=price, reason=CloseReason.REVERSED, at=at(when), flags=MID, from_feed=True)


def test_a_touched_stop_closes_at_its_price() -> None:
    life = bought().take(mid(1, "1.0960", "1.0960", "1.0950", "1.0955"))
    assert life.changes[1:] == (stopped("1.0950", 2),)
    assert life.trade.end is not None
    assert (life.trade.end.price, life.trade.flags) == (Decimal("1.0950"), MID)
    assert not life.trade.parts[0].is_reported


def test_a_stop_fills_at_the_open_if_that_is_worse() -> None:
    assert new_changes(bought(), mid(1, "1.0940", "1.0960", "1.0930", "1.0955")) == (stopped("1.0940", 1, Flag.GAPPED),)
    assert new_changes(bought(), mid(1, "1.0950", "1.0960", "1.0930", "1.0955")) == (stopped("1.0950", 1),)


def test_a_target_never_fills_better_than_its_price() -> None:
    life = bought("1.1100").take(mid(1, *["1.1150"] * 4))
    assert life.changes[1:] == (hit(1, 1),)
    assert life.trade.end is not None
    assert (life.trade.end.reason, life.trade.end.price) == (CloseReason.TARGET, Decimal("1.1100"))


def test_one_candle_can_hit_several_targets() -> None:
    life = bought("1.1100", "1.1120", "1.1300")
    life = life.take(mid(1, "1.1110", "1.1120", "1.1100", "1.1115"))
    assert life.changes[1:] == (hit(1, 1), hit(2, 2))
    assert life.trade.state is TradeState.OPEN


def test_a_candle_that_touches_both_counts_as_the_stop_for_all_that_is_open() -> None:
    life = bought("1.1100", "1.1200").take(mid(1, *["1.1100"] * 4))
    life = life.take(mid(2, "1.1100", "1.1250", "1.0900", "1.1000"))
    assert life.changes[1:] == (hit(1, 1), stopped("1.0950", 3, Flag.BOTH_TOUCHED))
    assert [part.target for part in life.trade.parts] == [1, None]


def test_the_rest_after_the_targets_runs_to_the_stop() -> None:
    life = bought(Target("1.1100", 50)).take(mid(1, *["1.1100"] * 4))
    assert life.trade.state is TradeState.OPEN
    assert new_changes(life, mid(2, *["1.1200"] * 4), mid(3, "1.1", "1.1", "1.0950", "1.1")) == (stopped("1.0950", 4),)


def test_without_levels_nothing_ends_a_trade() -> None:
    assert new_changes(bought(stop=None), mid(1, "1.1", "1.9", "0.1", "1.1")) == ()


def test_a_purchase_leaves_at_the_bid_and_a_sale_at_the_ask() -> None:
    flat, wide = sides(0, ["1.1000"] * 4, ["1.1000"] * 4), sides(1, ["1.0950"] * 4, ["1.1050"] * 4)
    long = begun(trade("BUY", "1.1000", "1.0950", "1.1050")).take(flat).take(wide)
    short = begun(trade("SELL", "1.1000", "1.1050", "1.0950")).take(flat).take(wide)
    assert long.changes[1:] == (Close(price="1.0950", reason=CloseReason.STOP, at=at(1), from_feed=True),)
    assert short.changes[1:] == (Close(price="1.1050", reason=CloseReason.STOP, at=at(1), from_feed=True),)
    assert long.trade.flags == short.trade.flags == ()


def moved(life: Life, stop: str, minutes: float) -> Life:
    return life.change(Update(stop_loss=stop), minutes)


def test_a_moved_stop_acts_from_the_next_candle() -> None:
    life = moved(bought(), "1.0990", 1.5)
    life = life.take(mid(1, "1.1000", "1.1010", "1.0980", "1.1000"))
    assert life.changes[1:] == ()
    assert new_changes(life, mid(2, "1.1000", "1.1000", "1.0990", "1.1000")) == (stopped("1.0990", 3),)


def test_a_moved_stop_acts_at_the_close_of_its_candle_if_that_is_beyond() -> None:
    life = moved(bought(), "1.0990", 1.5)
    assert new_changes(life, mid(1, "1.1000", "1.1010", "1.0980", "1.0985")) == (stopped("1.0985", 2),)


def test_a_close_at_a_moved_stop_is_beyond_it() -> None:
    life = moved(bought(), "1.0990", 1.5)
    assert new_changes(life, mid(1, "1.1000", "1.1010", "1.0980", "1.0990")) == (stopped("1.0990", 2),)


def test_a_stop_moved_at_the_open_acts_in_that_candle() -> None:
    life = moved(bought(), "1.0990", 1)
    assert new_changes(life, mid(1, "1.1000", "1.1010", "1.0990", "1.1000")) == (stopped("1.0990", 2),)


def test_a_stop_moved_at_the_close_does_not_act_in_that_candle() -> None:
    life = moved(bought(), "1.0990", 2).take(mid(1, *["1.0980"] * 4))
    assert life.changes[1:] == ()
    assert life.state.stop == Decimal("1.0950")


def test_the_stop_in_force_at_the_open_comes_before_a_moved_one() -> None:
    life = moved(moved(bought(), "1.0990", 1.2), "1.0900", 1.8)
    assert new_changes(life, mid(1, "1.1000", "1.1010", "1.0949", "1.1000")) == (stopped("1.0950", 2),)


def test_a_stop_can_be_set_later() -> None:
    life = moved(bought(stop=None), "1.0990", 1.5)
    life = life.take(mid(1, "1.1000", "1.1010", "1.0980", "1.1000"))
    assert new_changes(life, mid(2, "1.1000", "1.1000", "1.0990", "1.1000")) == (stopped("1.0990", 3),)


def test_a_stop_moved_after_a_candle_does_not_act_in_it() -> None:
    """The follower was behind when the stop was moved."""
    life = moved(bought(), "1.0990", 3.5)
    life = life.take(mid(1, *["1.0980"] * 4)).take(mid(2, *["1.0980"] * 4))
    assert life.changes[1:] == ()
    assert life.state.stop == Decimal("1.0950")
    assert new_changes(life, mid(3, "1.1", "1.1", "1.0980", "1.1"), mid(4, *["1.0990"] * 4)) == (stopped("1.0990", 4),)


def test_a_new_target_counts_from_the_next_candle() -> None:
    life = bought("1.1100", "1.1200").change(Update(targets=("1.1050", "1.1200")), 1.5)
    life = life.take(mid(1, "1.1000", "1.1250", "1.1000", "1.1000"))
    assert life.changes[1:] == ()
    assert new_changes(life, mid(2, "1.1000", "1.1060", "1.1000", "1.1000")) == (hit(1, 3),)


def test_a_target_that_stays_counts_while_a_later_one_is_new() -> None:
    life = bought("1.1100", "1.1200").change(Update(targets=("1.1100", "1.1150")), 1.5)
    assert new_changes(life, mid(1, "1.1000", "1.1250", "1.1000", "1.1000")) == (hit(1, 2),)


def test_targets_can_be_added_to_a_trade_without_one() -> None:
    life = bought().change(Update(targets=("1.1100",)), 1.5)
    assert new_changes(life, mid(1, "1.1", "1.12", "1.1", "1.1"), mid(2, "1.1", "1.12", "1.1", "1.1")) == (hit(1, 3),)


def test_levels_set_before_following_began_do_not_act_in_older_candles() -> None:
    late = after(bought().trade, Update(stop_loss="1.0990"), at(3.5))
    assert begin(late, M1, by_strategy=False).since == at(3.5)


def test_a_reversal_at_the_open_comes_before_all_that_the_candle_did_later() -> None:
    reversal = Filled(Decimal("1.1010"), at(1))
    quotes = mid(1, "1.1010", "1.1200", "1.0900", "1.1000")
    assert new_changes(bought("1.1100"), quotes, reversal=reversal) == (turned("1.1010", 1),)


@pytest.mark.parametrize(("opened", "expected"), [("1.1150", hit(1, 1)), ("1.0940", stopped("1.0940", 1, Flag.GAPPED))])
def test_a_gap_comes_before_a_reversal_at_that_open(opened: str, expected: Change) -> None:
    reversal = Filled(Decimal(opened), at(1))
    assert new_changes(bought("1.1100"), mid(1, *[opened] * 4), reversal=reversal) == (expected,)


def test_a_reversal_within_a_candle_comes_after_the_stop_and_the_targets_up_to_its_price() -> None:
    reversal = Filled(Decimal("1.1100"), at(1.5))
    life = bought("1.1100", "1.1200")
    quotes = mid(1, "1.1000", "1.1250", "1.1000", "1.1100")
    assert new_changes(life, quotes, reversal=reversal) == (hit(1, 2), turned("1.1100", 2))
    quotes = mid(1, "1.1000", "1.1250", "1.0950", "1.1100")
    assert new_changes(life, quotes, reversal=reversal) == (stopped("1.0950", 2, Flag.BOTH_TOUCHED),)


def test_nothing_is_left_to_reverse_after_the_last_target() -> None:
    life = bought("1.1100", "1.1200").take(mid(1, *["1.1100"] * 4))
    reversal = Filled(Decimal("1.1200"), at(2.5))
    assert new_changes(life, mid(2, "1.1100", "1.1200", "1.1100", "1.1200"), reversal=reversal) == (hit(2, 3),)


def test_a_reversal_within_a_candle_has_the_time_of_its_fill() -> None:
    reversal = Filled(Decimal("1.1010"), at(1.5))
    quotes = mid(1, "1.1000", "1.1250", "1.1000", "1.1100")
    assert new_changes(bought("1.1100"), quotes, reversal=reversal) == (turned("1.1010", 1.5),)


def test_a_candle_ends_a_trade_no_earlier_than_the_last_part_closed_by_hand() -> None:
    life = bought("1.1100").change(Update(close_part=50, price="1.0945"), 1.5)
    assert new_changes(life, mid(1, *["1.0940"] * 4)) == (stopped("1.0940", 1.5, Flag.GAPPED),)


def test_a_reversal_cancels_an_order_that_waits() -> None:
    life = begun(trade("BUY", "1.1000", "1.0950", order="LIMIT"))
    life = life.take(mid(0, *["1.1000"] * 4), reversal=Filled(Decimal("1.1"), at(0)))
    assert life.trade.state is TradeState.CANCELLED
    assert life.trade.end is not None
    assert (life.trade.end.text, life.trade.end.at) == ("reversed", at(0))


def test_a_market_entry_and_its_reversal_in_one_candle_are_filled_and_closed() -> None:
    life = begun(trade("BUY", "1.1000", "1.0950")).take(BOUGHT, reversal=Filled(Decimal("1.1"), at(0)))
    assert [type(change) for change in life.changes] == [Fill, Close]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"strategy_name": "B"}, False),
        ({"strategy_name": None}, False),
        ({"timeframe": "M5"}, False),
        ({"pair": "EUR_GBP"}, False),
    ],
)
def test_a_reversal_has_the_same_strategy_pair_and_timeframe(fields: dict[str, Any], expected: bool) -> None:
    old = trade("BUY", "1.1000", strategy_name="A")
    assert reverses(signal("SELL", "1.1000", **{"strategy_name": "A", **fields}), old) is expected


def test_signals_by_hand_reverse_nothing() -> None:
    old = trade("BUY", "1.1000", strategy_name=BY_HAND)
    assert not reverses(signal("SELL", "1.1000", strategy_name=BY_HAND), old)


def test_a_signal_of_the_same_side_or_for_an_ended_trade_reverses_nothing() -> None:
    old = trade("BUY", "1.1000", strategy_name="A")
    assert not reverses(signal("BUY", "1.1000", strategy_name="A"), old)
    ended = after(old, Close(price="1.1"), START)
    assert not reverses(signal("SELL", "1.1000", strategy_name="A"), ended)


def test_an_ended_trade_is_not_followed_until_it_is_reopened() -> None:
    """So that the candles in between can still be taken."""
    life = bought()
    ended = life._replace(trade=after(life.trade, Close(price="1.1"), at(1)))
    assert ended.take(mid(1, *["1.0900"] * 4)) == ended


def test_a_life_is_followed_to_its_end() -> None:
    def ends(new: Trade) -> Trade:
        return lived(new, [BOUGHT, mid(1, "1.1", "1.2", "1.05", "1.1")], {1: Update(note="still in")}).trade

    assert ends(trade("BUY", "1.1000", "1.0950")).state is TradeState.CLOSED
    assert ends(trade("SELL", "1.1000", "1.3000", "1.0600")).state is TradeState.CLOSED
