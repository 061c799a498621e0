"""States, marks and layouts of cards that `bodies.json` has no example of."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
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
    NotePrice,
    Reopen,
    Revise,
    Update,
)
from signalpost.domain.tier import Hidden
from signalpost.sinks.discord.cards.look import Colours
from signalpost.sinks.discord.cards.signal import signal_card
from signalpost.sinks.discord.cards.view import CardLink, View
from tests.unit.sinks.discord.cards.lives import (
    COIN,
    EDIT,
    FX,
    GOLD,
    LOOK,
    NOON,
    POUND,
    PREMIUM,
    YEN,
    content,
    embed,
    lines,
    trade,
)

COLOURS = Colours()
STOPPED = Close(reason=CloseReason.STOP, at=NOON + timedelta(hours=1))
NO_LEVELS = frozenset({Hidden.STOP, Hidden.TARGETS})
NO_STOP = frozenset({Hidden.STOP})
NO_TARGETS = frozenset({Hidden.TARGETS})
ENDED_BY_TIME = Close(reason=CloseReason.TIME, from_feed=True, at=NOON + timedelta(days=30))


def test_a_moved_stop_says_what_is_at_risk_or_locked_in() -> None:
    assert "0.50R at risk" in lines(trade(1, FX, Update(stop_loss="1.08122")))
    hit = trade(1, FX, Update(target_hit=1), Update(stop_loss="1.08672"))
    assert embed(hit)["title"] == "▲ EUR/USD · SL MOVED"
    assert "+0.50R banked · +0.17R locked in" in lines(hit)
    first = trade(1, FX, Update(stop_loss="1.08000"), stop_loss=None)
    assert lines(first)[0] == "**SL 1.08000**"
    assert not any("at risk" in line for line in lines(first))


def test_a_moved_stop_of_a_pending_order_keeps_its_validity() -> None:
    moved = trade(1, YEN, Update(stop_loss="154.200"))
    assert any(line.startswith("Good until <t:") for line in lines(moved))
    assert any(line.startswith("Good until <t:") for line in lines(moved, View(is_edit=True, run="march")))
    assert not any(":R>" in line for line in lines(moved, View(is_edit=True, run="march")))


def test_an_exact_fill_has_no_slippage_and_one_without_a_stop_no_risk() -> None:
    exact = trade(1, YEN, Fill(price="154.850"), stop_loss=None)
    assert lines(exact)[0] == "**Filled at 154.850**"
    assert not any("1R" in line for line in lines(exact))
    assert lines(trade(1, YEN, Fill(price="154.855")))[0] == "**Filled at 154.855** · 0.5 pips worse"


def test_the_fill_of_a_market_order_leaves_the_ticket() -> None:
    filled = trade(1, FX, Fill(price="1.08460"))
    assert "content" not in signal_card(filled, LOOK, EDIT)
    assert lines(filled)[0] == "**Filled at 1.08460** · 0.8 pips worse"
    assert "Entry 1.08460" in lines(filled)


@pytest.mark.parametrize("change", [Revise(), Correct(stop_loss="1.07800"), Update(targets=["1.09200"])])
def test_an_opening_that_changed_takes_its_ticket_out(change: Any) -> None:
    assert signal_card(trade(1, FX, change), LOOK, EDIT)["content"] == ""


def test_corrections_revisions_and_wrong_ends_stay_visible() -> None:
    assert "-# Corrected: SL 1.07792 was a typo" in lines(trade(1, FX, Correct(stop_loss="1.07712")))
    typos = trade(1, FX, Correct(entry_price="1.08500", targets=["1.09112", "1.09990"]))
    assert "-# Corrected: entry 1.08452 was a typo" in lines(typos)
    assert "-# Corrected: TP2 1.09442 was a typo" in lines(typos)
    assert not any("TP1" in line for line in lines(typos) if line.startswith("-# Corrected"))
    hidden = lines(trade(1, FX, Correct(stop_loss="1.07712")), View(hidden=NO_STOP, is_edit=True))
    assert "-# Corrected: a typo" in hidden
    assert "-# Revised: the candle was corrected, the cross is gone" in lines(trade(1, FX, Revise()))
    reopened = trade(1, FX, STOPPED, Reopen())
    assert "-# Reopened: the close was a mistake" in lines(reopened)


def test_a_note_about_the_open_trade_leaves_with_its_end_and_one_about_the_end_stays() -> None:
    changes = (Update(note="CPI soon"), Close(reason="stop"), Update(note="The spread was wide"))
    shown = [embed(trade(1, FX, *changes[:count]))["description"] for count in (1, 2, 3)]
    assert ["CPI soon" in text for text in shown] == [True, False, False]
    assert ["The spread was wide" in text for text in shown] == [False, False, True]


PRICED = NotePrice(level=Decimal("1.08782"), price=Decimal("1.08802"), at=NOON + timedelta(hours=1), from_feed=True)
PRICE_LINE = "-# +0.53R at 1.08802, <t:1795791600:R>"


def test_a_price_note_is_a_small_line_that_leaves_the_ticket() -> None:
    noted = trade(1, FX, Fill(price="1.08452"), PRICED)
    assert lines(noted).count(PRICE_LINE) == 1
    assert "content" not in signal_card(noted, LOOK, EDIT)
    hit = trade(1, FX, Fill(price="1.08452"), PRICED, Update(target_hit=1, at=PRICED.at))
    assert lines(hit).count(PRICE_LINE) == 1
    without = trade(1, FX, Fill(price="1.08452"), PRICED, stop_loss=None)
    assert "-# +35.0 pips at 1.08802, <t:1795791600:R>" in lines(without)
    assert any(line.startswith("-# +0.53R at 1.08802, <t:1795791600:d>") for line in lines(noted, View(run="r")))


def test_a_price_note_is_hidden_with_the_levels_if_it_was_stopped_and_after_the_end() -> None:
    noted = trade(1, FX, Fill(price="1.08452"), PRICED)
    ended = trade(1, FX, Fill(price="1.08452"), PRICED, Close(price="1.08900", at=PRICED.at))
    stopped = noted.but(price_note=msgspec.structs.replace(noted.price_note, stopped_for="max-per-day"))
    hidden = [View(hidden=each) for each in (NO_LEVELS, NO_STOP, NO_TARGETS)]
    shown = [*(lines(noted, view) for view in hidden), lines(ended), lines(stopped)]
    assert not any("1.08802" in line or "0.53R" in line for each in shown for line in each)


def test_a_tier_of_your_own_is_named_as_the_one_that_sees_everything() -> None:
    vip, longest = UserTier("vip_gold"), UserTier("v" * 32)
    hidden = View(hidden=NO_LEVELS, delay=timedelta(minutes=30), full_tier=vip)
    shown = "\n".join(lines(trade(1, FX), hidden))
    assert "premium" not in shown
    assert "SL     vip_gold" in shown
    assert "-# Sent 30 min after vip_gold" in shown
    moved = "\n".join(lines(trade(1, FX, Update(target_hit=1)), msgspec.structs.replace(hidden, is_edit=True)))
    assert "**Details in vip_gold**" in moved
    ended = lines(trade(1, FX, Close(price="1.08900")), msgspec.structs.replace(hidden, is_edit=True))
    assert "-# Opening and changes came 30 min after vip_gold" in ended
    rows = [line for line in lines(trade(1, FX), View(hidden=NO_STOP, full_tier=longest)) if line.startswith("SL")]
    assert rows == ["SL    " + "v" * 17 + "…"]


def test_a_replacement_says_so_first_and_has_no_ticket() -> None:
    view = View(tier=UserTier.PREMIUM, replaces_deleted=True)
    small = [line for line in lines(trade(1, FX), view) if line.startswith("-# ")]
    assert small[0] == "-# Replaces a deleted message"
    assert content(trade(1, FX), view) == [""]
    assert content(trade(1042, FX, Update(target_hit=1)), view) == ["TP1 HIT · EURUSD #1042 · +0.50R"]


def test_a_stop_that_was_gapped_shows_the_exit_and_the_gap() -> None:
    gapped = trade(1, FX, Close(price="1.07500", reason="stop", at=NOON + timedelta(minutes=1)))
    shown = lines(gapped.but(flags=(Flag.GAPPED, Flag.BOTH_TOUCHED, Flag.MID_PRICES)))
    assert shown[0].startswith("**-1.44R** · -95.2 pips")
    assert "SL    1.07792    hit -1.00" in shown
    assert "Exit  1.07500  -95.2 -1.44" in shown
    assert "-# One candle touched SL and TP1: counted as the stop" in shown
    assert sum("gap" in line or "mid prices" in line for line in shown) == 2


def test_a_trade_that_nobody_followed_has_no_result() -> None:
    lost = trade(1, FX, ENDED_BY_TIME)
    assert embed(lost)["title"] == "▲ EUR/USD · CLOSED"
    assert embed(lost)["color"] == COLOURS.grey
    assert lines(lost)[0] == "```"
    assert "-# Not followed: no result" in lines(lost)
    half = trade(1, FX, Update(target_hit=1), ENDED_BY_TIME)
    assert lines(half)[0] == "**+0.50R banked** · 50% not followed"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("gapped past TP1 before entry", "gapped past TP1 before entry"), (None, "gapped before entry")],
)
def test_an_order_that_the_market_jumped_over_is_no_trade(reason: str | None, shown: str) -> None:
    cancelled = trade(1, GOLD, CancelOrder(reason=reason, at=NOON, from_feed=True, flags=(Flag.GAPPED,)))
    assert lines(cancelled)[0] == f"**No trade** · {shown}"
    assert not any("Reason" in line for line in lines(cancelled))


def test_a_part_at_a_typed_price_of_a_target_is_shown_at_that_price() -> None:
    shown = lines(trade(1, FX, Update(target_hit=1, price="1.09100"), STOPPED))
    assert "Part  1.09100  +64.8 +0.98" in shown
    assert "-# 50% at 1.09100, 50% at SL" in shown


def test_parts_beyond_four_are_counted() -> None:
    parts = [Update(close_part=10, price=f"1.0850{each}") for each in range(6)]
    shown = [line for line in lines(trade(1, FX, *parts)) if line.startswith("Part")]
    assert [line.split()[1] for line in shown] == ["+2", "1.08502", "1.08503", "1.08504", "1.08505"]
    assert all(len(line) <= 26 for line in shown)


def test_a_reversal_counts_targets_only_if_one_was_hit() -> None:
    end = Close(price="1.08800", reason="reversed", at=NOON + timedelta(days=2))
    view = View(is_edit=True, closed_by=CardLink(7))
    assert "Long · open 2 d" in lines(trade(1, FX, end), view)
    assert "Long · open 2 d · 1 of 3 targets" in lines(trade(1, FX, Update(target_hit=1), end), view)
    assert "Now short: Card #7" in lines(trade(1, FX, end), view)


def test_break_even_is_grey_and_results_are_green_and_red() -> None:
    ends = [trade(1, FX, Close(price=price)) for price in ("1.08452", "1.08500", "1.08400")]
    assert [embed(end)["color"] for end in ends] == [COLOURS.grey, COLOURS.green, COLOURS.red]
    assert embed(ends[0])["title"].endswith("CLOSED 0.00R")


def test_a_result_in_per_cent_is_not_shown_twice() -> None:
    end = trade(1, COIN, Close(price="66410.0"), stop_loss=None)
    assert lines(end)[0] == "**+1.50%**"
    assert "-# Per cent of price, without leverage" in lines(end)
    assert "-# Per cent of price, without leverage" not in lines(trade(1, COIN, Close(price="66410.0"), leverage=1))


def test_a_price_at_or_below_zero_has_no_per_cent() -> None:
    fields = {**FX, "pair": "CL1!", "entry_price": "-2.00", "stop_loss": "-3.00", "targets": ["-1.00"]}
    assert any(line.startswith("-# 1R = ") and "(" not in line for line in lines(trade(1, fields), PREMIUM))


@pytest.mark.parametrize(
    ("hidden", "rows", "says_stop"),
    [
        (NO_LEVELS, ["Entry  1.08452", "SL     premium", "TP1-3  premium"], True),
        (NO_STOP, ["Entry 1.08452", "SL    premium", "TP1   1.09112  +66.0"], True),
        (NO_TARGETS, ["Entry 1.08452", "SL    1.07792  -66.0 -1.00", "TP1-3 premium"], False),
    ],
)
def test_a_hidden_level_names_the_tier_that_sees_it(hidden: Any, rows: list[str], says_stop: bool) -> None:
    shown = lines(trade(1, FX), View(hidden=hidden))
    assert [row for row in rows if row not in shown] == []
    assert ("No stop shown: do not enter without one." in shown) == says_stop
    assert any(line.startswith("Enter by") for line in shown) != says_stop


def test_a_tier_that_hides_levels_gets_the_state_alone_until_the_end() -> None:
    view = View(hidden=NO_LEVELS, is_edit=True)
    hit = trade(1, FX, Update(target_hit=1), Update(stop_loss="be"))
    assert embed(hit, view)["title"] == "▲ EUR/USD · SL MOVED"
    assert lines(hit, view)[0] == "**Details in premium**"
    assert not any("banked" in line for line in lines(hit, view))
    parts = trade(1, POUND, Update(close_part=50, price="194.060", note="Half at 194.060"))
    assert embed(parts, view)["title"] == "▼ GBP/JPY · 50% CLOSED"
    assert "194.060" not in str(embed(parts, view))
    assert "TP1    premium" in lines(trade(1, FX, targets=["1.09112"]), view)


def test_a_late_copy_says_how_late_it_is() -> None:
    view = View(delay=timedelta(minutes=30))
    assert content(trade(1, FX), view) == ["FREE COPY · EURUSD H4, 30 min late"]
    assert "-# Sent 30 min after premium · 1R = 66.0 pips (0.61%)" in lines(trade(1, FX), view)
    later = lines(trade(1, FX), View(delay=timedelta(minutes=30)))
    assert any(str(int((NOON + timedelta(hours=4, minutes=30)).timestamp())) in line for line in later)
    hidden = View(hidden=NO_LEVELS)
    assert content(trade(1, FX), hidden) == ["FREE COPY · EURUSD H4"]
    long = View(delay=timedelta(hours=1, minutes=30))
    assert content(trade(1, FX), long) == ["FREE COPY · EURUSD, 1 h 30 min late"]


def test_an_end_within_the_delay_comes_alone_and_is_not_called_late() -> None:
    end = trade(1042, FX, Update(target_hit=1), STOPPED)
    view = View(delay=timedelta(hours=4), hidden=NO_LEVELS)
    assert content(end, view) == ["STOPPED · EURUSD #1042 · 0.00R"]
    assert "-# 50% at TP1, 50% at SL" in lines(end, view)


@pytest.mark.parametrize(
    ("change", "headline"),
    [
        (Update(target_hit=1), "TP1 HIT · EURUSD #1042"),
        (Update(stop_loss="be"), "SL MOVED · EURUSD #1042"),
        (Update(close_part=50, price="1.09"), "PART CLOSED · EURUSD #1042"),
        (ENDED_BY_TIME, "CLOSED · EURUSD #1042"),
    ],
)
def test_the_first_message_of_a_later_state_has_a_headline_without_what_is_hidden(change: Any, headline: str) -> None:
    assert content(trade(1042, FX, change), View(hidden=NO_LEVELS)) == [headline]


def test_a_replay_is_marked_in_every_state_and_pings_nobody() -> None:
    view = View(tier=UserTier.PREMIUM, run="march")
    for now in (trade(17, FX), trade(17, FX, Update(target_hit=1)), trade(17, GOLD, ExpireOrder(at=NOON))):
        body = signal_card(now, LOOK, view)
        assert body["content"].startswith("REPLAY · ")
        assert body["embeds"][0]["title"].startswith("REPLAY · ▲ ")
        assert body["embeds"][0]["footer"]["text"].endswith(" · replay")
        assert body["embeds"][0]["color"] == COLOURS.grey
        assert "roles" not in body["allowed_mentions"]
    assert not any(":R>" in line for line in lines(trade(17, FX, Update(target_hit=1)), view))
    assert content(trade(17, FX, timeframe=None), view) == ["REPLAY · EURUSD, not live"]
