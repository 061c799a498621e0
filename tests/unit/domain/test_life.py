"""A trade changes as the rules of an honest record demand, and refuses what is not possible."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from signalpost.domain.change import Close, Correct, Fill, Revise, Update
from signalpost.domain.life import after
from signalpost.domain.side import SignalStatus
from signalpost.domain.trade import Flag, News, Trade, TradeState
from signalpost.errors import InvalidValue, NotPossible
from tests.unit.domain.trades import LIMIT, MINUTE, SECOND, SHORT, START, part, prices, refused, trade, unchanged

D = Decimal


def test_a_market_order_is_open_and_a_limit_order_pending() -> None:
    made, pending = trade(), trade(**LIMIT)
    assert (made.state, made.version, made.number, made.news) == (TradeState.OPEN, 1, 1, News.OPENED)
    assert (made.status, pending.status) == (SignalStatus.ACTIVE, SignalStatus.PENDING)
    assert pending.state is TradeState.PENDING
    assert made.entry == D("1.1000")
    assert made.entered_at == made.signal.known_at
    assert made.shares == (Fraction(100, 3),) * 3
    assert trade(targets=()).shares == ()


class TestFill:
    def test_a_fill_opens_a_pending_trade_at_its_price(self) -> None:
        filled = trade(Fill(price="1.0998"), **LIMIT)
        assert (filled.state, filled.entry, filled.news, filled.version) == ("open", D("1.0998"), News.FILLED, 2)
        assert filled.entered_at == START + MINUTE

    def test_a_market_order_can_be_filled_without_news(self) -> None:
        filled = trade(Fill(price="1.1002"))
        assert (filled.entry, filled.news) == (D("1.1002"), News.OPENED)

    def test_the_same_fill_is_a_duplicate_and_another_is_refused(self) -> None:
        filled = trade(Fill(price="1.1002"), Update(note="in"))
        assert unchanged(filled, Fill(price="1.10020"))
        assert unchanged(filled, Fill(price="1.1002", at=START + MINUTE))
        assert refused(filled, Fill(price="1.1003")).field == "price"
        assert refused(filled, Fill(price="1.1002", at=START)).field == "price"

    def test_the_unit_of_r_is_frozen_at_the_fill(self) -> None:
        filled = trade(Update(stop_loss="1.0960"), Fill(price="1.1000"), Update(stop_loss="be"), **LIMIT)
        assert (filled.first_stop, filled.stop, filled.stop_was) == (D("1.0960"), D("1.1000"), D("1.0960"))

    def test_a_fill_that_is_reported_now_counts_the_present_stop_though_the_clock_was_set_back(self) -> None:
        moved = trade(Update(stop_loss="1.0960"), **LIMIT)
        assert after(moved, Fill(price="1.1000"), START - MINUTE).first_stop == D("1.0960")

    def test_a_market_order_of_which_parts_were_closed_cannot_be_filled_any_more(self) -> None:
        assert refused(trade(Update(target_hit=1)), Fill(price="1.1002")).field == "price"

    def test_a_fill_never_changes_the_risk_of_a_market_order(self) -> None:
        moved = trade(Update(stop_loss="1.0999"), Fill(price="1.1001"))
        assert (moved.first_stop, moved.stop) == (D("1.0950"), D("1.0999"))
        assert trade(Update(stop_loss="1.0999"), Fill(price="1.1"), stop_loss=None).first_stop is None
        assert trade(Fill(price="1.1001"), stop_loss="1.1000", initial_stop="1.0950").first_stop == D("1.1000")

    @pytest.mark.parametrize("price", ["1.0950", "1.0940"])
    def test_a_fill_at_or_beyond_the_stop_is_refused(self, price: str) -> None:
        assert refused(trade(**LIMIT), Fill(price=price)).limit == "1.0950"

    def test_a_stop_that_was_moved_after_the_fill_of_a_feed_does_not_count_as_the_first(self) -> None:
        moved = trade(Update(stop_loss="1.0990"), **LIMIT)
        early = Fill(price="1.1", at=START, from_feed=True)
        assert after(moved, early, SECOND).first_stop == D("1.0950"), "moving it must not make R larger"
        assert after(moved, Fill(price="1.1", at=SECOND, from_feed=True), SECOND).first_stop == D("1.0990")
        retargeted = trade(Update(stop_loss="1.0990"), Update(targets=["1.12"]), **LIMIT)
        between = Fill(price="1.1", at=START + MINUTE, from_feed=True)
        assert after(retargeted, between, SECOND).first_stop == D("1.0990")

    def test_a_typed_price_is_marked_unless_it_was_planned(self) -> None:
        assert trade(Fill(price="1.1")).flags == ()
        assert trade(Fill(price="1.1001")).flags == (Flag.REPORTED,)
        assert trade(Fill(price="1.1001", from_feed=True, flags=(Flag.MID_PRICES,))).flags == (Flag.MID_PRICES,)

    def test_a_price_that_the_instrument_cannot_have_is_not_possible(self) -> None:
        with pytest.raises(NotPossible):
            after(trade(), Fill(price=0), SECOND)


class TestUpdate:
    def test_a_stop_can_move_to_the_entry_and_into_profit(self) -> None:
        moved = trade(Update(stop_loss="be"))
        assert (moved.stop, moved.stop_was, moved.news) == (D("1.1000"), D("1.0950"), News.STOP)
        assert unchanged(moved, Update(stop_loss="1.1", note=None))
        assert trade(Update(target_hit=1), Update(stop_loss="1.1060")).stop == D("1.1060")
        assert trade(Update(target_hit=1), Update(stop_loss="1.0940"), **SHORT).stop == D("1.0940")

    def test_a_stop_cannot_lie_beyond_the_next_target(self) -> None:
        assert refused(trade(), Update(stop_loss="1.1050")).limit == "1.1050"
        assert refused(trade(**SHORT), Update(stop_loss="1.0950")).limit == "1.0950"
        assert trade(Update(stop_loss="1.2"), targets=()).stop == D("1.2")

    def test_a_stop_before_the_fill_lies_on_the_losing_side(self) -> None:
        assert refused(trade(**LIMIT), Update(stop_loss="be")).field == "stop_loss"
        assert trade(Update(stop_loss="1.0990"), **LIMIT).first_stop == D("1.0990")

    def test_a_target_that_is_hit_closes_its_share(self) -> None:
        hit = trade(Update(target_hit=1))
        (part,) = hit.parts
        assert (part.share, part.price, part.target, part.is_reported) == (Fraction(100, 3), D("1.1050"), 1, False)
        assert (hit.hits, hit.open_share, hit.news, hit.state) == (1, Fraction(200, 3), News.TARGET, "open")

    def test_targets_before_the_one_that_is_hit_are_hit_too(self) -> None:
        assert [part.target for part in trade(Update(target_hit=2)).parts] == [1, 2]

    def test_the_last_target_ends_the_trade(self) -> None:
        ended = trade(Update(target_hit=3))
        assert ended.end is not None
        assert (ended.state, ended.end.reason, ended.end.price, ended.news) == (
            "closed",
            "target",
            D("1.1150"),
            "ended",
        )

    def test_shares_below_100_leave_a_runner(self) -> None:
        hit = trade(Update(target_hit=2), targets=[("1.1050", 50), ("1.1100", 30)])
        assert (hit.state, hit.open_share) == ("open", 20)

    def test_a_hit_at_a_typed_price_is_marked(self) -> None:
        hit = trade(Update(target_hit=2, price="1.1098"))
        assert [(part.price, part.is_reported) for part in hit.parts] == [(D("1.1050"), False), (D("1.1098"), True)]
        assert hit.flags == (Flag.REPORTED,)

    def test_a_target_that_was_hit_changes_nothing_and_an_unknown_one_is_refused(self) -> None:
        hit = trade(Update(target_hit=2), Update(note="on"))
        assert unchanged(hit, Update(target_hit=1))
        assert refused(hit, Update(target_hit=4)).limit == "1 to 3"
        assert refused(trade(targets=("1.1050",)), Update(target_hit=2)).text.endswith("1 target")

    def test_a_part_is_of_the_initial_size_and_scales_the_targets_behind_it(self) -> None:
        closed = trade(Update(close_part=50, price="1.1020"), targets=[("1.1050", 50), ("1.1100", 30)])
        assert (closed.news, closed.flags, closed.open_share) == (News.PART, (Flag.REPORTED,), 50)
        assert closed.shares == (25, 15)
        assert closed.parts[0].is_reported

    def test_more_than_is_open_cannot_be_closed(self) -> None:
        error = refused(trade(Update(target_hit=2), targets=["1.1050", "1.1100", "1.1150", "1.12"]), part("60"))
        assert (error.field, error.value, error.limit) == ("close_part", "60", "50%")

    def test_a_part_of_all_ends_the_trade(self) -> None:
        ended = trade(part("100"))
        assert ended.end is not None
        assert (ended.state, ended.end.reason, ended.end.price) == ("closed", "manual", D("1.1020"))

    def test_hit_and_stop_in_one_update_are_news_of_the_target(self) -> None:
        both = trade(Update(target_hit=1, stop_loss="be", note="risk free"))
        assert (both.news, both.stop, both.hits, both.note, both.version) == (News.TARGET, D("1.1"), 1, "risk free", 2)

    def test_a_target_that_is_hit_can_close_another_share(self) -> None:
        hit = trade(Update(target_hit=1, close_part=50, price="1.1051"))
        (part,) = hit.parts
        assert (part.share, part.price, part.target, part.is_reported) == (50, D("1.1051"), 1, True)
        assert hit.shares == (25, 25)
        assert refused(hit, Update(target_hit=3, close_part=10, price="1.12")).limit == "2"
        assert refused(hit, Update(target_hit=2, close_part=60, price="1.12")).field == "close_part"

    def test_a_target_is_no_loss(self) -> None:
        assert refused(trade(), Update(target_hit=1, price="1.1000")).limit == "1.1000"

    def test_a_stop_says_nothing_about_a_trade_that_the_same_update_ends(self) -> None:
        ended = trade(Update(target_hit=3, stop_loss="1.1100"))
        assert (ended.state, ended.stop, ended.news) == ("closed", D("1.0950"), "ended")

    def test_targets_that_are_not_hit_can_be_replaced(self) -> None:
        hit = trade(Update(target_hit=1))
        assert prices(after(hit, Update(targets=["1.12"]), SECOND)) == [D("1.1050"), D("1.12")]
        assert prices(after(hit, Update(take_profit="1.1080"), SECOND)) == [D("1.1050"), D("1.1080"), D("1.1150")]
        both = Update(take_profit="1.1080", targets=["1.1090", "1.1200"])
        assert prices(after(hit, both, SECOND)) == [D("1.1050"), D("1.1080"), D("1.1200")]
        assert prices(after(trade(targets=()), Update(take_profit="1.12"), SECOND)) == [D("1.12")]

    def test_a_moved_target_keeps_its_share(self) -> None:
        moved = trade(Update(take_profit="1.1060"), targets=[("1.1050", 50), ("1.1100", 30)])
        assert [target.share for target in moved.targets] == [50, 30]

    @pytest.mark.parametrize("targets", [["1.0990"], ["1.12", "1.11"], ["1.1040"]])
    def test_targets_that_are_not_beyond_one_another_are_refused(self, targets: list[str]) -> None:
        moved = trade(Update(target_hit=1), Update(stop_loss="1.1040"))
        assert refused(moved, Update(targets=targets)).field == "targets"

    def test_shares_of_hit_and_new_targets_cannot_exceed_the_whole(self) -> None:
        hit = trade(Update(target_hit=1), targets=[("1.1050", 50), ("1.1100", 30)])
        assert refused(hit, Update(targets=[("1.12", 60)])).limit == "100"

    def test_there_are_ten_targets_at_most(self) -> None:
        ten = [f"1.12{number:02}" for number in range(10)]
        assert refused(trade(Update(target_hit=1)), Update(targets=ten)).limit == "10"

    def test_a_note_keeps_the_news(self) -> None:
        noted = trade(Update(target_hit=1), Update(note="patience"))
        assert (noted.note, noted.news, noted.version) == ("patience", News.TARGET, 3)

    @pytest.mark.parametrize("change", [Update(target_hit=1), Update(close_part=10, price="1.1")])
    def test_an_unfilled_order_has_no_parts(self, change: Update) -> None:
        assert refused(trade(**LIMIT), change).value == "pending"


def test_a_revised_candle_is_flagged_once() -> None:
    revised = trade(Revise())
    assert revised.flags == (Flag.REVISED,)
    assert unchanged(after(revised, Update(note="x"), SECOND), Revise())


def test_the_same_call_twice_is_one_change() -> None:
    for change in (part("25"), Update(note="x"), Update(stop_loss="be"), Close(price="1.1")):
        assert unchanged(trade(change), change)


def test_there_and_back_again_is_two_changes() -> None:
    back = trade(Update(stop_loss="be"), Update(stop_loss="1.0950"), Update(stop_loss="be"))
    assert (back.version, back.stop) == (4, D("1.1000"))


def test_an_equal_part_after_another_change_is_a_second_one() -> None:
    closed = trade(part("25"), Update(note="between"))
    assert after(closed, part("25"), SECOND).open_share == 50
    assert unchanged(closed, Update(close_part=25, price="1.1020", at=START + MINUTE))
    assert after(closed, Update(close_part=25, price="1.1020", at=SECOND), SECOND).open_share == 50


@pytest.mark.parametrize("at", [START - MINUTE, SECOND - 2 * MINUTE, SECOND + 2 * MINUTE])
def test_a_person_cannot_date_a_change_back_or_ahead(at: Any) -> None:
    assert refused(trade(), Update(note="x", at=at)).field == "at"


def test_a_feed_may_report_the_past_but_only_after_the_last_fill_or_part() -> None:
    early = Update(target_hit=1, at=START + 2 * MINUTE, from_feed=True)
    hit = after(trade(), early, SECOND)
    assert hit.parts[0].at == START + 2 * MINUTE
    assert refused(hit, Update(target_hit=2, at=START, from_feed=True)).field == "at"


def test_a_given_time_is_kept_and_a_clock_set_back_moves_no_time_back() -> None:
    near = SECOND - MINUTE / 2
    closed = after(trade(), Close(price="1.1", at=near), SECOND)
    assert closed.end is not None
    assert (closed.end.at, closed.changed_at) == (near, SECOND)
    late = after(trade(Update(target_hit=1)), Update(target_hit=2), START)
    assert (late.changed_at, late.parts[1].at) == (START + MINUTE, START + MINUTE)


def test_a_trade_survives_json() -> None:
    made = trade(Correct(stop_loss="1.0960"), Update(target_hit=1, stop_loss="be"), part("10"), Close(price="1.1070"))
    assert Trade.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (Update, {}, "stop_loss"),
        (Update, {"close_part": 50}, "price"),
        (Update, {"price": "1.1"}, "close_part"),
        (Update, {"close_part": 101, "price": "1.1"}, "close_part"),
        (Update, {"target_hit": 0}, "target_hit"),
        (Update, {"target_hit": True}, "target_hit"),
        (Update, {"stop_loss": "soon"}, "stop_loss"),
        (Close, {"reason": "time", "price": "1.1"}, "reason"),
        (Close, {"reason": "bored"}, "reason"),
        (Correct, {"entry_price": 0}, "entry_price"),
        (Correct, {"stop_loss": "0"}, "stop_loss"),
        (Correct, {}, "stop_loss"),
        (Fill, {"price": "no"}, "price"),
    ],
)
def test_a_meaningless_change_is_invalid(kind: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        kind(**fields)
    assert caught.value.field == field


def test_a_target_that_was_named_later_is_reported() -> None:
    hit = trade(Update(targets=["1.1020", "1.1100"]), Update(target_hit=1))
    assert [part.is_reported for part in hit.parts] == [True]
    assert Flag.REPORTED in hit.flags
    ended = trade(Update(targets=["1.1020"]), Close(reason="target"))
    assert all(part.is_reported for part in ended.parts)
    named = trade(Update(target_hit=1), Close(reason="target"))
    assert not any(part.is_reported for part in named.parts)
