"""A constructor reports all faults of a value in one error, with a code and facts for each."""

from collections.abc import Callable
from typing import Any

import pytest

from signalpost import Alert, Announcement, Candle, MarketAnalysis, Signal, SystemStatus
from signalpost.errors import InvalidValue

OPENED = "2025-08-20T01:00:00Z"
GOOD = {"pair": "EURUSD", "timeframe": "H1", "signal_type": "BUY", "entry_price": 1.1, "timestamp": OPENED}


def faults(make: Callable[..., object], **fields: Any) -> list[tuple[str, str | None]]:
    """Code and field of each fault that the error names; only its text if it names none."""
    with pytest.raises(InvalidValue) as refusal:
        make(**fields)
    errors = getattr(refusal.value, "errors", ())
    assert errors, f"the error holds one text: {refusal.value}"
    assert all(fault.value is not None for fault in errors if fault.code not in {"missing"})
    assert str(refusal.value) == "\n".join(fault.text for fault in errors)
    return [(fault.code, fault.field) for fault in errors]


def test_a_signal_reports_the_faults_of_all_fields() -> None:
    wrong = {"pair": "{{ticker}}", "timeframe": "100R", "signal_type": "up", "entry_price": "x", "timestamp": "now"}
    assert faults(Signal, **wrong, confidence_score=85, status="open", notes=1, created_at=0, stop_loss=True) == [
        ("placeholder", "pair"),
        ("no-fixed-length", "timeframe"),
        ("unknown-word", "signal_type"),
        ("not-a-number", "entry_price"),
        ("invalid-time", "timestamp"),
        ("not-a-number", "stop_loss"),
        ("unknown-word", "status"),
        ("out-of-range", "confidence_score"),
        ("not-text", "notes"),
        ("out-of-range", "created_at"),
    ]


def test_a_signal_reports_all_faults_between_its_fields_together() -> None:
    wrong = {"stop_loss": 1.2, "take_profit": 1.0, "known_at": OPENED, "valid_until": OPENED}
    assert faults(Signal, **GOOD, **wrong) == [
        ("wrong-side", "stop_loss"),
        ("wrong-side", "take_profit"),
        ("not-after", "valid_until"),
    ]
    assert faults(Signal, **{**GOOD, "entry_price": -1, "current_price": -2}) == [
        ("out-of-range", "entry_price"),
        ("out-of-range", "current_price"),
    ]


@pytest.mark.parametrize(
    ("make", "fields", "expected"),
    [
        (
            Alert,
            {"alert_type": "", "severity": "loud", "title": " ", "tags": "x", "escalation_level": -1, "message": None},
            ["missing", "unknown-word", "missing", "not-text", "not-a-list", "out-of-range"],
        ),
        (MarketAnalysis, {"title": "", "text": 1, "pair": "a\nb"}, ["missing", "not-text", "invalid-symbol"]),
        (Announcement, {"title": None, "text": "", "timestamp": "x"}, ["not-text", "missing", "invalid-time"]),
        (SystemStatus, {"status": "", "uptime": 5, "metrics": 7}, ["missing", "out-of-range", "not-a-mapping"]),
        (
            Candle,
            {"time": "x", "open": "y", "high": 1, "low": None, "close": 1},
            ["invalid-time", "not-a-number", "not-a-number"],
        ),
    ],
)
def test_every_value_reports_all_of_its_faults(
    make: Callable[..., object], fields: dict[str, Any], expected: list[str]
) -> None:
    assert [code for code, _ in faults(make, **fields)] == expected


def test_without_a_strategy_name_the_id_begins_with_signal() -> None:
    signal = Signal(**GOOD)
    assert signal.strategy_name is None
    assert signal.signal_id == "signal:EUR_USD:H1:BUY:20250820T010000Z"
    named = Signal(**GOOD, strategy_name="MA Unified Strategy")
    assert named.signal_id == "ma-unified:EUR_USD:H1:BUY:20250820T010000Z"
