"""Parsing bodies sent to `/api/v1`, without a server."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.errors import Fault
from signalpost.ingest.kinds import KIND_BY_PATH
from signalpost.web import api
from signalpost.web.body import json_object
from signalpost.web.problem import Problem
from tests.unit.web.tokens import refusal, token

SIGNAL = {"symbol": "EURUSD", "tf": "4h", "side": "buy", "entry": Decimal("1.16344"), "time": "2099-01-01T00:00:00Z"}


def read(path: str, body: dict[str, Any], key: str | None = None, tier: str = "free") -> api.ApiRequest:
    return api.read(KIND_BY_PATH[path], body, token(tier=tier), key)


def faults(path: str, body: dict[str, Any]) -> dict[str, str]:
    return {field: fault.text for field, fault in problem(path, body).items()}


def problem(path: str, body: dict[str, Any]) -> dict[str, Fault]:
    with pytest.raises(Problem) as caught:
        read(path, body)
    assert caught.value.status == 422
    return {fault.field or "": fault for fault in caught.value.faults}


def test_a_signal_has_the_usual_names_and_send_options() -> None:
    request = read("signals", {**SIGNAL, "SL": "1.16", "priority": "high", "context": {"rsi": Decimal("55.2"), "n": 1}})
    signal = request.payload
    assert isinstance(signal, Signal)
    assert (signal.pair, signal.timeframe, signal.stop_loss) == (
        "EUR_USD",
        "H4",
        Decimal("1.16"),
    )
    assert signal.strategy_name == "bot", "one per sender"
    assert request.options.priority is NotificationPriority.HIGH
    assert dict(request.options.context) == {"rsi": 55.2, "n": 1}
    assert (request.is_repeatable, request.needs_first_time) == (True, False)


def test_without_a_tier_a_request_is_for_the_tokens_own() -> None:
    assert read("signals", SIGNAL).options.user_tier == "free"
    assert read("signals", SIGNAL, tier="premium").options.user_tier == "premium"
    assert read("signals", {**SIGNAL, "user_tier": "free"}, tier="premium").options.user_tier == "free"


def test_each_kind_is_read() -> None:
    alert = read("alerts", {"alert_type": "feed", "severity": "high", "title": "t", "context": {"a": Decimal("1.5")}})
    assert isinstance(alert.payload, Alert)
    assert dict(alert.payload.context) == {"a": 1.5}
    assert alert.options.context == {}, "an alert holds its context itself"
    assert isinstance(read("analyses", {"title": "t", "text": "x", "pair": "EUR/USD"}).payload, MarketAnalysis)
    assert isinstance(read("announcements", {"title": "t", "text": "x"}).payload, Announcement)
    for uptime in (90, Decimal("90.0"), "90", "PT1M30S"):
        status = read("statuses", {"status": "operational", "uptime": 90 if uptime == "90" else uptime}).payload
        assert isinstance(status, SystemStatus)
        assert status.uptime == timedelta(seconds=90)


def test_a_values_own_json_is_read_back() -> None:
    first = read("signals", {**SIGNAL, "sl": "1.16", "tp": "1.17"}).payload
    again = read("signals", json_object(first.to_json())).payload
    assert again == first
    alert = read("alerts", {"alert_type": "feed", "severity": "high", "title": "t", "tags": ["a"]}).payload
    assert read("alerts", json_object(alert.to_json())).payload == alert


def test_an_idempotency_key_makes_the_id_of_the_token_and_the_key() -> None:
    first, again = read("signals", SIGNAL, "k 1").payload, read("signals", SIGNAL, "k 1 ").payload
    other = read("signals", SIGNAL, "k 2").payload
    assert isinstance(first, Signal)
    assert isinstance(again, Signal)
    assert isinstance(other, Signal)
    assert first.signal_id == again.signal_id == api.derived_id(token(), "k 1")
    assert other.signal_id != first.signal_id
    assert api.derived_id(token("other"), "k 1") != first.signal_id
    named = read("signals", {**SIGNAL, "id": "mine"}, "k 1").payload
    assert isinstance(named, Signal)
    assert named.signal_id == "mine", "an id in the body comes first"


@pytest.mark.parametrize("key", ["", "  ", "a\tb", "k" * 256])
def test_an_invalid_idempotency_key_is_400(key: str) -> None:
    with pytest.raises(Problem, match="Idempotency-Key") as caught:
        read("signals", SIGNAL, key)
    assert caught.value.status == 400


def test_an_alert_with_an_id_and_no_time_needs_the_time_of_its_first_request() -> None:
    alert = {"alert_type": "feed", "severity": "high", "title": "t"}
    assert read("alerts", alert).is_repeatable is False
    assert read("alerts", alert).needs_first_time is False
    assert read("alerts", alert, "k").needs_first_time is True
    assert read("alerts", {**alert, "id": "mine"}).needs_first_time is True
    assert read("alerts", {**alert, "timestamp": "2026-01-01T00:00:00Z"}, "k").needs_first_time is False


def test_all_faults_are_reported_together_under_the_names_of_the_body() -> None:
    body = {"symbol": "?", "tf": "1M", "side": "up", "entry": "-1", "time": "2025-01-01", "sl": True, "tp": "x"}
    body |= {"confidence": 2, "priority": "soon", "user_tier": "a b", "context": [1], "stop_los": 1, "valid_until": 3}
    found = problem("signals", body)
    assert set(found) == {*body}
    assert (found["sl"].code, found["sl"].value) == ("not-a-number", "True")
    assert (found["stop_los"].code, found["stop_los"].limit) == ("unknown-field", "stop_loss")
    assert (found["confidence"].code, found["confidence"].value) == ("out-of-range", "2")


def test_missing_fields_are_reported_with_their_other_names() -> None:
    found = problem("signals", {"sl": "x"})
    assert set(found) == {"pair", "signal_type", "entry_price", "timestamp", "sl"}
    assert found["pair"].code == "missing"
    assert all(spelling in found["pair"].text for spelling in ("instrument", "symbol", "ticker"))
    missing = problem("alerts", {})
    assert {(name, fault.code) for name, fault in missing.items()} == {
        (name, "missing") for name in ("alert_type", "severity", "title")
    }
    assert set(faults("analyses", {"title": None, "text": " "})) == {"title", "text"}


def test_a_fault_between_two_fields_is_reported_under_one_of_them() -> None:
    found = problem("signals", {**SIGNAL, "sl": "2"})
    assert list(found) == ["sl"]
    assert (found["sl"].code, found["sl"].value, found["sl"].limit) == (
        "wrong-side",
        "2",
        "below 1.16344",
    )
    late = faults("signals", {**SIGNAL, "valid_until": "2098-01-01T00:00:00Z", "known_at": "2099-01-01T00:00:00Z"})
    assert list(late) == ["valid_until"]
    both = {"entry": "1", "sl": "0.9999999999999999999999999999", "tp": "999999999999999999"}
    assert list(faults("signals", {**SIGNAL, **both})) == ["risk_reward_ratio"]


def test_names_of_one_field_must_agree_and_another_kind_is_a_fault() -> None:
    assert isinstance(read("signals", {**SIGNAL, "SYMBOL": "eur/usd"}).payload, Signal)
    assert problem("signals", {**SIGNAL, "SYMBOL": "GBPUSD"})["SYMBOL"].code == "conflict"
    assert list(faults("signals", {**SIGNAL, "kind": "alert"})) == ["kind"]
    assert list(faults("statuses", {"status": "up", "uptime": "soon"})) == ["uptime"]
    assert list(faults("statuses", {"status": "up", "uptime": 10**17})) == ["uptime"]
    assert list(faults("alerts", {"alert_type": "a", "severity": "high", "title": "t", "context": 1})) == ["context"]


ANY = st.characters()  # lone surrogates among them
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(ANY, max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(ANY, max_size=5), inner, max_size=3),
    max_leaves=4,
)
NAMES = sorted({name for kind in KIND_BY_PATH.values() for names in kind.names.spellings.values() for name in names})


@given(
    st.sampled_from(sorted(KIND_BY_PATH)),
    st.dictionaries(st.sampled_from([*NAMES, "priority", "user_tier", "tier", "context", "kind"]), PLAIN, max_size=9),
    st.booleans(),
)
def test_any_values_are_read_or_refused(path: str, values: dict[str, Any], is_filled_up: bool) -> None:
    usual = {name: value for name, value in KIND_BY_PATH[path].sample.items() if is_filled_up}
    problem = refusal(lambda: read(path, usual | values))
    assert problem is None or (problem.status == 422 and problem.faults)


def test_few_unknown_names_get_a_suggestion_because_each_takes_a_while() -> None:
    found = KIND_BY_PATH["signals"].read({f"entry_prica{number}": 1 for number in range(99)})
    assert [fault.limit for fault in found.faults].count("entry_price") == 5
    assert len(found.faults) == 99
