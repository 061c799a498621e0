"""A trade ends only as it did, and a wrong end is undone without being erased."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from signalpost.domain.change import CancelOrder, Close, Correct, ExpireOrder, Fill, Reopen, Revise, Update
from signalpost.domain.life import after
from signalpost.domain.side import SignalStatus
from signalpost.domain.trade import Flag, Trade, TradeState, is_news, result_of
from signalpost.errors import NotPossible
from tests.unit.domain.trades import LIMIT, MINUTE, SECOND, START, prices, refused, trade, unchanged

D = Decimal


class TestClose:
    def test_a_person_closes_the_rest_at_a_price(self) -> None:
        closed = trade(Update(target_hit=1), Close(price="1.1070"))
        assert closed.end is not None
        assert (closed.end.reason, closed.end.price, closed.open_share) == ("manual", D("1.1070"), 0)
        assert closed.flags == (Flag.REPORTED,)
        assert closed.status is SignalStatus.CLOSED

    def test_the_stop_gives_its_own_price(self) -> None:
        closed = trade(Update(stop_loss="be"), Close(reason="stop"))
        assert closed.end is not None
        assert (closed.end.price, closed.flags) == (D("1.1000"), ())
        assert trade(Close(reason="stop")).flags == ()

    def test_the_price_of_a_stop_moved_by_hand_is_marked_as_reported(self) -> None:
        assert trade(Update(stop_loss="1.5"), Close(reason="stop"), targets=()).flags == (Flag.REPORTED,)

    def test_a_feed_knows_the_price(self) -> None:
        gapped = Close(price="1.0900", reason="stop", from_feed=True, flags=(Flag.GAPPED,))
        assert trade(gapped).flags == (Flag.GAPPED,)
        assert trade(gapped.but(from_feed=False)).flags == (Flag.REPORTED,), "a person sets no flags"
        assert not trade(gapped).parts[0].is_reported

    @pytest.mark.parametrize(
        ("reason", "price", "stop"),
        [("stop", "1.1200", None), ("stop", "1.1001", None), ("stop", "1.1041", "1.1040"), ("target", "1.0999", None)],
    )
    def test_a_price_that_its_reason_cannot_have_is_refused(self, reason: str, price: str, stop: str | None) -> None:
        changes = () if stop is None else (Update(stop_loss=stop),)
        fault = refused(trade(*changes), Close(price=price, reason=reason))
        assert (fault.field, fault.value) == ("price", price)
        assert trade(*changes, Close(price=price, reason=reason, from_feed=True)).end is not None

    @pytest.mark.parametrize(("reason", "price"), [("stop", "1.0999"), ("stop", "1.1000"), ("target", "1.1000")])
    def test_a_stop_may_slip_and_a_target_need_not_gain(self, reason: str, price: str) -> None:
        assert trade(Close(price=price, reason=reason)).end is not None

    def test_without_a_stop_of_its_own_any_price_may_be_that_of_a_stop(self) -> None:
        assert trade(Close(price="1.1200", reason="stop"), stop_loss=None, targets=()).end is not None

    def test_the_last_target_gives_its_own_price(self) -> None:
        closed = trade(Close(reason="target"))
        assert [part.price for part in closed.parts] == [D("1.1050"), D("1.1100"), D("1.1150")]
        rest = trade(Close(reason="target"), targets=[("1.1050", 50), ("1.1100", 30)])
        assert [(part.share, part.price) for part in rest.parts[2:]] == [(20, D("1.1100"))]
        assert rest.end is not None
        assert (rest.state, rest.end.reason) == ("closed", "target")
        typed = trade(Close(reason="target", price="1.1101"))
        assert [(part.target, part.price) for part in typed.parts] == [
            (1, D("1.1050")),
            (2, D("1.1100")),
            (None, D("1.1101")),
        ]
        assert trade(Close(reason="target", price="1.1049")).hits == 0

    @pytest.mark.parametrize(
        ("made", "change"),
        [
            (trade(), Close()),
            (trade(stop_loss=None), Close(reason="stop")),
            (trade(targets=()), Close(reason="target")),
            (trade(), Close(reason="reversed")),
        ],
    )
    def test_a_close_without_a_price_is_refused(self, made: Trade, change: Close) -> None:
        assert refused(made, change).field == "price"

    def test_time_ends_a_trade_without_a_result(self) -> None:
        ended = trade(Update(target_hit=1), Close(reason="time", from_feed=True))
        assert (ended.state, ended.flags, result_of(ended)) == ("closed", (Flag.NOT_FOLLOWED,), None)

    def test_the_same_end_is_a_duplicate_and_another_is_refused(self) -> None:
        closed = trade(Close(price="1.1070"), Revise())
        assert unchanged(closed, Close(price="1.1070"))
        assert unchanged(closed, Close())
        assert unchanged(closed, Close(price="1.1070", at=START + MINUTE))
        assert refused(closed, Close(price="1.1071")).field == "close"
        assert refused(closed, Close(price="1.1070", at=START)).field == "close"
        assert refused(closed, Update(stop_loss="be", note="late")).value == "closed"

    @pytest.mark.parametrize("end", [Close(price="1.0990"), Close(reason="time", from_feed=True)])
    def test_a_note_is_added_after_the_end_and_changes_nothing_else(self, end: Close) -> None:
        closed = trade(Update(note="CPI soon"), end)
        noted = after(closed, Update(note="The spread was wide"), SECOND)
        assert noted == closed.but(
            note="The spread was wide",
            version=closed.version + 1,
            changed_at=noted.changed_at,
            last_change=noted.last_change,
        )
        assert not is_news(closed, noted)

    def test_an_unfilled_order_is_cancelled_and_not_closed(self) -> None:
        assert refused(trade(**LIMIT), Close(price="1.1")).value == "pending"


class TestEndsBeforeTheFill:
    def test_a_pending_order_is_cancelled_or_expires(self) -> None:
        cancelled, expired = trade(CancelOrder(reason="news"), **LIMIT), trade(ExpireOrder(), **LIMIT)
        assert cancelled.end is not None
        assert (cancelled.state, cancelled.end.text, cancelled.end.reason) == ("cancelled", "news", None)
        assert (expired.state, expired.status) == ("expired", SignalStatus.EXPIRED)
        assert cancelled.status is SignalStatus.CANCELLED

    def test_the_same_again_is_a_duplicate(self) -> None:
        cancelled, expired = (
            trade(CancelOrder(reason="news"), Revise(), **LIMIT),
            trade(ExpireOrder(), Revise(), **LIMIT),
        )
        assert unchanged(cancelled, CancelOrder())
        assert unchanged(cancelled, CancelOrder(reason="news"))
        assert unchanged(expired, ExpireOrder())
        assert refused(cancelled, CancelOrder(reason="other")).value == "cancelled"

    @pytest.mark.parametrize("change", [CancelOrder(), ExpireOrder(), CancelOrder(flags=(Flag.GAPPED,))])
    def test_an_open_trade_can_only_be_closed(self, change: Any) -> None:
        assert refused(trade(), change).value == "open"

    def test_a_market_entry_that_gapped_is_cancelled_by_its_feed(self) -> None:
        gapped = CancelOrder(reason="gapped", from_feed=True, flags=(Flag.GAPPED,))
        assert trade(gapped).state is TradeState.CANCELLED
        assert after(trade(gapped), Reopen(), SECOND).state is TradeState.OPEN
        assert refused(trade(Fill(price="1.1")), gapped).value == "open"


class TestCorrections:
    def test_a_typo_is_corrected_and_stays_visible(self) -> None:
        corrected = trade(Correct(stop_loss="1.0960", entry_price="1.1001", targets=["1.1060"]))
        assert (corrected.stop, corrected.first_stop, corrected.entry) == (D("1.0960"), D("1.0960"), D("1.1001"))
        assert prices(corrected) == [D("1.1060")]
        assert corrected.flags == (Flag.CORRECTED,)
        (was,) = corrected.corrections
        assert (was.stop_loss, was.entry_price, len(was.targets)) == (D("1.0950"), D("1.1000"), 3)

    def test_a_trade_that_ended_before_is_not_corrected(self) -> None:
        again = trade(Close(reason="stop"), Reopen())
        assert refused(again, Correct(entry_price="1.0940", stop_loss="1.0900")).field == "correct"

    def test_a_second_typo_is_corrected_too(self) -> None:
        twice = trade(Correct(stop_loss="1.0960"), Correct(stop_loss="1.0970"))
        assert (twice.first_stop, [was.stop_loss for was in twice.corrections]) == (
            D("1.0970"),
            [D("1.0950"), D("1.0960")],
        )
        assert refused(after(twice, Update(stop_loss="be"), SECOND), Correct(stop_loss="1.0980")).field == "correct"

    def test_a_corrected_stop_counts_also_for_a_fill_from_before_the_correction(self) -> None:
        fill = Fill(price="1.1", at=START, from_feed=True)
        twice = trade(Correct(stop_loss="1.0960"), Correct(stop_loss="1.0970"), fill, **LIMIT)
        assert (twice.first_stop, twice.stop) == (D("1.0970"), D("1.0970"))

    def test_a_correction_to_the_same_values_changes_nothing(self) -> None:
        assert unchanged(trade(), Correct(stop_loss="1.0950"))

    @pytest.mark.parametrize(
        "made",
        [
            trade(Update(target_hit=1)),
            trade(Update(stop_loss="be")),
            trade(Update(targets=["1.12"])),
            trade(Fill(price="1.1"), **LIMIT),
        ],
    )
    def test_a_changed_trade_is_not_corrected(self, made: Trade) -> None:
        assert refused(made, Correct(stop_loss="1.0960")).field == "correct"

    def test_a_market_order_that_was_only_filled_can_still_be_corrected(self) -> None:
        assert trade(Fill(price="1.1"), Correct(stop_loss="1.0960")).first_stop == D("1.0960")

    @pytest.mark.parametrize(
        ("correct", "value"),
        [
            (Correct(stop_loss="1.0960"), "1.0960"),
            (Correct(stop_loss="1.0950", entry_price="1.0990", targets=["1.1020", "1.1025"]), "1.1020"),
        ],
    )
    def test_corrected_levels_must_fit_the_fill_too(self, correct: Correct, value: str) -> None:
        made = trade(Fill(price="1.0955" if value == "1.0960" else "1.1020", from_feed=True))
        assert refused(made, correct).value == value

    def test_targets_without_a_stop_can_be_corrected(self) -> None:
        corrected = trade(Fill(price="1.1"), Correct(targets=["1.1060"]), stop_loss=None)
        assert prices(corrected) == [D("1.1060")]


class TestReopen:
    @pytest.mark.parametrize(
        ("made", "end"),
        [
            (trade(Update(target_hit=1)), Close(price="1.1070")),
            (trade(Update(target_hit=1)), Close(reason="target")),
            (trade(), Update(target_hit=1, close_part=100, price="1.1050")),
            (trade(), Close(price="1.09", from_feed=True, flags=(Flag.GAPPED,))),
            (trade(), Close(reason="time", from_feed=True)),
            (trade(**LIMIT), CancelOrder(reason="oops")),
            (trade(**LIMIT), ExpireOrder()),
        ],
    )
    def test_a_wrong_end_is_undone_and_stays_in_the_record(self, made: Trade, end: Any) -> None:
        ended = after(made, end, SECOND)
        again = after(ended, Reopen(), SECOND)
        facts = ("state", "parts", "hits", "end", "news", "stop")
        assert [getattr(again, name) for name in facts] == [getattr(made, name) for name in facts]
        assert (again.flags, again.withdrawn) == ((*made.flags, Flag.REOPENED), (ended.end,))
        assert again.version == made.version + 2

    def test_an_order_whose_time_is_over_stays_expired(self) -> None:
        expired = trade(ExpireOrder(), **LIMIT)
        with pytest.raises(NotPossible) as caught:
            after(expired, Reopen(), START + timedelta(days=2))
        assert caught.value.field == "reopen"

    def test_nobody_ends_a_trade_without_its_result(self) -> None:
        with pytest.raises(NotPossible) as caught:
            after(trade(), Close(reason="time"), SECOND)
        assert (caught.value.field, caught.value.errors[0].value) == ("reason", "time")

    @pytest.mark.parametrize(
        ("change", "field", "value"),
        [
            (Close(price="-1"), "price", "-1"),
            (Update(stop_loss="-1"), "stop_loss", "-1"),
            (Correct(stop_loss="1.2"), "stop_loss", "1.2"),
        ],
    )
    def test_a_value_that_the_signal_cannot_have_is_not_possible(self, change: Any, field: str, value: str) -> None:
        with pytest.raises(NotPossible) as caught:
            after(trade(), change, SECOND)
        assert (caught.value.field, caught.value.errors[0].value) == (field, value)

    def test_a_live_trade_is_not_reopened(self) -> None:
        assert refused(trade(), Reopen()).value == "open"
