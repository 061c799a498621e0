"""Parsing each kind of payload from options or from JSON, with known names only."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import click
import pytest
from click.testing import CliRunner

from signalpost.cli.options import TargetText
from signalpost.cli.publish_facts import made
from signalpost.domain import instant
from signalpost.domain.notification import Payload, notification_of
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.errors import InvalidValue

TIME = "2026-03-02T09:30:00Z"
SIGNAL: dict[str, Any] = {"symbol": "EURUSD", "tf": "4h", "action": "buy", "price": 1.1634, "time": TIME}
ALERT = {"type": "disk", "severity": "high", "title": "97 % full"}


def read(kind: type[Payload], stdin: str | bytes | dict[str, Any], **options: Any) -> Payload:
    """The payload from `stdin` without options."""
    text = json.dumps(stdin) if isinstance(stdin, dict) else stdin
    found: list[Payload] = []
    command = click.command()(lambda: found.append(made(kind, options, ("title",))))
    result = CliRunner().invoke(command, input=text, standalone_mode=False)
    if result.exception:
        raise result.exception
    return found[0]


def test_a_published_signal_has_the_strategy_manual_and_the_current_time_by_default() -> None:
    signal = read(Signal, SIGNAL)
    assert isinstance(signal, Signal)
    assert (signal.strategy_name, signal.signal_id) == ("Manual", "manual:EUR_USD:H4:BUY:20260302T093000Z")
    other = read(Signal, SIGNAL | {" Strategy": "Night"})
    assert isinstance(other, Signal)
    assert other.strategy_name == "Night"
    now = read(Signal, {name: value for name, value in SIGNAL.items() if name != "time"})
    assert isinstance(now, Signal)
    assert now.timestamp == now.timestamp.replace(microsecond=0)


def test_options_go_before_standard_input() -> None:
    alert = read(Alert, "no JSON", type="disk", severity="high", title="97 % full", message=None)
    assert isinstance(alert, Alert)
    assert (alert.alert_type, alert.message) == ("disk", "")


@pytest.mark.parametrize(
    ("kind", "facts", "field"),
    [
        (Alert, ALERT | {"id": "a1", "tags": ["x"], "context": {"disk": "/"}, "source": None}, "alert_id"),
        (Announcement, {"title": "t", "text": "x", "id": "a1"}, "announcement_id"),
        (MarketAnalysis, {"title": "t", "message": "x", "pair": "EUR/USD", "id": "a1"}, "analysis_id"),
        (SystemStatus, {"status": "operational", "uptime": 3_600, "id": "a1"}, "status_id"),
    ],
)
def test_each_kind_is_read_by_its_fields_and_usual_names(
    kind: type[Payload], facts: dict[str, Any], field: str
) -> None:
    assert getattr(read(kind, facts), field) == "a1"


@pytest.mark.parametrize("uptime", [3_600, 3_600.0, "PT1H"])
def test_an_uptime_is_seconds_or_iso_text(uptime: object) -> None:
    status = read(SystemStatus, {"status": "operational", "uptime": uptime})
    assert isinstance(status, SystemStatus)
    assert status.uptime == timedelta(hours=1)


@pytest.mark.parametrize(
    "payload",
    [
        Signal.from_mapping({**SIGNAL, "time": TIME, "stop": "1.16", "strategy": "Manual"}),
        Alert(alert_type="disk", severity="low", title="t", tags=["x"], context={"a": 1}, timestamp=TIME),
        Announcement(title="t", text="x", timestamp=TIME),
        MarketAnalysis(title="t", text="x", pair="EURUSD", timestamp=TIME),
        SystemStatus(status="ok", uptime=timedelta(hours=1), metrics={"a": 1}, timestamp=TIME),
    ],
    ids=lambda payload: type(payload).__name__,
)
def test_the_json_of_a_value_is_read_as_an_equal_one(payload: Payload) -> None:
    assert read(type(payload), payload.to_json()) == payload


@pytest.mark.parametrize(
    ("kind", "stdin", "faults"),
    [
        (Signal, SIGNAL | {"stpo": 1, "foo": 2}, [("unknown-field", "stpo"), ("unknown-field", "foo")]),
        (Signal, {"symbol": "EURUSD", "price": 1, "tf": "H4"}, [("missing", "signal_type")]),
        (Signal, ALERT | {"kind": "alert"}, [("wrong-kind", "kind")]),
        (Signal, SIGNAL | {"tier": "free"}, [("unknown-field", "tier")]),
        (Signal, b"\xff\xfe", [("not-readable", None)]),
        (Signal, "[" * 100_000, [("not-readable", None)]),
        (Signal, "", [("not-readable", None)]),
        (Signal, "[1]", [("not-readable", None)]),
        (Signal, '{"pair": "EURUSD", "pair": "GBPUSD"}', [("not-readable", None)]),
        (Signal, '{"price": 1e9999999999999999999}', [("not-readable", None)]),
        (Signal, SIGNAL | {"price": "NaN"}, [("not-a-number", "price")]),
        (Signal, SIGNAL | {"sl": 1.17}, [("wrong-side", "sl")]),
        (Alert, ALERT | {"sevrity": "low"}, [("unknown-field", "sevrity")]),
        (Alert, {"title": "t"}, [("missing", "alert_type"), ("missing", "severity")]),
        (Alert, ALERT | {"title": None}, [("missing", "title")]),
        (Alert, ALERT | {"severity": []}, [("unknown-word", "severity")]),
        (Alert, ALERT | {"tags": "x"}, [(None, "tags")]),
        (Announcement, {"title": "t"}, [("missing", "text")]),
        (Announcement, {"title": "t", "text": 5}, [("not-text", "text")]),
        (MarketAnalysis, {"title": "t", "text": "x", "pair": "?"}, [("invalid-symbol", "pair")]),
        (MarketAnalysis, {"title": "t", "text": "x", "timestamp": "now"}, [(None, "timestamp")]),
        (SystemStatus, {"status": "ok", "uptime": "long"}, [("not-a-duration", "uptime")]),
        (SystemStatus, {"status": "ok", "uptime": True}, [("not-a-number", "uptime")]),
        (SystemStatus, {"message": "m"}, [("missing", "status")]),
    ],
)
def test_an_invalid_field_is_refused_by_name(
    kind: type[Payload], stdin: Any, faults: list[tuple[str | None, str | None]]
) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(kind, stdin)
    found = [(fault.code, fault.field) for fault in refused.value.errors]
    assert [(wanted and code, field) for (wanted, _), (code, field) in zip(faults, found, strict=True)] == faults


def test_all_faults_of_a_signal_are_reported_together_under_its_own_names() -> None:
    with pytest.raises(InvalidValue) as refused:
        read(Signal, SIGNAL | {"price": "1,1634", "time": "yesterday", "tf": None})
    assert {fault.field for fault in refused.value.errors} == {"price", "time"}


def test_a_missing_option_is_named() -> None:
    with pytest.raises(click.UsageError, match="--title"):
        read(Alert, "{}", severity="high")


def published(**options: Any) -> Signal:
    """The signal of these options, with the required ones."""
    given = {"pair": "EURUSD", "side": "buy", "entry": "1.1634", "time": TIME} | options
    signal = made(Signal, given, ())
    assert isinstance(signal, Signal)
    return signal


def targets(*texts: str) -> tuple[Any, ...]:
    return tuple(TargetText().convert(text, None, None) for text in texts)


def test_targets_are_prices_with_optional_shares() -> None:
    one, same = notification_of(published(target=targets("1.17"))), notification_of(published(target="1.17"))
    assert one.content_hash == same.content_hash, "an earlier version accepted it as one price"
    several = published(target=targets("1.17@50%", "1.18 @ 30"))
    assert [(each.price, each.share) for each in several.targets] == [
        (Decimal("1.17"), Decimal(50)),
        (Decimal("1.18"), Decimal(30)),
    ]


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"target": targets("1.17@")}, "not-a-number", "target"),
        ({"target": targets("1.17@0")}, "out-of-range", "target"),
        ({"target": targets("1.17@60", "1.18@60")}, "out-of-range", "target"),
        ({"target": targets("1.17@60", "1.18")}, "missing", "target"),
        ({"target": targets("@60")}, "missing", "target"),
        ({"target": targets(*(f"1.{20 + number}" for number in range(11)))}, "too-many", "target"),
        ({"entry_zone": "1.16"}, "not-readable", "entry_zone"),
        ({"good_for": "1h"}, "conflict", "--good-for"),
        ({"good_for": "soon", "order": "limit"}, "not-a-duration", "--good-for"),
        ({"order": "later"}, "unknown-word", "order"),
    ],
)
def test_an_invalid_option_of_a_signal_is_refused(options: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        published(**options)
    assert [(fault.code, fault.field) for fault in refused.value.errors] == [(code, field)]


@pytest.mark.parametrize(
    ("text", "low", "high"), [("1.16-1.17", "1.16", "1.17"), ("1.17 - 1.16", "1.16", "1.17"), ("-2--1", "-2", "-1")]
)
def test_an_entry_zone_is_two_prices(text: str, low: str, high: str) -> None:
    zone = published(pair="WTICO_USD", entry=low, entry_zone=text).entry_zone
    assert zone is not None
    assert (zone.low, zone.high) == (Decimal(low), Decimal(high))


def test_leverage_and_risk_are_read_from_their_options() -> None:
    signal = published(leverage="5x", risk_percent="2")
    assert (signal.leverage, signal.risk_percent) == (5, 2)


def test_an_order_is_good_from_the_close_of_its_candle_so_that_a_repeat_is_the_same_order() -> None:
    one, other = (published(order="limit", good_for="2d", timeframe="H4") for _ in range(2))
    assert one.good_until == other.good_until == instant.utc(TIME, "time") + timedelta(days=2, hours=4)
    short = published(order="stop", good_for="30m", timeframe="H4")
    assert short.valid_until == short.good_until, "nobody enters later than that"


def test_an_order_in_json_is_good_from_the_close_of_its_candle_or_from_now() -> None:
    order = SIGNAL | {"order": "limit", "good_for": "30m"}
    dated = read(Signal, order)
    undated = read(Signal, {name: value for name, value in order.items() if name != "time"})
    assert isinstance(dated, Signal)
    assert isinstance(undated, Signal)
    assert dated.good_until == instant.utc(TIME, "time") + timedelta(hours=4, minutes=30)
    assert undated.good_until == undated.timestamp + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"good_for": "soon", "order": "limit"}, "not-a-duration"), ({"good_for": "1h"}, "conflict")],
)
def test_an_invalid_duration_in_json_is_refused_under_its_name(changes: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(Signal, SIGNAL | changes)
    assert [(fault.code, fault.field) for fault in refused.value.errors] == [(code, "good_for")]


def test_only_a_signal_has_an_order_that_is_good_for_a_time() -> None:
    with pytest.raises(InvalidValue) as refused:
        read(Alert, ALERT | {"good_for": "1h"})
    assert [(fault.code, fault.field) for fault in refused.value.errors] == [("unknown-field", "good_for")]


def test_an_order_without_a_time_is_good_from_now() -> None:
    signal = published(order="limit", good_for="30m", timeframe="H4", time=None)
    assert signal.good_until == signal.timestamp + timedelta(minutes=30)
