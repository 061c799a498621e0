"""Parsing requests of freqtrade's webhook, without a server."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.alert import Alert
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus
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


def read(body: dict[str, Any]) -> freqtrade.Parsed:
    parsed = freqtrade.read(json.dumps(body).encode(), token("bot"))[0]
    return parsed if isinstance(parsed, freqtrade.Parsed) else freqtrade.Parsed(parsed.payload_at(NOW))


def facts(body: dict[str, Any]) -> dict[str, object]:
    return dict(freqtrade.read(json.dumps(body).encode(), token("bot"))[1].context)


def faults(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        read(body)
    assert caught.value.status == 422
    return {fault.field or "": fault.code for fault in caught.value.faults}


def test_a_filled_entry_is_a_signal() -> None:
    parsed = read(ENTRY)
    signal = parsed.payload
    assert isinstance(signal, Signal)
    assert (signal.pair, signal.timeframe, signal.signal_type) == ("BTC_USDT", "M5", "BUY")
    assert (signal.entry_price, signal.strategy_name, parsed.event) == (Decimal("61234.5"), "freqtrade", "new")
    assert signal.signal_id == "bot:binance:7:20260820T115503.123456Z"
    assert facts(ENTRY) == {"exchange": "Binance", "leverage": "1.0", "amount": "0.01", "stake": "612.345 USDT"}


def test_a_future_is_read_by_its_pair_and_a_short_is_a_sell() -> None:
    signal = read({**ENTRY, "pair": "BTC/USDT:USDT", "direction": "Short", "strategy": "Mine"}).payload
    assert isinstance(signal, Signal)
    assert (signal.pair, signal.signal_type, signal.strategy_name) == ("BTC_USDT", "SELL", "Mine")


def test_a_time_without_a_zone_is_in_utc() -> None:
    signal = read({**ENTRY, "open_date": "2026-08-20 11:55:03"}).payload
    assert isinstance(signal, Signal)
    assert signal.timestamp == datetime(2026, 8, 20, 11, 55, 3, tzinfo=UTC)


def test_a_filled_exit_is_the_same_signal_closed() -> None:
    parsed = read(EXIT)
    closed, opened = parsed.payload, read(ENTRY).payload
    assert isinstance(closed, Signal)
    assert isinstance(opened, Signal)
    assert (closed.signal_id, parsed.event) == (opened.signal_id, "closed")
    assert (closed.status, closed.current_price, closed.notes) == ("CLOSED", Decimal("62000.0"), "roi")
    assert (closed.valid_until - closed.updated_at).total_seconds() == 86_400, "an end is news for a day"
    assert facts(EXIT)["profit"] == "7.5 USDT"
    assert facts(EXIT)["profit ratio"] == "+1.25 %"
    assert "profit ratio" not in facts({**EXIT, "profit_ratio": "1e300"})
    assert facts({**ENTRY, "stake_currency": "None"})["stake"] == "612.345 "[:-1]


def test_a_partial_exit_is_not_sent() -> None:
    parsed = read({**EXIT, "is_final_exit": "False"})
    assert parsed.payload is None
    assert parsed.reason


@pytest.mark.parametrize("event", ["entry", "exit", "entry_cancel", "exit_cancel", "protection_trigger"])
def test_events_other_than_fills_are_not_sent(event: str) -> None:
    assert read({"event": event}).payload is None


def test_a_status_is_a_status_and_a_long_one_a_report() -> None:
    status = read({"event": "status", "status": "running"}).payload
    assert isinstance(status, SystemStatus)
    assert (status.status, status.message) == ("running", "")
    report = read({"event": "status", "status": "*Exchange:*\n`binance`"}).payload
    assert isinstance(report, SystemStatus)
    assert (report.status, report.message) == ("report", "*Exchange:*\n`binance`")


def test_a_strategys_message_goes_to_the_operators() -> None:
    alert = read({"event": "strategy_msg", "msg": "watch BTC"}).payload
    assert isinstance(alert, Alert)
    assert (alert.severity, alert.message, alert.source) == ("info", "watch BTC", "bot")
    high = read({"event": "strategy_msg", "msg": "watch BTC", "severity": "high"}).payload
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
    codes = faults({"event": "exit_fill", "pair": "?", "direction": "up", "exit_reason": 5, "priority": "soon"})
    assert set(codes) == {
        *("pair", "direction", "timeframe", "open_rate", "open_date", "trade_id"),
        *("close_rate", "exit_reason", "priority"),
    }
    assert codes["timeframe"] == "missing"
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
    st.sampled_from([{}, ENTRY, EXIT]),
)
def test_any_values_are_read_or_refused(values: dict[str, Any], usual: dict[str, Any]) -> None:
    problem = refusal(lambda: read({**usual, **values}))
    assert problem is None or (problem.status == 422 and problem.faults)
