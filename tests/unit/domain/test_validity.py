from datetime import UTC, datetime, timedelta

import pytest

from signalpost import Alert, Announcement, Instrument, InvalidValue, MarketAnalysis, Signal, SystemStatus, Timeframe
from signalpost.domain import validity
from signalpost.domain.instant import iso
from tests.surface.errors import Facts, facts_of

OPEN = "2025-08-20T01:00:00Z"
FIVE = datetime(2025, 8, 20, 5, tzinfo=UTC)
SIGNAL = {"pair": "EUR_USD", "signal_type": "BUY", "entry_price": 1, "timestamp": OPEN}


@pytest.mark.parametrize(
    ("timeframe", "expected"),
    [("M1", 10), ("M5", 10), ("M10", 10), ("M15", 15), ("H4", 240), ("D", 1440)],
)
def test_a_signal_is_valid_for_one_candle_but_at_least_10_minutes(timeframe: str, expected: int) -> None:
    assert validity.of_signal(Instrument("EUR_USD"), Timeframe(timeframe), FIVE) == timedelta(minutes=expected)
    signal = Signal(timeframe=timeframe, known_at=FIVE, **SIGNAL)  # type: ignore[arg-type]
    assert signal.valid_until == FIVE + timedelta(minutes=expected)


def test_another_validity_is_for_signals_without_a_timeframe_that_have_the_usual_one() -> None:
    half = timedelta(minutes=30)
    usual = Signal(known_at=FIVE, **SIGNAL)  # type: ignore[arg-type]
    assert usual.valid_for(half).valid_until == FIVE + half
    assert usual.valid_for(half).but(valid_until=usual.valid_until) == usual, "nothing else changes"
    framed = Signal(timeframe="M30", known_at=FIVE, **SIGNAL)  # type: ignore[arg-type]
    own = Signal(known_at=FIVE, valid_until=FIVE + 2 * half + half, **SIGNAL)  # type: ignore[arg-type]
    assert [each.valid_for(half) for each in (framed, own)] == [framed, own]


def test_another_validity_counts_market_time_and_ends_with_the_order() -> None:
    friday = datetime(2025, 8, 22, 20, 30, tzinfo=UTC)
    waits = Signal(known_at=friday, **SIGNAL | {"timestamp": friday})  # type: ignore[arg-type]
    assert waits.valid_for(timedelta(hours=2)).valid_until == datetime(2025, 8, 24, 22, 30, tzinfo=UTC)
    until = FIVE + timedelta(hours=1, minutes=30)
    order = Signal(known_at=FIVE, order="limit", good_until=until, **SIGNAL)  # type: ignore[arg-type]
    assert order.valid_for(timedelta(hours=2)).valid_until == until
    assert order.valid_for(timedelta(hours=1, minutes=15)).valid_until == FIVE + timedelta(hours=1, minutes=15)


@pytest.mark.parametrize(
    ("pair", "timeframe", "end"),
    [
        ("EUR_USD", "H4", "2025-08-25T01:00:00Z"),
        ("XAU_USD", "H4", "2025-08-25T01:00:00Z"),
        ("BTC_USDT", "H4", "2025-08-23T01:00:00Z"),
        ("NAS100", "H4", "2025-08-23T01:00:00Z"),
        ("EUR_USD", None, "2025-08-22T21:00:00Z"),
        ("EUR_USD", "W", "2025-08-29T21:00:00Z"),
    ],
)
def test_a_signal_of_friday_evening_is_valid_into_monday_if_its_market_closes(
    pair: str, timeframe: str | None, end: str
) -> None:
    friday = datetime(2025, 8, 22, 17, tzinfo=UTC)
    known = friday + timedelta(hours=4 if timeframe else 3)
    signal = Signal(
        pair=pair,
        signal_type="BUY",
        entry_price=1,
        timestamp=friday if timeframe == "H4" else known - timedelta(days=7 if timeframe else 0),
        timeframe=timeframe,
        known_at=known,
    )
    assert iso(signal.valid_until) == end


@pytest.mark.parametrize(
    ("value", "hours"),
    [
        (Alert(alert_type="x", severity="critical", title="t", timestamp=FIVE), 24),
        (Alert(alert_type="x", severity="high", title="t", timestamp=FIVE), 24),
        (Alert(alert_type="x", severity="medium", title="t", timestamp=FIVE), 4),
        (Alert(alert_type="x", severity="low", title="t", timestamp=FIVE), 4),
        (Alert(alert_type="x", severity="info", title="t", timestamp=FIVE), 4),
        (MarketAnalysis(title="t", text="x", timestamp=FIVE), 4),
        (SystemStatus(status="up", timestamp=FIVE), 0.25),
        (Announcement(title="t", text="x", timestamp=FIVE), 24),
    ],
)
def test_other_payloads_have_a_validity_of_their_kind(value: Alert, hours: float) -> None:
    assert value.valid_until == FIVE + timedelta(hours=hours)


def test_a_given_end_counts_if_it_is_after_the_start() -> None:
    assert validity.end("2025-08-20T07:00:00.000001+02:00", FIVE, timedelta(hours=4)) == FIVE.replace(microsecond=1)
    with pytest.raises(InvalidValue) as refusal:
        validity.end(FIVE, FIVE, timedelta(hours=4))
    assert facts_of(refusal.value) == [
        Facts("not-after", "valid_until", "2025-08-20T05:00:00Z", "2025-08-20T05:00:00Z")
    ]


def test_an_end_outside_the_calendar_is_refused() -> None:
    last = datetime(8999, 12, 31, 23, tzinfo=UTC)
    for by in (timedelta(hours=1), timedelta.max):
        with pytest.raises(InvalidValue) as refusal:
            validity.end(None, last, by)
        assert refusal.value.code == "out-of-range"
    assert validity.end(None, last, timedelta(seconds=3_599)).year == 8999
