"""Every event of freqtrade's current release, in each of its three formats."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from signalpost.domain.reports import Alert, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.web import freqtrade
from signalpost.web.hook_signals import HookChange
from signalpost.web.problem import Problem
from tests.unit.web.tokens import refusal, token

NOW = datetime(2026, 9, 1, tzinfo=UTC)
ENTRY = {
    "event": "entry_fill",
    "timeframe": "5m",
    "trade_id": "900",
    "exchange": "Binance",
    "pair": "BTC/USDT:USDT",
    "direction": "Long",
    "open_rate": "61000.0",
    "open_date": "2099-01-01 00:00:00+00:00",
}
EXIT = {**ENTRY, "event": "exit_fill", "close_rate": "62000.0", "exit_reason": "roi"}
LIQUIDATION = {
    "event": "liquidation_warning",
    "pair": "BTC/USDT:USDT",
    "current_rate": "50000.0",
    "liquidation_price": "49000.0",
}
SUPPRESSED = (
    *("entry", "entry_cancel", "exit", "exit_cancel", "protection_trigger", "protection_trigger_global"),
    *("whitelist", "analyzed_df", "new_candle"),
)


def payload(raw: bytes | dict[str, Any]) -> Any:
    """The result of a request: a payload, None if it is suppressed, or the Problem."""
    found: list[Any] = []
    data = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    problem = refusal(lambda: found.append(freqtrade.read(data, token())[0]))
    if problem is not None:
        return problem
    parsed = found[0]
    if isinstance(parsed, freqtrade.UndatedMessage):
        return parsed.payload_at(NOW)
    return parsed.signal if parsed.change is None or parsed.signal is not None else parsed.change


@pytest.mark.parametrize(
    ("event", "severity"), [("warning", "medium"), ("exception", "high"), ("Exception", "high"), ("WARNING", "medium")]
)
def test_a_warning_and_an_exception_are_alerts(event: str, severity: str) -> None:
    alert = payload({"event": event, "status": "OperationalException"})
    assert isinstance(alert, Alert)
    assert (alert.severity, alert.message, alert.source) == (severity, "OperationalException", "bot")
    assert payload({"event": event, "status": "x", "severity": "critical"}).severity == "critical"


def test_a_liquidation_warning_is_an_alert_with_all_its_facts() -> None:
    alert = payload(LIQUIDATION)
    assert isinstance(alert, Alert)
    assert alert.severity == "high"
    assert all(value in alert.message for value in ("BTC/USDT:USDT", "50000.0", "49000.0"))


def test_a_start_is_a_status() -> None:
    status = payload({"event": "startup", "status": "running"})
    assert isinstance(status, SystemStatus)
    assert status.status == "running"


@pytest.mark.parametrize("event", ["whitelist", "analyzed_df", "new_candle"])
def test_events_for_other_bots_are_accepted_and_suppressed(event: str) -> None:
    assert payload({"event": event, "data": "x"}) is None


@pytest.mark.parametrize("event", SUPPRESSED)
def test_events_that_are_not_news_are_accepted_and_suppressed(event: str) -> None:
    for raw in ({"event": event}, {"type": event}, urlencode({"event": event}).encode()):
        assert payload(raw) is None


@pytest.mark.parametrize(
    "body",
    [
        {"event": "status", "status": "running"},
        {"event": "status", "status": "*Exchange:* `binance`\nPairs: 80 & more; 100%"},
        {"event": "warning", "status": "Dry run is enabled."},
        {"event": "strategy_msg", "msg": "watch BTC = 5"},
        {"event": "entry", "pair": "BTC/USDT"},
        ENTRY,
        EXIT,
        {**ENTRY, "pair": "币安人生/USDT:USDT"},
        LIQUIDATION,
        {**ENTRY, "enter_tag": "", "stake_amount": "None"},
    ],
    ids=lambda body: f"{body['event']}-{len(str(body))}",
)
def test_a_form_is_read_like_the_same_json(body: dict[str, str]) -> None:
    """freqtrade's default format, as the library `requests` encodes it."""
    form, usual = payload(urlencode(body).encode()), payload(body)
    assert not isinstance(form, Problem)
    assert type(form) is type(usual)
    if isinstance(form, HookChange):
        assert (form.key, form.pair) == (usual.key, usual.pair)
    elif isinstance(form, Signal):
        assert (form.signal_id, form.pair, form.entry_price) == (usual.signal_id, usual.pair, usual.entry_price)
        assert (form.status, form.notes) == (usual.status, usual.notes)
    else:
        assert form == usual


@pytest.mark.parametrize(
    "raw", [b"event=status status=running", b'event=status\nstatus="running"', b"event=status, status=running"]
)
def test_raw_text_of_names_and_values_is_read(raw: bytes) -> None:
    status = payload(raw)
    assert isinstance(status, SystemStatus)
    assert status.status == "running"


def test_raw_json_is_read() -> None:
    assert isinstance(payload(json.dumps(ENTRY).encode()), Signal)


@pytest.mark.parametrize("raw", [b"Status: running", b"Buying BTC/USDT at 5"])
def test_other_raw_text_is_refused_with_the_setting_to_use(raw: bytes) -> None:
    problem = payload(raw)
    assert isinstance(problem, Problem)
    (fault,) = problem.faults
    assert (problem.status, fault.code) == (422, "not-readable")
    assert '"format": "json"' in fault.text


def test_a_repeated_name_is_refused() -> None:
    for raw in (b"event=status&event=warning", b"event=status event=warning"):
        (fault,) = payload(raw).faults
        assert (fault.code, fault.field) == ("conflict", "event")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"value1": "Buying BTC"}, "missing", "event"),
        ({"event": "tea"}, "unknown-word", "event"),
        ({"event": 5}, "unknown-word", "event"),
        ({"event": "warning"}, "missing", "status"),
        ({"event": "exception", "status": 5}, "not-text", "status"),
        ({"event": "warning", "status": "x", "severity": "dreadful"}, "unknown-word", "severity"),
    ],
)
def test_each_fault_is_reported_with_its_field(body: dict[str, Any], code: str, field: str) -> None:
    (fault,) = payload(body).faults
    assert (fault.code, fault.field) == (code, field)


def test_every_event_of_freqtrade_is_known() -> None:
    """Compares with `RPCMessageType` of September 2026, plus the liquidation warning."""
    assert set(freqtrade.EVENTS) == {
        *("status", "warning", "exception", "startup", "strategy_msg", "liquidation_warning"),
        *("entry_fill", "exit_fill", *SUPPRESSED),
    }
