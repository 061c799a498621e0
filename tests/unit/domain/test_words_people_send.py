"""Severities, timeframes and times as logging, Alertmanager, TradingView, MetaTrader and exchanges write them.

The marked tests come from public bug reports and the programs' documentation.
"""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

from signalpost.domain.candle import Candle
from signalpost.domain.instant import utc
from signalpost.domain.reports import Alert
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidValue

OPENED = datetime(2024, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        *(("warning", "medium"), ("WARN", "medium"), ("Error", "high"), ("err", "high"), ("severe", "high")),
        *(("fatal", "critical"), ("emerg", "critical"), ("crit", "critical"), ("page", "critical")),
        *(("notice", "low"), ("none", "info"), ("debug", "info"), ("informational", "info"), ("Disaster", "critical")),
        *(("major", "high"), ("minor", "low"), ("average", "medium"), ("P1", "critical"), ("sev2", "high")),
        ("Not classified", "info"),
    ],
)
def test_the_usual_words_for_a_severity_are_read(word: str, severity: str) -> None:
    try:
        alert = Alert(alert_type="feed", severity=word, title="w")
    except InvalidValue as fault:
        pytest.fail(str(fault))
    assert alert.severity == severity


def test_an_unknown_severity_is_refused_with_the_known_ones() -> None:
    for word in ("loud", "", 3):
        with pytest.raises(InvalidValue) as refusal:
            Alert(alert_type="feed", severity=word, title="w")  # type: ignore[arg-type]
        (fault,) = refusal.value.errors
        assert (fault.code, fault.field) == ("unknown-word", "severity")
        assert fault.limit == "critical, high, medium, low, info"


@pytest.mark.parametrize(
    "interval", ["1M", "3M", "6M", "12M", "1R", "10R", "100R", "1000r", "1T", "10T", "100T", "1000 T"]
)
def test_an_interval_without_a_fixed_length_is_refused_with_advice(interval: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Timeframe(interval)
    assert getattr(refusal.value, "code", None) == "no-fixed-length"
    assert "such as 'H4' or 'D'" in str(refusal.value)


@pytest.mark.parametrize(
    ("constant", "timeframe"),
    [
        *((16385, "H1"), (16386, "H2"), (16387, "H3"), (16388, "H4"), (16390, "H6"), (16392, "H8"), (16396, "H12")),
        *((16408, "D"), (32769, "W"), ("16385", "H1"), (np.int64(16408), "D"), ("49153", "refused")),
        *(
            ("PERIOD_H4", "H4"),
            ("PERIOD_M15", "M15"),
            ("period_d1", "D"),
            (49153, "refused"),
            ("PERIOD_MN1", "refused"),
        ),
    ],
)
def test_a_constant_of_metatrader_5_is_its_period(constant: str | int, timeframe: str) -> None:
    try:
        read = str(Timeframe(constant))
    except InvalidValue as fault:
        read = "refused" if getattr(fault, "code", "") == "no-fixed-length" else str(fault)
    assert read == timeframe


@pytest.mark.parametrize(
    "unix",
    [
        *(1709510400, 1709510400000, 1709510400000000, 1709510400000000000),
        *("1709510400", " 1709510400000 ", "1709510400.000", "1709510400000000000"),
        *(1709510400.0, 1709510400000.0, Decimal("1709510400"), Decimal("1.7095104E+12")),
        *(np.int64(1709510400000), np.float64(1709510400), np.uint64(1709510400000000000)),
    ],
    ids=repr,
)
def test_the_unit_of_unix_time_follows_from_its_size(unix: float | str) -> None:
    try:
        read = utc(unix, "time")
        candle = Candle(time=unix, open=1, high=1, low=1, close=1)
    except InvalidValue as fault:
        pytest.fail(str(fault))
    assert read == candle.time == OPENED
    assert type(read) is datetime


@pytest.mark.parametrize(
    ("unix", "after"),
    [
        *((1709510400.25, 250_000), ("1709510400.123456", 123_456), (1709510400001, 1_000), (1709510400000001, 1)),
        *((1709510400000000999, 0), ("1709510400123.5", 123_500)),
    ],
)
def test_unix_time_keeps_its_microseconds(unix: float | str, after: int) -> None:
    try:
        read = utc(unix, "time")
    except InvalidValue as fault:
        pytest.fail(str(fault))
    assert (read - OPENED) / timedelta(microseconds=1) == after


@pytest.mark.parametrize(
    ("timeframe", "at", "opened"),
    [
        ("H4", "2025-08-20T01:00:00Z", "2025-08-20T00:00:00Z"),
        ("H4", "2025-08-20T04:00:00.000001Z", "2025-08-20T04:00:00Z"),
        ("M15", "2025-08-20T01:14:59.999999Z", "2025-08-20T01:00:00Z"),
        ("D", "2025-08-20T23:59:59Z", "2025-08-20T00:00:00Z"),
        ("W", "2025-08-20T12:00:00Z", "2025-08-18T00:00:00Z"),
        ("S5", "1969-12-31T23:59:58Z", "1969-12-31T23:59:55Z"),
    ],
)
def test_candle_open_is_the_same_throughout_a_candle(timeframe: str, at: str, opened: str) -> None:
    candle_open = getattr(Timeframe(timeframe), "candle_open", lambda at: at)
    assert candle_open(utc(at, "at")) == utc(opened, "at")
    assert candle_open(utc(at, "at").astimezone(timezone(timedelta(hours=5, minutes=45)))) == utc(opened, "at")


def test_candle_open_needs_a_time_zone() -> None:
    with pytest.raises(InvalidValue) as refusal:
        Timeframe("H1").candle_open(datetime(2025, 8, 20))  # noqa: DTZ001  # the rule
    assert refusal.value.code == "no-time-zone"
