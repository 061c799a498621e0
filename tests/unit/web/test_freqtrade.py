"""Parsing requests of freqtrade's webhook, without a server."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.change import Change, Close, Update
from signalpost.domain.life import opened
from signalpost.domain.notification import Payload
from signalpost.domain.reports import Alert, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.web import freqtrade
from signalpost.web.problem import Problem
from tests.unit.web.tokens import refusal, token

NOW = datetime(2026, 8, 20, 12, 0, 30, tzinfo=UTC)
ENTRY = {
    "event": "entry_fill",
    "timeframe": "5m",
    "trade_id": "7",
    "exchange": "Binance",
    "pair": "BTC/USDT",
    "direction": "Long",
    "leverage": "1.0",
    "open_rate": "61234.5",
    "amount": "0.01",
    "open_date": "2026-08-20 11:55:03.123456+00:00",
    "stake_amount": "612.345",
    "stake_currency": "USDT",
    "enter_tag": "None",
}
EXIT = {
    **ENTRY,
    "event": "exit_fill",
    "close_rate": "62000.0",
    "profit_amount": "7.5",
    "profit_ratio": "0.0125",
    "exit_reason": "roi",
    "is_final_exit": "True",
}


TRADE = opened(
    Signal(
        pair="BTC_USDT",
        signal_type="BUY",
        entry_price="61234.5",
        timestamp=NOW,
        signal_id="bot:binance:7:20260820T115503.123456Z",
    ),
    1,
    (),
    NOW,
)


def read(body: dict[str, Any]) -> freqtrade.Parsed:
    parsed = freqtrade.read(json.dumps(body).encode(), token("bot"))[0]
    assert isinstance(parsed, freqtrade.Parsed)
    return parsed


def message(body: dict[str, Any]) -> Payload:
    parsed = freqtrade.read(json.dumps(body).encode(), token("bot"))[0]
    assert isinstance(parsed, freqtrade.UndatedMessage)
    return parsed.payload_at(NOW)


def change(body: dict[str, Any]) -> Change:
    found = read(body).change
    assert found is not None
    return found.change_of(TRADE)


def facts(body: dict[str, Any]) -> dict[str, object]:
    return dict(freqtrade.read(json.dumps(body).encode(), token("bot"))[1].context)


def faults(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        read(body)
    assert caught.value.status == 422
    return {fault.field or "": fault.code for fault in caught.value.faults}


def test_a_filled_entry_is_a_signal() -> None:
    signal = read(ENTRY).signal
    assert signal is not None
    assert (signal.pair, signal.timeframe, signal.signal_type) == ("BTC_USDT", "M5", "BUY")
    assert (signal.entry_price, signal.strategy_name, signal.order) == (Decimal("61234.5"), "freqtrade", "MARKET")
    assert signal.leverage == 1
    assert signal.signal_id == "bot:binance:7:20260820T115503.123456Z"
    assert facts(ENTRY) == {"exchange": "Binance"}, "no amounts of money"
    assert facts({**EXIT, "enter_tag": "dip"}) == {"exchange": "Binance", "tag": "dip"}


def test_a_future_is_read_by_its_pair_and_a_short_is_a_sell() -> None:
    signal = read({**ENTRY, "pair": "BTC/USDT:USDT", "direction": "Short", "strategy": "Mine"}).signal
    assert signal is not None
    assert (signal.pair, signal.signal_type, signal.strategy_name) == ("BTC_USDT", "SELL", "Mine")


def test_a_time_without_a_zone_is_in_utc() -> None:
    signal = read({**ENTRY, "open_date": "2026-08-20 11:55:03"}).signal
    assert signal is not None
    assert signal.timestamp == datetime(2026, 8, 20, 11, 55, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reason", "meant", "note"),
    [
        ("roi", "target", None),
        ("stop_loss", "stop", None),
        ("trailing_stop_loss", "stop", "trailing_stop_loss"),
        ("stoploss_on_exchange", "stop", "stoploss_on_exchange"),
        ("exit_signal", "manual", "exit_signal"),
        ("my own tag", "manual", "my own tag"),
    ],
)
def test_a_filled_exit_closes_the_signal_of_the_trade(reason: str, meant: str, note: str | None) -> None:
    assert change({**EXIT, "exit_reason": reason}) == Close(price="62000", reason=meant, note=note)


def test_an_exit_needs_nothing_but_the_trade_and_the_price() -> None:
    needed = {name: EXIT[name] for name in ("event", "trade_id", "exchange", "pair", "close_rate")}
    found, usual = read(needed).change, read(EXIT).change
    assert found is not None
    assert usual is not None
    assert found.is_own(TRADE)
    assert not found.is_own(TRADE.but(signal=TRADE.signal.but(signal_id="bot:binance:77:x")))
    assert not found.is_own(TRADE.but(signal=TRADE.signal.but(signal_id="bot2:binance:7:x")))


def test_the_share_of_a_part_is_computed_from_the_amount_sold_and_the_stake_that_is_left() -> None:
    part = {**EXIT, "is_final_exit": "False", "amount": "0.03", "open_rate": "50000", "leverage": "3.0"}
    assert change({**part, "stake_amount": "500"}) == Update(close_part=50, price="62000")
    assert change({**part, "stake_amount": "1500"}) == Update(close_part=25, price="62000")
    keys = {found.key for stake in ("500", "1500") if (found := read({**part, "stake_amount": stake}).change)}
    assert len(keys) == 2, "two parts of one size at one price"
    for name in ("amount", "stake_amount", "open_rate"):
        for value in ("None", "x", "0"):
            parsed = read({**part, "stake_amount": "500", name: value})
            assert parsed.change is None
            assert name in parsed.reason


@pytest.mark.parametrize("event", ["entry", "exit", "entry_cancel", "exit_cancel", "protection_trigger"])
def test_events_other_than_fills_are_not_sent(event: str) -> None:
    assert read({"event": event}) == freqtrade.Parsed(reason=read({"event": event}).reason)


def test_a_status_is_a_status_and_a_long_one_a_report() -> None:
    status = message({"event": "status", "status": "running"})
    assert isinstance(status, SystemStatus)
    assert (status.status, status.message) == ("running", "")
    report = message({"event": "status", "status": "*Exchange:*\n`binance`"})
    assert isinstance(report, SystemStatus)
    assert (report.status, report.message) == ("report", "*Exchange:*\n`binance`")


def test_a_strategys_message_goes_to_the_operators() -> None:
    alert = message({"event": "strategy_msg", "msg": "watch BTC"})
    assert isinstance(alert, Alert)
    assert (alert.severity, alert.message, alert.source) == ("info", "watch BTC", "bot")
    high = message({"event": "strategy_msg", "msg": "watch BTC", "severity": "high"})
    assert isinstance(high, Alert)
    assert high.severity == "high"


def test_the_id_of_a_text_depends_on_text_sender_and_time() -> None:
    """The caller remembers when a message was first sent, and so knows which ones are repeats."""
    for body in ({"event": "status", "status": "m"}, {"event": "strategy_msg", "msg": "m"}):
        parsed, other = (freqtrade.read(json.dumps(body).encode(), token(name))[0] for name in ("bot", "other"))
        assert isinstance(parsed, freqtrade.UndatedMessage)
        assert isinstance(other, freqtrade.UndatedMessage)
        assert parsed.name != other.name
        assert parsed.name.endswith(str(body["event"])), "a status is no message"
        first, later = parsed.payload_at(NOW), parsed.payload_at(NOW + timedelta(microseconds=1))
        assert (first, first != later) == (parsed.payload_at(NOW), True)
        assert later.but(timestamp=NOW) != first, "its id has the time too"


def test_all_faults_are_reported_together() -> None:
    codes = faults({"event": "entry_fill", "pair": "?", "direction": "up", "priority": "soon"})
    assert set(codes) == {"pair", "direction", "timeframe", "open_rate", "open_date", "trade_id", "priority"}
    assert codes["timeframe"] == "missing"
    codes = faults({"event": "exit_fill", "pair": "?", "exit_reason": 5, "priority": "soon"})
    assert set(codes) == {"pair", "trade_id", "close_rate", "exit_reason", "priority"}
    assert set(faults({**ENTRY, "event": "entry_cancel", "pair": 5, "reason": 5})) == {"pair", "reason"}
    assert list(faults({**EXIT, "close_rate": "-1"})) == ["close_rate"]
    assert list(faults({**ENTRY, "trade_id": "x" * 200})) == ["trade_id"]
    assert list(faults({**ENTRY, "open_date": "soon"})) == ["open_date"]
    assert list(faults({**ENTRY, "open_date": 5, "pair": 5})) == ["open_date", "pair"][::-1]
    assert list(faults({**ENTRY, "stop_loss": "70000"})) == ["stop_loss"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "event"),
        ({"event": "tea"}, "event"),
        ({"event": ["status"]}, "event"),
        ({"event": "status"}, "status"),
        ({"event": "status", "status": 5}, "status"),
        ({"event": "strategy_msg"}, "msg"),
        ({"event": "strategy_msg", "msg": 5}, "msg"),
        ({"event": "strategy_msg", "msg": "m", "severity": "dreadful"}, "severity"),
        ({"event": "entry", "tier": "?"}, "tier"),
    ],
)
def test_each_fault_names_its_field(body: dict[str, Any], field: str) -> None:
    assert field in faults(body)


VALUES = st.sampled_from([*EXIT.values(), "None", "", "nan", "1e999", "x" * 300, "\ud800", "a\nb"])


@given(
    st.dictionaries(
        st.sampled_from([*EXIT, "status", "msg", "severity", "context", "tier"]),
        VALUES | st.none() | st.booleans() | st.integers() | st.lists(VALUES, max_size=2),
    ),
    st.sampled_from([{}, ENTRY, EXIT, {**EXIT, "sub_trade": "True", "is_final_exit": "False"}])
    | st.sampled_from([{**ENTRY, "event": "entry", "order_type": "limit"}, {**ENTRY, "event": "entry_cancel"}]),
)
def test_any_values_are_read_or_refused(values: dict[str, Any], usual: dict[str, Any]) -> None:
    body = {**usual, **values}
    problem = refusal(lambda: freqtrade.read(json.dumps(body).encode(), token("bot")))
    assert problem is None or (problem.status == 422 and problem.faults)
