"""A trade for people: a row of the table, a page, and a row of a spreadsheet. Every fact of the record is there."""

from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from signalpost.cli.store import only
from signalpost.cli.trade_lines import COLUMNS, link_of, page, row_of, trades_table
from signalpost.delivery.outbox.book import BookEntry, CardEntry
from signalpost.domain.change import CancelOrder, Close, Correct, Fill, Reopen, Update
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import PriceNote, Trade
from signalpost.errors import InvalidValue
from signalpost.sinks.port import Shown
from tests.unit.domain.trades import LIMIT, LONG, SECOND, START, trade

SHOWN = CardEntry("signals-free", UserTier.FREE, Shown("77", "22", "11", "w"), 2, START)
LINK = "https://discord.com/channels/11/22/77"
UNKNOWN_GUILD = CardEntry("signals-premium", UserTier.PREMIUM, Shown("78"), 1, None)
NOT_SHOWN = CardEntry("signals-vip", UserTier("vip"), None, 0, None)


def entry(made: Trade, *cards: CardEntry) -> BookEntry:
    return BookEntry(made, None, cards)


def lines(made: Trade, *cards: CardEntry) -> dict[str, list[str]]:
    """The lines of a page by their first word."""
    found: dict[str, list[str]] = {}
    for line in page(entry(made, *cards), SECOND):
        word, _, rest = line.strip().partition(" ")
        found.setdefault(word, []).append(rest.strip())
    return found


def row(made: Trade, *cards: CardEntry) -> dict[str, str]:
    return dict(zip(COLUMNS, row_of(entry(made, *cards)), strict=True))


def rows(trades: list[Trade], now: datetime) -> list[list[str]]:
    """The rows of the table, as words."""
    screen = Console(width=80, file=StringIO())
    with screen.capture() as printed:
        screen.print(trades_table(map(entry, trades), now))
    return [line.split() for line in printed.get().splitlines() if "BUY" in line]


def test_a_row_of_the_table_has_levels_hits_result_and_age() -> None:
    closed = trade(Update(target_hit=1), Close(price="1.1000"), **LONG)
    bare = trade(pair="BTC/USDT", timeframe=None, entry_price=100, stop_loss=None, targets=[])
    first, second = rows([closed, bare], SECOND)
    assert first == ["1", "EUR_USD", "BUY", "H4", "closed", "1.10000", "1.09500", "1/3", "+0.33R", "10", "min"]
    assert second[:4] == ["1", "BTC_USDT", "BUY", "open"]
    assert "/" not in "".join(second), "it has no targets"


def test_a_page_has_every_fact_of_a_closed_trade() -> None:
    made = trade(
        Fill(price="1.1002"),
        Update(target_hit=1, stop_loss="be", note="CPI soon"),
        Update(close_part="20%", price="1.1040"),
        Close(price="1.1010"),
        strategy_name="cross",
        targets=[("1.1050", "50%"), ("1.1100", "50%")],
    )
    shown = lines(made, SHOWN, UNKNOWN_GUILD, NOT_SHOWN)
    assert {"closed", "EUR_USD"} <= set(shown["#1"][0].replace(":", " ").replace(",", " ").split())
    assert shown["by"] == ["cross"]
    assert shown["filled"][0].startswith("1.10020 (2.0 pips worse)")
    assert shown["stop"][0].startswith("1.10020, first 1.09500 (1R = 52.0 pips")
    assert [shown["TP1"], shown["TP2"]] == [["1.10500 for 50%, hit"], ["1.11000 for 50%"]]
    assert [part.split(",")[0] for part in shown["part"]] == [
        "50% at 1.10500 (TP1)",
        "20% at 1.10400",
        "30% at 1.10100",
    ]
    assert [part.endswith("reported") for part in shown["part"]] == [False, True, True]
    assert shown["end"][0].startswith("manual, 1.10100")
    assert shown["result"][0].startswith("+0.65R, +34.0 pips, +0.31%")
    assert shown["result"][0].endswith("win")
    assert shown["note"] == ["CPI soon"]
    assert "reported" in shown["flags"][0]
    assert [card.split()[0] for card in shown["card"]] == ["signals-free:", "signals-premium:", "signals-vip:"]
    assert "first shown" in shown["card"][0]
    assert "78" in shown["card"][1]
    assert LINK in shown
    assert "banked" not in shown


def test_a_page_of_an_open_trade_says_what_is_banked() -> None:
    shown = lines(trade(Update(target_hit=1)))
    assert shown["banked"] == ["+0.33R, 66.67% open"]
    assert "end" not in shown


@pytest.mark.parametrize("stopped_for", [None, "max-per-day: too many"])
def test_a_page_has_the_last_price_note_and_the_rule_that_stopped_it(stopped_for: str | None) -> None:
    noted = PriceNote(Decimal("1.1025"), Decimal("1.1030"), START, stopped_for)
    (line,) = lines(trade().but(price_note=noted))["price"]
    facts = ("+0.60R", "1.10300", "+0.50R", "2026-11-27 14:00:00 UTC", *([stopped_for] if stopped_for else []))
    assert all(fact in line for fact in facts)
    assert ("max-per-day" in line) == bool(stopped_for)


def test_a_page_keeps_what_was_corrected_and_withdrawn() -> None:
    made = trade(
        Correct(stop_loss="1.0940", entry_price="1.1001", targets=["1.1060"]),
        Close(price="1.1010"),
        Reopen(),
    )
    shown = lines(made)
    assert shown["was"][0].startswith("entry 1.10000, stop 1.09500, targets 1.10500 1.11000 1.11500")
    assert shown["undone"][0].startswith("manual, 1.10100")
    assert set(shown["flags"][0].split(", ")) >= {"corrected", "reopened"}


def test_a_page_of_an_order_says_until_when_it_is_good_and_why_it_was_cancelled() -> None:
    order: dict[str, Any] = LIMIT | {"entry_zone": ("1.0990", "1.1010")}
    shown = lines(trade(**order))
    assert shown["entry"] == ["1.10000, limit order, zone 1.09900 to 1.10100"]
    assert shown["good"][0].startswith("until 2026-11-28 14:00:00")
    cancelled = lines(trade(CancelOrder(reason="NFP"), **order))
    assert cancelled["end"][0].startswith("NFP")
    assert "good" not in cancelled


def test_a_trade_without_a_stop_has_no_line_for_it() -> None:
    assert "stop" not in lines(trade(stop_loss=None, strategy_name=None))


def test_a_link_needs_server_and_channel() -> None:
    assert [link_of(card) for card in (SHOWN, UNKNOWN_GUILD, NOT_SHOWN)] == [LINK, None, None]
    assert link_of(SHOWN._replace(message=Shown("77", None, "11"))) is None


def test_a_row_of_the_spreadsheet_has_every_column() -> None:
    cells = row(trade(Update(target_hit=1), Close(price="1.1000"), strategy_name="cross"), SHOWN, UNKNOWN_GUILD)
    assert (cells["number"], cells["pair"], cells["state"], cells["hits"]) == ("1", "EUR_USD", "closed", "1")
    assert (cells["targets"], cells["r"], cells["unit"]) == ("1.105 1.11 1.115", "0.333333333333333333", "pips")
    assert (cells["closed"], cells["reason"], cells["closed_at"]) == ("1.1", "manual", "2026-11-27T14:02:00Z")
    assert (cells["links"], cells["fill"]) == (LINK, "")
    assert row(trade(targets=[("1.11", "50%")]))["targets"] == "1.11@50%"


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_text_from_outside_is_never_a_formula(start: str) -> None:
    cells = row(trade(CancelOrder(reason=f"{start}1"), signal_id=f"{start}2", strategy_name=f"{start}3", **LIMIT))
    assert [cells[name] for name in ("reason", "id", "strategy")] == [f"'{start}{each}" for each in (1, 2, 3)]


def test_a_name_must_find_one_trade() -> None:
    one, other = entry(trade(signal_id="a")), entry(trade(signal_id="b"))
    assert only("x", [one]) is one
    with pytest.raises(InvalidValue) as unknown:
        only("x", [])
    assert unknown.value.errors[0].facts() == {"code": "unknown-signal", "field": "id", "value": "'x'", "limit": None}
    with pytest.raises(InvalidValue) as ambiguous:
        only("EURUSD", [one, other])
    assert (ambiguous.value.code, ambiguous.value.errors[0].limit) == ("ambiguous", "#1 a, #1 b")


def test_the_age_counts_from_the_opening() -> None:
    assert rows([trade()], START + timedelta(hours=5))[0][-2:] == ["5", "h"]
