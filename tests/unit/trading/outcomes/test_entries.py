"""How a trade is entered, cancelled or expires."""

from datetime import timedelta
from decimal import Decimal

import pytest

from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, ExpireOrder, Fill, Flag, Reopen, Update
from signalpost.domain.life import after
from signalpost.domain.trade import Filled, Trade, TradeState, result_of
from signalpost.errors import InvalidValue
from signalpost.trading.outcomes import QuoteCandle, begin
from tests.unit.trading.outcomes.lives import M1, MINUTE, START, at, begun, candle, lived, mid, sides, trade

MID = (Flag.MID_PRICES,)


def filled(price: str, when: float, *flags: Flag) -> Fill:
    return Fill(price=price, at=at(when), flags=(*MID, *flags), from_feed=True)


def test_a_strategys_signal_is_filled_at_the_open_when_its_candle_closed() -> None:
    life = begun(trade("BUY", "1.1000"), by_strategy=True)
    assert life.take(mid(-2, *["1.2"] * 4)).changes == ()
    assert life.take(mid(-1, "1.1002", "1.1009", "1.1001", "1.1005")).changes == (filled("1.1002", -1),)


def test_any_other_signal_is_filled_at_the_first_open_after_it_was_accepted() -> None:
    life = begun(trade("BUY", "1.1000"))
    assert at(-1) == START
    assert life.take(mid(-1, *["1.2"] * 4)) == life
    assert life.take(mid(0, "1.1002", "1.1009", "1.1001", "1.1005")).changes == (filled("1.1002", 0),)


def test_a_signal_known_later_than_accepted_waits_until_it_is_known() -> None:
    state = begin(trade("BUY", "1.1000", known_at=START + MINUTE), M1, by_strategy=False)
    assert state.since == START + MINUTE


def test_the_fill_is_the_ask_for_a_purchase_and_the_bid_for_a_sale() -> None:
    quotes = sides(0, ["1.1000"] * 4, ["1.1002"] * 4)
    assert begun(trade("BUY", "1.1000")).take(quotes).changes == (Fill(price="1.1002", at=at(0), from_feed=True),)
    assert begun(trade("SELL", "1.1000")).take(quotes).changes == (Fill(price="1.1000", at=at(0), from_feed=True),)


@pytest.mark.parametrize("order", ["LIMIT", "STOP"])
def test_an_order_waits_until_price_touches_it(order: str) -> None:
    """A SELL order: a limit lies above the market, a stop below."""
    new = trade("SELL", "1.1000", "1.1050", order=order)
    away = "1.0990" if order == "LIMIT" else "1.1010"
    life = begun(new).take(mid(0, away, "1.0999" if order == "LIMIT" else away, away, away))
    if order == "STOP":
        life = life.take(mid(1, away, away, "1.1001", away))
    assert life.changes == ()
    assert life.trade.state is TradeState.PENDING
    touched = mid(2, away, max(away, "1.1000"), min(away, "1.1000"), away)
    assert life.take(touched).changes == (filled("1.1000", 3),)


def test_a_limit_order_is_never_filled_better_than_its_price() -> None:
    life = begun(trade("BUY", "1.1000", "1.0900", order="LIMIT")).take(mid(0, *["1.0950"] * 4))
    assert life.changes == (filled("1.1000", 0),)


def test_a_stop_order_is_filled_at_the_open_if_that_is_worse() -> None:
    new = trade("BUY", "1.1000", "1.0900", order="STOP")
    assert begun(new).take(mid(0, *["1.1010"] * 4)).changes == (filled("1.1010", 0, Flag.GAPPED),)
    assert begun(new).take(mid(0, *["1.1000"] * 4)).changes == (filled("1.1000", 0),)


@pytest.mark.parametrize("order", ["MARKET", "LIMIT", "STOP"])
@pytest.mark.parametrize(
    ("opened", "level"), [("1.0950", "SL"), ("1.0940", "SL"), ("1.1100", "TP1"), ("1.1200", "TP1")]
)
def test_an_open_beyond_stop_or_first_target_cancels_before_the_fill(order: str, opened: str, level: str) -> None:
    life = begun(trade("BUY", "1.1000", "1.0950", "1.1100", "1.1300", order=order)).take(mid(0, *[opened] * 4))
    assert life.changes == (
        CancelOrder(reason=f"gapped past {level} before entry", at=at(0), from_feed=True, flags=(Flag.GAPPED,)),
    )
    assert life.trade.state is TradeState.CANCELLED
    assert life.trade.flags == (Flag.GAPPED,)
    assert life.trade.end is not None
    assert life.trade.end.price is None


def test_either_side_of_the_quote_can_gap() -> None:
    new = trade("BUY", "1.1000", "1.0950", "1.1100")
    at_stop = sides(0, ["1.0950"] * 4, ["1.0990"] * 4)
    at_target = sides(0, ["1.1090"] * 4, ["1.1100"] * 4)
    for quotes in (at_stop, at_target):
        assert isinstance(begun(new).take(quotes).changes[0], CancelOrder)


def test_a_touch_without_a_gap_does_not_cancel() -> None:
    life = begun(trade("BUY", "1.1000", "1.0950", "1.1100", order="LIMIT"))
    assert life.take(mid(0, "1.1050", "1.1150", "1.1010", "1.1050")).changes == ()


def test_a_trade_of_which_a_part_was_closed_keeps_its_planned_entry() -> None:
    """Parts were counted from there."""
    new = after(trade("BUY", "1.1000", "1.0950", "1.1100"), Update(close_part=50, price="1.1010"), START)
    life = begun(new).take(mid(0, *["1.0940"] * 4))
    assert [type(change) for change in life.changes] == [Close]
    assert (life.trade.fill, life.trade.entry) == (None, Decimal("1.1000"))


def test_an_order_expires_with_the_first_candle_that_opens_at_or_after_its_end() -> None:
    """However long the market was closed in between."""
    life = begun(trade("BUY", "1.1000", "1.0950", order="LIMIT", good_until=at(1)))
    life = life.take(mid(0, *["1.1010"] * 4))
    assert life.changes == ()
    assert life.take(mid(1, *["1.1000"] * 4)).changes == (ExpireOrder(at=at(1), from_feed=True),)
    life = life.take(mid(5_000, *["1.1000"] * 4))
    assert life.changes == (ExpireOrder(at=at(1), from_feed=True),)
    assert life.trade.state is TradeState.EXPIRED


def test_a_candle_that_opens_before_the_end_still_fills() -> None:
    life = begun(trade("BUY", "1.1000", "1.0950", order="LIMIT", good_until=at(0.5)))
    assert life.take(mid(0, *["1.1000"] * 4)).changes == (filled("1.1000", 0),)


def test_in_the_fill_candle_of_a_limit_order_only_the_stop_counts() -> None:
    new = trade("BUY", "1.1000", "1.0950", "1.1100", order="LIMIT")
    life = begun(new).take(mid(0, "1.1050", "1.1150", "1.1000", "1.1120"))
    assert life.changes == (filled("1.1000", 1),)
    assert life.take(mid(1, "1.1120", "1.1120", "1.1110", "1.1110")).trade.end is not None
    stopped = begun(new).take(mid(0, "1.1050", "1.1060", "1.0940", "1.0960"))
    assert stopped.changes[1:] == (Close(price="1.0950", reason=CloseReason.STOP, at=at(1), flags=MID, from_feed=True),)
    both = begun(new).take(mid(0, "1.1050", "1.1100", "1.0940", "1.0960"))
    assert Flag.BOTH_TOUCHED in both.trade.flags


def test_in_the_fill_candle_of_a_stop_order_targets_count_too() -> None:
    life = begun(trade("BUY", "1.1000", "1.0950", "1.1100", order="STOP")).take(
        mid(0, "1.0980", "1.1110", "1.0970", "1.1105")
    )
    assert life.changes == (filled("1.1000", 1), Update(target_hit=1, at=at(1), from_feed=True, flags=MID))


def given(order: str, minutes: float) -> Trade:
    return after(
        trade("BUY", "1.1000", "1.0950", "1.1100", order=order), Fill(price="1.1001", at=at(minutes)), at(minutes)
    )


def test_a_given_fill_stays_and_counts_from_its_candle() -> None:
    life = begun(given("MARKET", 0))
    assert life.take(mid(-1, *["1.0900"] * 4)) == life
    stopped = life.take(mid(0, "1.1000", "1.1000", "1.0950", "1.0990"))
    assert stopped.trade.fill == Filled(Decimal("1.1001"), at(0))
    assert [type(change) for change in stopped.changes] == [Close]


@pytest.mark.parametrize("order", ["MARKET", "LIMIT"])
def test_targets_do_not_count_in_the_candle_of_a_given_fill(order: str) -> None:
    life = begun(given(order, 0.5)).take(mid(0, "1.1000", "1.1200", "1.0990", "1.1150"))
    assert life.changes == ()
    assert life.take(mid(1, *["1.1150"] * 4)).trade.hits == 1


def test_the_stop_of_an_order_counts_in_the_candle_of_a_given_fill() -> None:
    life = begun(given("LIMIT", 0.5)).take(mid(0, "1.1010", "1.1010", "1.0940", "1.0990"))
    assert life.changes == (Close(price="1.0950", reason=CloseReason.STOP, at=at(1), flags=MID, from_feed=True),)


def test_the_stop_of_a_market_entry_counts_in_the_candle_of_a_given_fill_if_it_closed_beyond() -> None:
    life = begun(given("MARKET", 0.5))
    assert life.take(mid(0, "1.0940", "1.1010", "1.0940", "1.0990")).changes == ()
    assert life.take(mid(0, "1.1010", "1.1010", "1.0930", "1.0940")).changes == (
        Close(price="1.0950", reason=CloseReason.STOP, at=at(1), flags=MID, from_feed=True),
    )


def test_a_fill_given_for_later_waits_for_its_candle() -> None:
    """The follower is behind: the fill was reported while older candles were still to come."""
    life = begun(trade("BUY", "1.1000", "1.0950", order="LIMIT"))
    life = life.change(Fill(price="1.1000", at=at(2)), 2)
    for number in (0, 1):
        life = life.take(mid(number, *["1.0900"] * 4))
        assert life.changes == ()
    assert [type(change) for change in life.take(mid(2, *["1.0900"] * 4)).changes] == [Close]


def test_a_stop_moved_before_the_fill_is_known_does_not_change_the_risk() -> None:
    """The fill was at the open, and the stop was moved later in that candle."""
    moves: dict[int, Change] = {0: Update(stop_loss="1.0980")}
    life = lived(trade("BUY", "1.1000", "1.0950", "1.1100"), [mid(0, *["1.1000"] * 4), mid(1, *["1.1100"] * 4)], moves)
    result = result_of(life.trade)
    assert result is not None
    assert (life.trade.first_stop, result.r) == (Decimal("1.0950"), Decimal(2))


def test_a_market_entry_beyond_the_stop_from_which_its_r_counts_is_cancelled() -> None:
    """That stop is not in force any more: a person moved it away."""
    new = after(trade("BUY", "1.1000", "1.0950"), Update(stop_loss="1.0900"), START + timedelta(seconds=30))
    assert begun(new).take(mid(0, *["1.0951"] * 4)).changes == (filled("1.0951", 0),)
    assert isinstance(begun(new).take(mid(0, *["1.0950"] * 4)).changes[0], CancelOrder)


def test_bid_and_ask_must_be_of_one_candle() -> None:
    with pytest.raises(InvalidValue) as raised:
        QuoteCandle.of_sides(candle(0, ["1"] * 4), candle(1, ["1"] * 4), M1)
    assert (raised.value.errors[0].code, raised.value.errors[0].field) == ("conflict", "ask")


def test_a_gapped_entry_can_be_reopened() -> None:
    gapped = begun(trade("BUY", "1.1000", "1.0950")).take(mid(0, *["1.0950"] * 4)).trade
    assert after(gapped, Reopen(), at(2)).state is TradeState.OPEN
