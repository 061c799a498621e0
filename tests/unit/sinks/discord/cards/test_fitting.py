"""How cards and tickets fit, and the words of the operator on them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from signalpost import Context, UserTier
from signalpost.domain.change import (
    Close,
    CloseReason,
    Correct,
    Fill,
    Update,
)
from signalpost.domain.tier import Hidden
from signalpost.sinks.discord.cards.look import Look, Roles, TicketLayout
from signalpost.sinks.discord.cards.signal import signal_card
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.port import Chart
from tests.unit.sinks.discord.cards.lives import (
    COIN,
    EDIT,
    FX,
    GOLD,
    LOOK,
    NOON,
    POUND,
    PREMIUM,
    ROLE,
    card,
    content,
    embed,
    lines,
    many,
    signal,
    trade,
)

STOPPED = Close(reason=CloseReason.STOP, at=NOON + timedelta(hours=1))
NO_LEVELS = frozenset({Hidden.STOP, Hidden.TARGETS})
NO_STOP = frozenset({Hidden.STOP})
NO_TARGETS = frozenset({Hidden.TARGETS})


def test_a_name_that_is_cut_in_the_title_is_in_the_first_line() -> None:
    view = View(run="march", is_edit=True)
    end = trade(17, FX, STOPPED)
    assert embed(end, view)["title"] == "REPLAY · ▲ STOPPED -1.00R"
    assert lines(end, view)[0] == "EUR/USD"
    assert embed(trade(17, FX, Update(target_hit=1)), view)["title"] == "REPLAY · ▲ EUR/USD · TP1 HIT"
    long = trade(17, FX, pair="AVERYLONGSYMBOLINDEED12345")
    assert lines(long, PREMIUM)[0] == "AVERYLONGSYMBOLINDEED12345"
    assert "perp" not in embed(trade(17, COIN, pair="10000000000PEPE/USDT:USDT"), PREMIUM)["title"]


def test_a_long_symbol_moves_the_entry_to_a_line_of_its_own() -> None:
    shown = content(trade(1, FX, pair="AVERYLONGSYMBOLINDEED12345"))
    assert shown[:3] == ["BUY AVERYLONGSYMBOLINDEED12345", "@ 1.08452", "SL 1.07792 TP1 1.09112 TP2 1.09442"]


def test_a_ticket_can_have_a_line_for_each_price() -> None:
    shown = content(trade(1, FX), look=Look(ticket=TicketLayout.LINES))
    assert shown == ["BUY EURUSD @ 1.08452", "SL 1.07792", "TP1 1.09112", "TP2 1.09442", "TP3 1.09772"]


def test_prices_that_are_too_long_for_any_table_stand_alone() -> None:
    entry, stop = "123456789012345678.12346", "123456789012345677.12346"
    shown = lines(trade(1, FX, entry_price=entry, stop_loss=stop, targets=None), PREMIUM)
    assert [line.split() for line in shown[1:4]] == [["price"], ["Entry", entry], ["SL", stop]]


@pytest.mark.parametrize(("number", "line"), [(8, None), (9, "+1 more target"), (10, "+2 more targets")])
def test_targets_beyond_the_eighth_are_counted(number: int, line: str | None) -> None:
    for shown in (content(trade(1, many(number))), lines(trade(1, many(number)), PREMIUM)):
        assert sum(each.startswith("TP8 ") or " TP8 " in each for each in shown) == 1
        assert not any("TP9" in each for each in shown)
        assert [each for each in shown if "more" in each] == ([] if line is None else [line])
    assert "TP1-10" in str(embed(trade(1, many(10)), View(hidden=NO_LEVELS)))
    assert "more" not in str(embed(trade(1, many(10)), View(hidden=NO_LEVELS)))


def test_of_a_card_that_is_too_long_the_least_important_words_go_first() -> None:
    context = Context({f"fact {number}": "x" * 40 for number in range(12)})
    view = View(tier=UserTier.PREMIUM, context=context)
    now = trade(1, many(8), notes="note " * 60, confidence_score=1)
    shown = lines(now, view)
    assert not any("fact" in line for line in shown)
    assert any(line.startswith("-# note") for line in shown)
    assert any("MA cross" in line for line in shown)
    short = lines(trade(1, FX), View(tier=UserTier.PREMIUM, context=Context({"spread": 0.8})))
    assert "-# spread 0.8" in short


def test_targets_beyond_the_third_go_last() -> None:
    look = Look(producer="Conflicts of interest. " * 30)
    fine = {**FX, "price_places": 20, "targets": [f"1.0{9000 + each}" for each in range(10)]}
    view = View(tier=UserTier.PREMIUM, closes=card(1045))
    shown = lines(trade(1, fine, entry_zone=["1.08400", "1.08500"]), view, look)
    assert "+7 more targets" in shown
    assert not any("MA cross" in line or "London" in line for line in shown)
    assert any(line.startswith("Enter by") for line in shown)


def test_a_table_that_is_too_wide_loses_distance_then_r() -> None:
    fields = {**COIN, "pair": "1000PEPE/USDT", "leverage": None}
    wide = {"entry_price": "0.0123456789", "stop_loss": "0.0133456789", "targets": ["0.0113456789"]}
    shown = lines(trade(1, {**fields, **wide}, Update(target_hit=1), targets=[("0.0113456789", 50)]))
    assert "TP1   0.0113456789   hit" in shown
    assert "SL    0.0133456789 -1.00" in shown
    shown = lines(trade(1, {**fields, **wide}, Update(target_hit=1), targets=[("0.0113456789", 50)], price_places=20))
    assert "TP1   0.01134567890000000000" in shown
    assert "SL    0.01334567890000000000" in shown
    far = {"entry_price": "67420.0", "stop_loss": "67421.0"}
    shown = lines(trade(1, {**COIN, **far}, Update(target_hit=1), targets=[("57420.0", 50)], price_places=10))
    assert "TP1   57420.0000000000   hit" in shown


def test_an_entry_zone_and_the_shown_risk_are_in_the_card() -> None:
    zone = trade(1, FX, entry_zone=["1.08400", "1.08500"], risk_percent="1.50")
    assert "Entry zone 1.08400 to 1.08500" in lines(zone, PREMIUM)
    assert "-# London + New York · risk 1.5%" in lines(zone, PREMIUM)
    filled = trade(1, FX, Fill(price="1.08460"), entry_zone=["1.08400", "1.08500"])
    assert not any("zone" in line for line in lines(filled))


def test_notes_of_the_strategy_are_escaped_and_keep_their_lines() -> None:
    assert {"-# Watch the", "-# \\*US jobs\\*"} <= set(lines(trade(1, FX, notes="Watch the\n*US jobs*"), PREMIUM))
    assert "-# Wait" in lines(trade(1, FX, Update(note="Wait"), notes="Old"))
    assert "-# Old" not in lines(trade(1, FX, Update(note="Wait"), notes="Old"))


def test_the_operators_words_are_on_every_card() -> None:
    look = Look(
        username="Acme",
        avatar_url="https://a.example/a.png",
        producer="Acme Ltd",
        footer="Acme",
        disclaimer_on_signals=True,
    )
    body = signal_card(trade(1042, FX), look, PREMIUM)
    assert (body["username"], body["avatar_url"]) == ("Acme", "https://a.example/a.png")
    assert str(body["embeds"][0]["description"]).endswith("-# By Acme Ltd\n-# Not financial advice")
    assert body["embeds"][0]["footer"]["text"] == "#1042 · 3b4862 · Acme"
    assert not {"username", "avatar_url"} & signal_card(trade(1042, FX), look, EDIT).keys()


@pytest.mark.parametrize(
    ("number", "footer", "text"),
    [
        (1042, "Acme Trading", "#1042 · Acme Trading"),
        (1042, "A trading company of great age", "#1042 · 3b4862 · may repeat"),
        (1042000, "", "#1042000 · may repeat"),
    ],
)
def test_of_a_long_footer_the_id_goes_and_never_the_number(number: int, footer: str, text: str) -> None:
    view = View(may_repeat="may repeat" in text)
    assert embed(trade(number, FX), view, Look(footer=footer))["footer"]["text"] == text


def test_a_trade_without_a_number_is_named_by_its_short_id() -> None:
    made = embed(trade(1, FX).but(number=0), PREMIUM)
    assert made["footer"]["text"] == "#3b4862"


def test_a_role_is_pinged_only_by_a_live_signal_of_its_tier() -> None:
    assert content(trade(1, FX), PREMIUM)[-1] == f"<@&{ROLE}>"
    for view in (View(tier=UserTier.FREE), View(tier=UserTier.PREMIUM, delay=timedelta(minutes=5))):
        assert ROLE not in str(signal_card(trade(1, FX), LOOK, view))
    none = Look(roles={UserTier.PREMIUM: Roles()})
    assert ROLE not in str(signal_card(trade(1, FX), none, PREMIUM))


def test_an_edit_adds_keeps_or_removes_a_chart() -> None:
    chart = Chart(b"png", "what it shows")
    added = signal_card(trade(1, FX), LOOK, View(is_edit=True, chart=chart))
    assert added["embeds"][0]["image"] == {"url": "attachment://chart.png"}
    assert added["attachments"] == [{"id": 0, "filename": "chart.png", "description": "what it shows"}]
    assert "content" not in added, "the ticket stays"
    kept = signal_card(trade(1, FX), LOOK, View(is_edit=True, keeps_chart=True))
    assert ("attachments" in kept, kept["embeds"]) == (False, added["embeds"])
    without = signal_card(trade(1, FX), LOOK, View(is_edit=True))
    assert ("attachments" in without, "image" in without["embeds"][0]) == (False, False)


def test_a_chart_goes_if_it_is_hidden_wrong_or_doubtful() -> None:
    typo = Correct(stop_loss=Decimal("1.07700"))
    for changes, view in (
        ((), View(is_edit=True, keeps_chart=True, hidden=frozenset({Hidden.CHART}))),
        ((typo,), View(is_edit=True, keeps_chart=True)),
        ((), View(is_edit=True, keeps_chart=None)),
    ):
        body = signal_card(trade(1, FX, *changes), LOOK, view)
        assert (body["attachments"], "image" in body["embeds"][0]) == ([], False)


def test_gold_has_two_decimals_or_those_of_its_prices() -> None:
    assert "@ 2641.50" in content(trade(1, GOLD))[0]
    assert "@ 2641.505" in content(trade(1, GOLD, entry_price="2641.505"))[0]


def test_the_helpers_build_what_they_say() -> None:
    assert signal(POUND).known_at == POUND["known_at"]


def test_a_closed_trade_at_a_price_below_zero_has_no_per_cent() -> None:
    fields = {**FX, "pair": "CL1!", "entry_price": "-2.00", "stop_loss": "-3.00", "targets": ["-1.00"]}
    end = trade(1, fields, Update(target_hit=1))
    assert lines(end)[0].count("%") <= 1


def test_a_card_without_a_strategy_or_sessions_has_no_empty_line() -> None:
    shown = lines(trade(1, COIN, strategy_name=None), PREMIUM)
    assert shown[-1] == "-# 1R = 1.50%"


def test_an_end_at_a_typed_stop_names_its_price() -> None:
    end = trade(1, FX, Update(target_hit=1), Close(price="1.07700", reason="stop", at=NOON))
    assert "-# 50% at TP1, 50% at 1.07700" in lines(end)


def test_a_title_of_a_replay_is_cut_if_its_result_is_too_long() -> None:
    fields = {**FX, "pair": "US500", "entry_price": "5842.5", "stop_loss": None, "targets": ()}
    title = embed(trade(1, fields, Close(price="5842.6", reason="reversed", at=NOON)), View(run="march"))["title"]
    assert len(title) <= 30
    assert title.startswith("REPLAY · ▲ REVERSED +0.1 ")


def test_a_footer_keeps_the_number_whatever_its_length() -> None:
    made = embed(trade(10**25, FX), View(may_repeat=True))
    assert made["footer"]["text"] == f"#{10**25} · may repeat"
