"""A trade as plain data: exact numbers as text, and the same names whatever the trade's state."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.delivery.outbox.book import BookEntry, CardEntry
from signalpost.delivery.trade_object import described
from signalpost.domain.change import CancelOrder, Close, ExpireOrder, Fill, Update
from signalpost.domain.exact import rounded
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import PriceNote, Trade
from signalpost.sinks.port import Shown
from tests.unit.domain.trades import LIMIT, SHORT, START, trade

THIRD = "33.333333333333333333"


def data(made: Trade, *cards: CardEntry) -> dict[str, Any]:
    found = described(BookEntry(made, None, cards))
    assert json.loads(json.dumps(found)) == found
    return found


def test_a_new_signal_has_no_result() -> None:
    assert data(trade(signal_id="one", strategy_name="cross")) == {
        "id": "one",
        "number": 1,
        "pair": "EUR_USD",
        "side": "BUY",
        "timeframe": "H4",
        "strategy": "cross",
        "timestamp": "2026-11-27T10:00:00Z",
        "entry": "1.1",
        "stop": "1.095",
        "targets": [{"price": price, "share": None, "hit": False} for price in ("1.105", "1.11", "1.115")],
        "state": "open",
        "version": 1,
        "tiers": ["premium"],
        "closed": None,
        "result": None,
        "cards": [],
        "fill": None,
        "parts": [],
        "flags": [],
        "price_note": None,
    }


@pytest.mark.parametrize(("stopped_for", "rule"), [(None, None), ("max-per-day: too many", "max-per-day")])
@pytest.mark.parametrize(("stop", "r"), [("1.0950", "1.02"), (None, None)])
def test_a_price_note_has_its_level_and_the_rule_that_stopped_it(
    stop: str | None, r: str | None, stopped_for: str | None, rule: str | None
) -> None:
    noted = PriceNote(Decimal("1.1050"), Decimal("1.1051"), START, stopped_for)
    assert data(trade(stop_loss=stop).but(price_note=noted))["price_note"] == {
        "price": "1.1051",
        "r": r,
        "level": "1.105",
        "at": "2026-11-27T14:00:00Z",
        "rule": rule,
        "reason": stopped_for,
    }


def test_a_closed_trade_has_all_of_its_parts() -> None:
    made = trade(Fill(price="1.0998"), Update(target_hit=2, stop_loss="be"), Close(reason="stop"), **SHORT)
    found = data(made)
    gain = (Fraction(48) + 98) / 3
    assert found["fill"] == {"price": "1.0998", "at": "2026-11-27T14:01:00Z", "slippage": "-2"}
    assert found["parts"] == [
        {"share": THIRD, "price": "1.095", "reported": False},
        {"share": THIRD, "price": "1.09", "reported": False},
        {"share": THIRD, "price": "1.0998", "reported": False},
    ]
    assert found["closed"] == {"price": "1.0998", "reason": "stop", "at": "2026-11-27T14:03:00Z"}
    assert [target["hit"] for target in found["targets"]] == [True, True, False]
    assert found["result"] == {
        "r": format(rounded(gain / 52), "f"),
        "pips": "48.666666666666666667",
        "distance": "48.666666666666666667",
        "unit": "pips",
        "percent": format(rounded(gain / 100 / Fraction("1.0998")), "f"),
    }
    assert (found["stop"], found["flags"], found["version"]) == ("1.0998", ["reported"], 4)


def test_only_fx_has_pips() -> None:
    made = trade(Close(price="2362"), pair="XAU_USD", entry_price="2350", stop_loss="2340", targets=())
    assert data(made)["result"] == {
        "r": "1.2",
        "pips": None,
        "distance": "12",
        "unit": "USD",
        "percent": "0.510638297872340426",
    }


def test_without_a_stop_there_is_no_r() -> None:
    found = data(trade(Close(price="1.1010"), stop_loss=None, timeframe=None, strategy_name=None))
    assert (found["result"]["r"], found["result"]["pips"]) == (None, "10")
    assert (found["stop"], found["timeframe"], found["strategy"]) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        (CancelOrder(reason="news"), "cancelled", "news"),
        (CancelOrder(), "cancelled", None),
        (ExpireOrder(), "expired", None),
        (Close(reason="time", from_feed=True), "closed", "time"),
    ],
)
def test_an_end_without_a_price_has_no_result(change: Any, state: str, reason: str | None) -> None:
    found = data(trade(*([Fill(price="1.1000")] if state == "closed" else []), change, **LIMIT))
    assert (found["state"], found["result"]) == (state, None)
    assert (found["closed"]["price"], found["closed"]["reason"]) == (None, reason)


def test_a_pending_order_is_pending() -> None:
    assert data(trade(**LIMIT))["state"] == "pending"


def test_a_card_has_the_version_that_it_shows() -> None:
    shown = CardEntry("premium", UserTier.PREMIUM, Shown("7", channel="8"), 2, START)
    never = CardEntry("free", UserTier.FREE, None, 0, None)
    assert data(trade(), shown, never)["cards"] == [
        {"destination": "premium", "message_id": "7", "version": 2},
        {"destination": "free", "message_id": None, "version": 0},
    ]


@pytest.mark.parametrize(
    ("price", "text"), [("1E-8", "0.00000001"), ("1E+2", "100"), ("100.00", "100"), ("0.1200", "0.12")]
)
def test_a_number_has_neither_exponent_nor_trailing_zeros(price: str, text: str) -> None:
    found = data(trade(pair="SHIB_USDT", entry_price=price, stop_loss=None, targets=[("1000", "50.0")]))
    assert (found["entry"], found["targets"][0]["share"]) == (text, "50")


@given(st.decimals("1.0", "1.2", places=5), st.decimals("1.0951", "1.1049", places=4))
def test_results_are_rounded_once(price: Any, fill: Any) -> None:
    found = data(trade(Fill(price=fill), Close(price=price), targets=()))
    gain = Fraction(price) - Fraction(fill)
    wanted = (gain / Fraction("0.0001"), gain * 100 / Fraction(fill))
    assert (found["result"]["pips"], found["result"]["percent"]) == tuple(format(rounded(each), "f") for each in wanted)
