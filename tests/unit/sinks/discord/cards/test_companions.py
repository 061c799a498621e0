from datetime import timedelta
from typing import Any

import pytest

from signalpost import UserTier
from signalpost.domain.change import (
    CancelOrder,
    Close,
    CloseReason,
    Correct,
    ExpireOrder,
    Fill,
    Flag,
    Reopen,
    Revise,
    Update,
)
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import Trade
from signalpost.sinks.discord.cards.companion import Step, companion
from signalpost.sinks.discord.cards.look import Event, Look, Roles, Sending
from signalpost.sinks.discord.cards.view import View
from tests.unit.sinks.discord.cards.lives import (
    COIN,
    FX,
    GOLD,
    LOOK,
    NOON,
    PREMIUM,
    ROLE,
    SHARE,
    YEN,
    life,
    step,
    trade,
)

HIT = Update(target_hit=1)
STOPPED = Close(reason=CloseReason.STOP, at=NOON + timedelta(hours=1))


def said(*steps: Step, view: View = PREMIUM, look: Look = LOOK) -> list[str]:
    body = companion(steps, look, view)
    assert body is not None
    return str(body["content"]).split("\n")


def pings(*steps: Step) -> bool:
    return ROLE in str(companion(steps, LOOK, PREMIUM))


def test_nothing_is_sent_for_what_changes_no_decision() -> None:
    now = trade(1, FX)
    assert companion([Step(now, now)], LOOK, PREMIUM) is None
    assert companion([step(1, FX, Update(note="Wait"))], LOOK, PREMIUM) is None
    assert companion([step(1, FX, Fill(price="1.08460"))], LOOK, PREMIUM) is None
    ended = trade(1, FX, STOPPED)
    assert companion([Step(ended, ended)], LOOK, PREMIUM) is None


@pytest.mark.parametrize("view", [View(delay=timedelta(seconds=1)), View(hidden=frozenset({Hidden.CHART}))])
def test_nothing_is_sent_to_a_tier_that_gets_less(view: View) -> None:
    assert companion([step(1, FX, HIT)], LOOK, view) is None


def test_an_event_can_be_silent_or_off() -> None:
    silent = companion([step(1, FX, HIT)], Look(companions={Event.TARGET: Sending.SILENT}), PREMIUM)
    assert silent is not None
    assert silent["flags"] == 4096
    assert companion([step(1, FX, HIT)], Look(companions={Event.TARGET: Sending.OFF}), PREMIUM) is None


def test_the_loudest_event_of_a_message_decides_how_it_is_sent() -> None:
    look = Look(companions={Event.TARGET: Sending.OFF, Event.STOP: Sending.SILENT})
    body = companion([step(1, FX, HIT, Update(stop_loss="be"), since=0)], look, PREMIUM)
    assert body is not None
    assert body["flags"] == 4096
    several = companion([step(1, FX, HIT, Update(stop_loss="be")), step(2, FX, STOPPED)], look, PREMIUM)
    assert several is not None
    assert "flags" not in several


def test_a_silent_message_pings_nobody() -> None:
    look = Look(companions={Event.STOP: Sending.SILENT}, roles=LOOK.roles)
    assert ROLE not in str(companion([step(1, FX, Update(stop_loss="be"))], look, PREMIUM))


def test_an_operator_can_choose_another_role_or_none_for_an_event() -> None:
    other = "1100000000000000006"
    look = Look(roles={UserTier.PREMIUM: Roles(ROLE, {Event.STOP: other, Event.CANCELLED: None})})
    assert other in said(step(1, FX, Update(stop_loss="be")), look=look)[-1]
    assert "<@&" not in str(companion([step(1, GOLD, CancelOrder())], look, PREMIUM))


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ([HIT, Update(target_hit=2)], ["TP2 HIT · EURUSD #1042 · +0.95R", "80% closed, 20% runs."]),
        ([Update(stop_loss="1.08000")], ["SL MOVED · EURUSD #1042", "Move SL to 1.08000."]),
        (
            [Update(close_part=20, price="1.08500"), Update(stop_loss="be")],
            ["PART CLOSED · EURUSD #1042 · +0.01R", "Close 20% at 1.08500.", "Move SL to 1.08452 (entry)."],
        ),
        (
            [Update(close_part=20, price="1.08500"), Update(close_part=10, price="1.08600")],
            ["PART CLOSED · EURUSD #1042 · +0.04R", "Close 20% at 1.08500. Close 10% at 1.08600."],
        ),
        (
            [Update(close_part=20, price="1.08600"), Update(close_part=10, price="1.08600", note="again")],
            ["PART CLOSED · EURUSD #1042 · +0.07R", "Close 30% at 1.08600."],
        ),
        ([HIT, STOPPED], ["STOPPED · EURUSD #1042 · 0.00R", "Out at 1.07792. Open 1 h."]),
        (
            [Close(reason="target", price="1.09000", at=NOON)],
            ["CLOSED · EURUSD #1042 · +0.83R", "Out at 1.09000. Open <1 min."],
        ),
        ([Close(reason="time", from_feed=True, at=NOON)], ["CLOSED · EURUSD #1042", "Not followed: no result."]),
        ([Revise()], ["INFO · EURUSD #1042 revised", "The candle was corrected: the cross is gone."]),
        (
            [Close(reason="time", from_feed=True, at=NOON), Reopen()],
            ["INFO · EURUSD #1042 reopened", "The close was a mistake: it is open again."],
        ),
        ([Update(targets=["1.09999"])], ["INFO · EURUSD #1042, targets moved", "TP1 1.09999"]),
        (
            [HIT, Update(targets=["1.09999"])],
            ["TP1 HIT · EURUSD #1042 · +0.50R", "50% closed at 1.09112, 50% runs.", "TP2 1.09999"],
        ),
        (
            [Correct(entry_price="1.08500", targets=["1.09999"])],
            ["INFO · EURUSD #1042 corrected", "Entry 1.08500 TP1 1.09999"],
        ),
        ([Correct(stop_loss="1.07712")], ["INFO · EURUSD #1042 corrected", "Move SL to 1.07712."]),
        (
            [Correct(stop_loss="1.07712", targets=["1.09112", "1.09500", "1.09999"])],
            ["INFO · EURUSD #1042 corrected", "Move SL to 1.07712.", "TP1 1.09112 TP2 1.09500 TP3 1.09999"],
        ),
        (
            [Correct(targets=["1.09112", "1.09500", "1.09600", "1.09999"])],
            ["INFO · EURUSD #1042 corrected", "TP1 1.09112 TP2 1.09500 TP3 1.09600", "TP4 1.09999"],
        ),
        (
            [Update(close_part=25, price="1.09000"), HIT],
            ["TP1 HIT · EURUSD #1042 · +0.58R", "37.50% closed at 1.09112, 37.50% runs.", "Close 25% at 1.09000."],
        ),
    ],
)
def test_a_message_says_what_happened_and_what_to_do(changes: list[Any], texts: list[str]) -> None:
    since = -2 if isinstance(changes[-1], Reopen) else 0
    assert said(step(1042, FX, *changes, since=since))[:-1] == texts


def test_a_corrected_stop_is_an_order_and_another_correction_is_not() -> None:
    assert pings(step(1042, FX, Correct(stop_loss="1.07712")))
    assert not pings(step(1042, FX, Correct(targets=["1.09999"])))


def test_a_fill_without_a_stop_names_the_entry_alone() -> None:
    states = life(1043, YEN, Fill(price="154.848"), stop_loss=None)
    assert said(Step(states[0], states[1])) == ["FILLED · USDJPY #1043", "In at 154.848."]


def test_a_market_order_that_gapped_has_no_order_to_delete() -> None:
    for level in ("SL", "TP1"):
        reason = f"gapped past {level} before entry"
        gone = step(1, FX, CancelOrder(reason=reason, from_feed=True, flags=(Flag.GAPPED,)))
        assert said(gone)[:2] == ["CANCELLED · EURUSD #1", f"Gapped past {level} before entry: no trade."]
        assert not pings(gone)


def test_a_repeat_is_marked() -> None:
    assert "MAY REPEAT: skip it if in #1042" in said(step(1042, FX, HIT), view=View(may_repeat=True))


def test_a_replays_message_is_marked_silent_and_pings_nobody() -> None:
    view = View(tier=UserTier.PREMIUM, run="march")
    body = companion([step(17, FX, Update(stop_loss="be"))], LOOK, view)
    assert body is not None
    assert body["content"].startswith("REPLAY · SL MOVED · EURUSD #17\n")
    assert (body["flags"], ROLE in str(body)) == (4096, False)
    assert said(step(17, FX, HIT), view=view)[0] == "REPLAY · TP1 HIT · EURUSD #17"
    several = said(step(17, FX, HIT), step(18, FX, HIT), view=view)
    assert several[0] == "REPLAY · 2 UPDATES · #17 #18"


def test_a_long_symbol_is_cut_and_never_the_number_or_the_result() -> None:
    part = step(1039, COIN, Update(close_part=20, price="66000"))
    assert said(part)[0] == "PART CLOSED · BTC/US… #1039 · +0.28R"


def test_several_trades_have_a_line_each_and_the_first_numbers() -> None:
    steps = [step(1000 + number, FX, HIT) for number in range(10)]
    shown = said(*steps)
    assert shown[0] == "10 UPDATES · #1000 #1001 #1002 +7"
    assert len(shown) == 11
    assert shown[1].startswith("TP1 HIT · EURUSD [#1000](https://discord.com/channels/")
    assert shown[1].endswith(") · +0.50R")


def test_links_go_before_a_message_is_too_long() -> None:
    shown = said(*[step(1000 + number, FX, HIT) for number in range(30)])
    assert len("\n".join(shown)) <= 2000
    assert "https" in shown[1]
    assert shown[-1] == "TP1 HIT · EURUSD #1029 · +0.50R"


def test_numbers_too_long_for_the_first_line_are_only_counted() -> None:
    steps = [step(10**30 + number, FX, HIT) for number in range(2)]
    assert said(*steps)[0] == "2 UPDATES"


def test_several_trades_ping_a_role_if_one_requires_readers_to_act() -> None:
    assert pings(step(1, FX, HIT), step(2, FX, Update(stop_loss="be")))
    assert not pings(step(1, FX, HIT), step(2, SHARE, ExpireOrder()))
    assert pings(step(2, SHARE, ExpireOrder()))


def test_a_revised_trade_among_several_says_so() -> None:
    first: Trade = trade(7, FX)
    shown = said(Step(first, trade(7, FX, Revise())), step(1042, FX, HIT))
    assert shown[1] == "INFO · EURUSD #7 revised"


def test_more_trades_than_fit_are_counted() -> None:
    shown = said(*[step(1000 + number, FX, HIT) for number in range(60)])
    assert len("\n".join(shown)) <= 2000
    assert shown[0].startswith("60 UPDATES")
    assert shown[-1] == "+10 more"


def test_a_result_goes_before_a_symbol_is_cut_beyond_recognition() -> None:
    states = life(1234567, FX, Update(close_part=50, price="1.10452"), stop_loss=None)
    assert said(Step(states[0], states[1]))[0] == "PART CLOSED · EURUSD #1234567"
