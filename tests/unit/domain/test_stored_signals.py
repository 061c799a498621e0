"""Signals that earlier versions stored are read, and their content hash stays the same.

`stored_signals.json` has signals of the last version without targets, with their hashes.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signalpost import Signal, SignalStatus
from signalpost.domain.notification import Notification, notification_of
from signalpost.domain.target import Target
from signalpost.testing.manual_clock import ManualClock

STORED = json.loads(Path(__file__).with_name("stored_signals.json").read_text())
PLAIN = {
    "pair": "EURUSD",
    "timeframe": "H1",
    "signal_type": "BUY",
    "entry_price": "1.1634",
    "timestamp": "2026-03-02T11:00:00Z",
}
LEVELS = {"stop_loss": "1.16", "take_profit": "1.17"}


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[ManualClock]:
    """The time at which the signals were stored."""
    with ManualClock("2026-03-02T12:05:00Z") as manual:
        yield manual


def hash_of(event: str = "new", **fields: Any) -> bytes:
    return notification_of(Signal(**{**PLAIN, **fields}), event=event).content_hash


@pytest.mark.parametrize("case", STORED, ids=lambda case: str(case["fields"])[:60])
def test_a_stored_signal_is_read_and_its_repeat_is_a_duplicate(case: dict[str, Any]) -> None:
    read = Notification.from_json(case["stored"])
    signal = Signal(**{**PLAIN, **case["fields"]})
    again = notification_of(signal, context=case["context"], event=case["event"])
    assert read.content_hash.hex() == again.content_hash.hex() == case["hash"]
    assert isinstance(read.payload, Signal)
    assert read.payload.signal_id == signal.signal_id == case["id"]
    assert [target.price for target in read.payload.targets] == [
        price for price in (read.payload.take_profit,) if price is not None
    ]
    assert Notification.from_json(read.to_json()) == read


def test_a_stored_close_was_filled_and_is_closed_now() -> None:
    (case,) = (each for each in STORED if each["fields"].get("status") == "FILLED")
    assert case["event"] == "closed"
    read = Notification.from_json(case["stored"])
    assert isinstance(read.payload, Signal)
    assert read.payload.status is SignalStatus.CLOSED
    assert hash_of("closed", **LEVELS, status="CLOSED") == hash_of("closed", **LEVELS, status="FILLED")
    assert hash_of("update 1", **LEVELS, status="CLOSED") != hash_of("update 1", **LEVELS, status="FILLED")
    filled = Notification.from_json(case["stored"].replace('"event":"closed"', '"event":"filled"'))
    assert filled.payload.status is SignalStatus.FILLED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "fields",
    [
        {"targets": ["1.17"], "take_profit": None},
        {"targets": [Target("1.170")]},
        {"order": "market", "status": "ACTIVE", "entry_zone": None, "leverage": None, "initial_stop": None},
    ],
    ids=str,
)
def test_new_fields_at_their_default_are_not_content(fields: dict[str, Any]) -> None:
    assert hash_of(**{**LEVELS, **fields}) == hash_of(**LEVELS)


@pytest.mark.parametrize(
    "fields",
    [
        {"targets": ["1.17", "1.18"]},
        {"targets": [("1.17", 50)]},
        {"order": "limit"},
        {"entry_zone": ("1.16", "1.17")},
        {"leverage": 5},
        {"risk_percent": 1},
        {"stop_loss": "1.1634", "initial_stop": "1.16"},
        {"timeframe": None},
    ],
    ids=str,
)
def test_new_fields_are_content(fields: dict[str, Any]) -> None:
    assert hash_of(**{**LEVELS, **fields}) != hash_of(**LEVELS)


def test_spellings_of_a_price_and_derived_times_are_not_content() -> None:
    hour = timedelta(hours=1)
    known = datetime(2026, 3, 2, 12, tzinfo=UTC)
    limit = {**LEVELS, "order": "limit"}
    assert hash_of(**limit, status="PENDING") == hash_of(**limit) != hash_of(**limit, status="ACTIVE")
    assert hash_of(**limit, known_at=known + hour / 2) == hash_of(**limit)
    assert hash_of(**limit, good_until=known + 24 * hour) == hash_of(**limit)
    assert hash_of(**limit, good_until=known + 23 * hour) != hash_of(**limit)
    one = hash_of(targets=[("1.170", 50), ("1.18", "50.0")], entry_zone=("1.160", "1.17"))
    assert one == hash_of(targets=[("1.17", "50%"), ("1.180", 50)], entry_zone=("1.16", "1.170"))
