"""Limit and stop orders wait for their entry; a signal without a timeframe is valid for an hour."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from signalpost import InvalidValue, Signal, SignalStatus
from signalpost.domain.order import EntryZone, OrderKind
from signalpost.testing.manual_clock import ManualClock
from tests.surface.errors import Facts, facts_of

OPEN = datetime(2025, 8, 20, 1, tzinfo=UTC)
CLOSE = datetime(2025, 8, 20, 5, tzinfo=UTC)


def made(**fields: Any) -> Signal:
    plain = {"pair": "EUR_USD", "timeframe": "H4", "signal_type": "BUY", "entry_price": "1.10", "timestamp": OPEN}
    return Signal(**{**plain, **fields})


@pytest.mark.parametrize("order", [OrderKind.LIMIT, "limit", " Stop "])
def test_an_order_that_waits_is_pending(order: str) -> None:
    assert made(order=order).status is SignalStatus.PENDING
    assert made(order=order, status="ACTIVE").status is SignalStatus.ACTIVE
    assert made(order="market").status is SignalStatus.ACTIVE


@pytest.mark.parametrize(
    ("timeframe", "hours"), [("M5", 24), ("H4", 24), (timedelta(hours=5), 30), ("D", 144), (None, 24)]
)
def test_an_order_is_good_for_a_day_or_six_candles(timeframe: Any, hours: int) -> None:
    signal = made(timeframe=timeframe, order="limit", known_at=CLOSE)
    assert signal.good_until == CLOSE + timedelta(hours=hours)
    assert made(timeframe=timeframe).good_until is None


def test_a_given_end_of_an_order_also_ends_the_validity_of_its_message() -> None:
    signal = made(order="stop", good_until="2025-08-20T06:00:00Z")
    assert signal.good_until == signal.valid_until == CLOSE + timedelta(hours=1)
    late = CLOSE + timedelta(hours=2)
    assert made(order="stop", good_until=signal.good_until, valid_until=late).valid_until == late


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({"order": "buy"}, Facts("unknown-word", "order", "'buy'", "MARKET, LIMIT, STOP")),
        ({"order": None}, Facts("unknown-word", "order", "None", "MARKET, LIMIT, STOP")),
        ({"good_until": CLOSE}, Facts("conflict", "good_until", "2025-08-20T05:00:00Z", "LIMIT, STOP")),
        (
            {"order": "limit", "good_until": CLOSE},
            Facts("not-after", "good_until", "2025-08-20T05:00:00Z", "2025-08-20T05:00:00Z"),
        ),
        ({"leverage": 0}, Facts("out-of-range", "leverage", "0", "above 0")),
        ({"leverage": "x"}, Facts("not-a-number", "leverage", "'x'")),
        ({"risk_percent": 0}, Facts("out-of-range", "risk_percent", "0", "above 0, at most 100")),
        ({"risk_percent": "100.5%"}, Facts("out-of-range", "risk_percent", "100.5", "above 0, at most 100")),
        ({"entry_zone": ("1.11", "1.12")}, Facts("out-of-range", "entry_zone", "1.10", "1.11 to 1.12")),
        ({"entry_zone": ("1.08", "1.09")}, Facts("out-of-range", "entry_zone", "1.10", "1.08 to 1.09")),
        ({"entry_zone": ("1.10", "1.1")}, Facts("out-of-range", "entry_zone", "1.10", "below 1.1")),
        ({"entry_zone": "1.10"}, Facts("not-readable", "entry_zone", "'1.10'", "2 prices")),
        ({"entry_zone": {"low": 1}}, Facts("not-readable", "entry_zone", "{'low': 1}", "2 prices")),
        ({"entry_zone": (1, 2, 3)}, Facts("not-readable", "entry_zone", "[1, 2, 3]", "2 prices")),
        ({"entry_zone": ("-1", 2)}, Facts("out-of-range", "entry_zone", "-1", "above 0")),
    ],
    ids=str,
)
def test_an_invalid_order_is_refused_with_its_facts(fields: dict[str, Any], facts: Facts) -> None:
    with pytest.raises(InvalidValue) as refusal:
        made(**fields)
    assert facts_of(refusal.value) == [facts]


@pytest.mark.parametrize(
    "zone", [("1.09", "1.11"), ["1.11", 1.09], {"high": "1.11", "low": "1.09"}, EntryZone("1.09", 1.11)], ids=str
)
def test_the_entry_lies_in_its_zone(zone: Any) -> None:
    signal = made(entry_zone=zone)
    assert signal.entry_zone == EntryZone(Decimal("1.09"), Decimal("1.11"))
    assert made(entry_price="1.11", entry_zone=zone).entry_price == made(entry_zone=zone).entry_zone.high  # type: ignore[union-attr]
    assert Signal.from_json(signal.to_json()) == signal


def test_leverage_and_risk_are_kept_as_given() -> None:
    signal = made(leverage="2.5", risk_percent="1.5%")
    assert (signal.leverage, signal.risk_percent) == (Decimal("2.5"), Decimal("1.5"))
    for text in (" 20X", "x20", "1:20", "Cross (20x)", "isolated 20.0x", 20):
        assert made(leverage=text).leverage == 20
    assert (made().leverage, made().risk_percent) == (None, None)


def test_another_order_derives_status_and_end_again() -> None:
    limit = made(order="limit")
    market = limit.but(order="market")
    assert (market.status, market.good_until) == (SignalStatus.ACTIVE, None)
    assert market.but(order="limit") == limit
    assert limit.but(status="ACTIVE").but(order="stop").status is SignalStatus.ACTIVE


def test_a_pending_signal_can_be_cancelled_but_not_closed() -> None:
    limit = made(order="limit")
    assert limit.cancel("news").status is SignalStatus.CANCELLED
    with pytest.raises(InvalidValue) as refusal:
        limit.close("news")
    assert facts_of(refusal.value) == [Facts("conflict", "status", "PENDING", "ACTIVE")]


def test_without_a_timeframe_a_signal_is_known_at_its_time_and_valid_for_an_hour() -> None:
    with ManualClock(CLOSE):
        signal = made(timeframe=None)
        early = made(timeframe=None, timestamp=CLOSE + timedelta(minutes=1))
    assert (signal.timeframe, signal.known_at, signal.valid_until) == (None, OPEN, OPEN + timedelta(hours=1))
    assert (signal.signal_id, signal.stream) == ("signal:EUR_USD:BUY:20250820T010000Z", "EUR_USD")
    assert early.known_at == CLOSE
    assert made().stream == "EUR_USD H4"
    assert Signal.from_json(signal.to_json()) == signal
