from typing import Any

import pytest

from signalpost.domain import precision
from signalpost.domain.instrument import Instrument
from signalpost.domain.sessions import TRADING_SESSIONS
from signalpost.sinks.discord.embed_signal import sessions
from signalpost.sinks.discord.message import message
from tests.surface.texts import assert_stored
from tests.unit.sinks.notifications import as_text, item, signal


def embed(event: str = "new", **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = message([item(signal(**fields), event=event)])["embeds"][0]
    return made


def shown(event: str = "new", **fields: Any) -> dict[str, str]:
    return {field["name"]: field["value"] for field in embed(event, **fields).get("fields", [])}


def test_labels_and_their_order_never_change() -> None:
    made = signal(confidence_score="0.853", strategy_name="MA Unified Strategy", notes="Watch the news")
    assert_stored("card-of-a-signal", as_text(message([item(made, run="autumn", may_repeat=True)])))
    assert list(shown(confidence_score=1, strategy_name="MA")) == [
        "Entry", "SL", "TP1", "R:R", "Pips", "Confidence", "Strategy", "Timeframe", "Sessions", "Known", "Valid Until"
    ]  # fmt: skip


def test_missing_facts_are_left_out() -> None:
    assert list(shown(stop_loss=None, take_profit=None)) == [
        "Entry", "Timeframe", "Sessions", "Known", "Valid Until"
    ]  # fmt: skip
    assert shown(stop_loss=None)["Pips"] == "TP1 84.6"
    assert shown(take_profit=None)["Pips"] == "SL 56.4"


@pytest.mark.parametrize(
    ("pair", "entry", "written"),
    [
        ("EUR_USD", "1.1", "1.10000"),
        ("USD_JPY", "147.12345", "147.12345"),
        ("XAU_USD", "3333", "3333.000"),
        ("BTC_USDT", "113250.5", "113250.5"),
        ("EUR_USD", 1.1234567890123457, "1.12346"),
    ],
)
def test_a_price_has_at_least_the_decimals_of_its_pair(pair: str, entry: Any, written: str) -> None:
    assert shown(pair=pair, entry_price=entry, stop_loss=None, take_profit=None)["Entry"] == written


def test_colour_and_time_show_side_and_when_it_was_known() -> None:
    buy, sell = embed(), embed(signal_type="SELL", stop_loss="1.17", take_profit="1.15")
    assert (buy["color"], sell["color"]) == (0x00FF00, 0xFF0000)
    assert all(fact in buy["title"] for fact in ("BUY", "EUR_USD"))
    assert all(fact in sell["title"] for fact in ("SELL", "EUR_USD"))
    assert embed(timestamp="2025-08-19T01:00:00Z")["timestamp"] == "2025-08-20T05:00:00Z"


def test_notes_are_the_text_and_are_left_out_if_there_are_none() -> None:
    assert embed(notes="Watch *this*")["description"] == r"Watch \*this\*"
    assert "description" not in embed()
    assert "description" not in embed(notes=" \u200b")
    assert "description" not in embed(notes="")


@pytest.mark.parametrize(
    ("event", "headline", "mark"),
    [
        ("new", "BUY EUR_USD H4", ""),
        ("update 3", "UPDATE 3 BUY EUR_USD H4", " (update 3)"),
        ("filled", "FILLED BUY EUR_USD H4", " (filled)"),
        ("closed", "CLOSED BUY EUR_USD H4", " (closed)"),
        ("x" * 50, "X" * 24 + " BUY EUR_USD H4", f" ({'x' * 24})"),
    ],
)
def test_only_the_headline_of_a_new_signal_begins_with_its_side(event: str, headline: str, mark: str) -> None:
    body = message([item(signal(), event=event)])
    assert body["content"] == headline
    assert body["embeds"][0]["title"] == embed()["title"] + mark


def test_an_event_shows_the_state_of_the_signal() -> None:
    fields = shown("closed", status="FILLED", current_price="1.17190")
    assert (fields["Status"], fields["Price"], fields["Result"]) == ("Filled", "1.17190", "+1.50R")
    assert "Valid Until" not in fields
    assert list(fields)[-4:] == ["Status", "Price", "Result", "Known"]


def test_an_update_of_an_active_signal_shows_its_loss() -> None:
    fields = shown("update 1", current_price="1.16062")
    assert "Status" not in fields
    assert fields["Result"] == "-0.50R"
    assert shown("update 1", current_price="1.16344")["Result"] == "+0.00R"


def test_a_signal_without_a_stop_has_no_r_multiple() -> None:
    assert "Result" not in shown("update 1", stop_loss=None)


@pytest.mark.parametrize(
    ("pair", "known_at", "names"),
    [
        ("EUR_USD", "2025-08-20T09:00:00Z", ["London"]),
        ("EUR_USD", "2025-08-20T13:00:00Z", ["London", "New York"]),
        ("EUR_USD", "2025-03-17T21:00:00Z", ["Sydney"]),
        ("EUR_USD", "2025-03-17T05:30:00Z", ["Tokyo"]),
        ("EUR_USD", "2025-08-23T09:00:00Z", []),
        ("XAU_USD", "2025-08-20T09:00:00Z", ["London"]),
    ],
)
def test_sessions_are_those_of_the_candles_close(pair: str, known_at: str, names: list[str]) -> None:
    text = sessions_at(pair, known_at)
    assert [session.name for session in TRADING_SESSIONS if session.name in text] == names
    assert text


@pytest.mark.parametrize("pair", ["BTC_USDT", "US500", "AAPL", "WTICO_USD"])
def test_sessions_are_shown_only_for_currencies_and_metals(pair: str) -> None:
    levels = {"entry_price": "98000", "stop_loss": "97000", "take_profit": None}
    assert "Sessions" not in shown(pair=pair, **levels)
    assert {"Sessions"} <= shown(pair="GOLD", **levels).keys() & shown(pair="EUR_USD", **levels).keys()


def sessions_at(pair: str, known_at: str) -> str:
    made = signal(pair=pair, timestamp="2025-01-01T00:00:00Z", known_at=known_at, stop_loss=None, take_profit=None)
    return sessions(made)


def test_ten_signals_with_the_largest_numbers_fit_in_one_message() -> None:
    huge = {"entry_price": "1e17", "stop_loss": "0.000000000001", "take_profit": "9e17", "price_places": 12}
    body = message([item(signal(pair="X" * 20, strategy_name="s" * 500, confidence_score=1, **huge))] * 10)
    for made in body["embeds"]:
        assert [field["name"] for field in made["fields"]][:3] == ["Entry", "SL", "TP1"]
        assert made["fields"][0]["value"] == "100000000000000000.000000000000"


@pytest.mark.line("6.5.25")
@pytest.mark.parametrize("pair", ["BTC_USDT", "BTCUSDT", "US500", "AAPL"])
@pytest.mark.parametrize(("entry", "stop", "target"), [("98000", "97000", "99000"), ("98000.00", "97000.00", None)])
def test_pips_are_shown_only_if_a_pip_is_defined(pair: str, entry: str, stop: str, target: str | None) -> None:
    assert "Pips" not in shown(pair=pair, entry_price=entry, stop_loss=stop, take_profit=target)


def test_pips_are_shown_for_an_instrument_with_a_configured_pip() -> None:
    pair = Instrument("BTC_EXAMPLE").quoted(pip=1, places=2)
    fields = shown(pair=pair, entry_price="98000", stop_loss="97000", take_profit="99000.00")
    precision.forget_override(pair)
    assert fields["Pips"] == "SL 1000.0 / TP1 1000.0"
    assert shown(pair="XAU_USD", entry_price=3333, stop_loss=3330, take_profit=None)["Pips"] == "SL 30.0"


def test_all_targets_of_a_signal_are_listed() -> None:
    fields = shown(targets=[("1.17190", 50), ("1.1800", "25.50")], take_profit=None)
    assert [fields[f"TP{number}"] for number in (1, 2)] == ["1.17190 (50%)", "1.18000 (25.5%)"]
    assert "TP3" not in fields
    assert [part.split()[0] for part in fields["Pips"].split(" / ")] == ["SL", "TP1", "TP2"]
    equal = shown(targets=["1.17190", "1.1800"], take_profit=None)
    assert (equal["TP1"], equal["TP2"]) == ("1.17190", "1.18000")


def test_an_order_that_waits_is_named_with_its_end() -> None:
    made = signal(order="limit", entry_zone=("1.1630", "1.1640"), leverage="5.0", risk_percent="1.50")
    body = message([item(made)])
    assert body["content"].startswith("BUY LIMIT EUR_USD")
    assert "BUY LIMIT" in body["embeds"][0]["title"]
    fields = {field["name"]: field["value"] for field in body["embeds"][0]["fields"]}
    assert fields["Entry"] == "1.16344 (1.16300 to 1.16400)"
    assert (fields["Leverage"], fields["Risk"]) == ("5x", "1.5%")
    assert made.good_until is not None
    assert str(int(made.good_until.timestamp())) in fields["Good Until"]
    assert message([item(made.but(status="ACTIVE"))])["content"] == "BUY EUR_USD H4"
    assert {"Good Until", "Leverage"}.isdisjoint(shown())


def test_a_signal_without_a_timeframe_shows_none() -> None:
    body = message([item(signal(timeframe=None))])
    assert body["content"] == "BUY EUR_USD"
    assert "Timeframe" not in [field["name"] for field in body["embeds"][0]["fields"]]


def test_a_signal_with_everything_has_no_more_fields_than_discord_takes() -> None:
    most = {"order": "stop", "entry_zone": ("1.16", "1.17"), "leverage": 5, "risk_percent": 1, "confidence_score": 1}
    targets = [f"1.{number}" for number in range(17, 27)]
    for event in ("new", "update 1"):
        made = signal(**most, targets=targets, take_profit=None, strategy_name="s")
        names = [field["name"] for field in message([item(made, event=event)])["embeds"][0]["fields"]]
        assert len(names) <= 25
        assert {"TP10", "Known"} <= set(names)
