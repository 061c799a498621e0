"""What is published: from options or from JSON, with known names only, each kind."""

import json
from datetime import timedelta
from typing import Any

import click
import pytest
from click.testing import CliRunner

from signalpost.cli.publish_facts import made
from signalpost.domain.alert import Alert
from signalpost.domain.announcement import Announcement
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus
from signalpost.errors import InvalidValue

TIME = "2026-03-02T09:30:00Z"
SIGNAL: dict[str, Any] = {"symbol": "EURUSD", "tf": "4h", "action": "buy", "price": 1.1634, "time": TIME}
ALERT = {"type": "disk", "severity": "high", "title": "97 % full"}


def read(kind: type[Payload], stdin: str | bytes | dict[str, Any], **options: Any) -> Payload:
    """What is made of `stdin` where no option is given."""
    text = json.dumps(stdin) if isinstance(stdin, dict) else stdin
    found: list[Payload] = []
    command = click.command()(lambda: found.append(made(kind, options, ("title",))))
    result = CliRunner().invoke(command, input=text, standalone_mode=False)
    if result.exception:
        raise result.exception
    return found[0]


def test_a_signal_of_a_person_is_of_the_strategy_manual_and_known_now_unless_it_says_otherwise() -> None:
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
        Signal.from_mapping({**SIGNAL, "time": TIME, "stop": "1.16", "notes": "n"}),
        Alert(alert_type="disk", severity="low", title="t", tags=["x"], context={"a": 1}, timestamp=TIME),
        Announcement(title="t", text="x", timestamp=TIME),
        MarketAnalysis(title="t", text="x", pair="EURUSD", timestamp=TIME),
        SystemStatus(status="ok", uptime=timedelta(hours=1), metrics={"a": 1}, timestamp=TIME),
    ],
    ids=lambda payload: type(payload).__name__,
)
def test_what_a_value_wrote_is_read_as_an_equal_one(payload: Payload) -> None:
    assert read(type(payload), payload.to_json()) == payload


@pytest.mark.parametrize(
    ("kind", "stdin", "told"),
    [
        (
            Signal,
            SIGNAL | {"stpo": 1, "foo": 2},
            "'foo' is no name of a signal; 'stpo' is no name of a signal: did you mean stop?",
        ),
        (Signal, {"symbol": "EURUSD"}, "timeframe is missing (also read as tf, interval, granularity)"),
        (
            Signal,
            ALERT | {"kind": "alert"},
            "standard input holds 'alert': `signalpost publish` has a command for each",
        ),
        (Signal, b"\xff\xfe", "standard input is no JSON"),
        (Signal, "[" * 100_000, "standard input is no JSON"),
        (Signal, "", "standard input is no JSON"),
        (Signal, "[1]", "standard input is no JSON object"),
        (Signal, SIGNAL | {"price": "NaN"}, "price is"),
        (Signal, SIGNAL | {"sl": 1.17}, "for a BUY stop_loss must be below the entry"),
        (Alert, ALERT | {"sevrity": "low"}, "'sevrity' is no name of this .alert.: did you mean severity?"),
        (Alert, {"title": "t"}, "the alert has no alert_type, no severity: add what is missing"),
        (Alert, ALERT | {"title": None}, "the alert has no title"),
        (Alert, ALERT | {"severity": []}, "severity is"),
        (Alert, ALERT | {"tags": "x"}, "tags is 'x': give a list"),
        (Announcement, {"title": "t"}, "the announcement has no text"),
        (Announcement, {"title": "t", "text": 5}, "text is 5"),
        (Announcement, {"headline": "t"}, "'headline' is no name of this"),
        (MarketAnalysis, {"title": "t", "text": "x", "pair": "?"}, "'?'"),
        (MarketAnalysis, {"title": "t", "text": "x", "timestamp": "now"}, "timestamp is 'now'"),
        (SystemStatus, {"status": "ok", "uptime": "long"}, "uptime is 'long': give seconds, or text such as 'PT1H'"),
        (SystemStatus, {"status": "ok", "uptime": True}, "uptime is True"),
        (SystemStatus, {"message": "m"}, "the system status has no status"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(kind: type[Payload], stdin: Any, told: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(kind, stdin)
    assert told.replace(".alert.", "(alert)") in str(refused.value)


def test_all_that_is_wrong_with_a_signal_is_told_at_once_in_the_names_it_has() -> None:
    with pytest.raises(InvalidValue) as refused:
        read(Signal, SIGNAL | {"price": "1,1634", "time": "yesterday", "tf": None})
    missing, price, time = str(refused.value).split("; ")
    assert missing.startswith("timeframe is missing")
    assert price.startswith("price is '1,1634': ")
    assert time == "time is 'yesterday': give an ISO 8601 time with its zone, such as '2025-08-20T01:00:00Z'"


def test_what_lacks_beside_options_is_told_by_its_option() -> None:
    with pytest.raises(click.UsageError, match="--title must be given, too; or give JSON on standard input"):
        read(Alert, "{}", severity="high")
