from datetime import UTC, datetime, timedelta

import pytest

from signalpost import clock
from signalpost.cli.time_format import format_duration, format_time, parse_time
from signalpost.errors import InvalidValue
from signalpost.testing.manual_clock import ManualClock
from tests.surface.errors import Facts, facts_of

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now() -> object:
    before = clock.install(ManualClock(NOW))
    yield
    clock.install(before)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("90m", NOW - timedelta(minutes=90)),
        (" 12H ", NOW - timedelta(hours=12)),
        ("30d", NOW - timedelta(days=30)),
        ("2w", NOW - timedelta(days=14)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:00:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_a_time_is_relative_or_a_day_or_an_instant(text: str, instant: datetime) -> None:
    assert parse_time(text, "--since") == instant


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "1y", "2026-02-30", "2026-01-31T10:00:00", "yesterday", "٣d"])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        parse_time(text, "--since")
    assert facts_of(refusal.value) == [Facts("invalid-time", "--since", repr(text))]


def test_a_time_before_the_calendar_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'999999w'") as refusal:
        parse_time("999999w", "--before")
    assert facts_of(refusal.value) == [Facts("out-of-range", "--before", "'999999w'")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0.0042, "0.0042 s"), (9.5, "9.5 s"), (10, "10 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min")],
        *[(7_200, "2 h"), (172_799, "48 h"), (172_800, "2 days"), (-60, "60 s")],
    ],
)
def test_a_span_is_shown_in_a_suitable_unit(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


def test_an_instant_is_shown_with_its_distance() -> None:
    assert format_time(NOW - timedelta(minutes=3), NOW) == "2026-03-02 09:27:00 UTC (3 min ago)"
    assert format_time(NOW + timedelta(hours=4), NOW) == "2026-03-02 13:30:00 UTC (in 4 h)"
