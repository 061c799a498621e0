from datetime import UTC, datetime, timedelta

import pytest

from signalpost import clock
from signalpost.cli.moments import moment, span, told
from signalpost.errors import InvalidValue
from signalpost.testing.manual_clock import ManualClock

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
def test_a_moment_is_so_long_ago_or_a_day_or_an_instant(text: str, instant: datetime) -> None:
    assert moment(text, "--since") == instant


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "1y", "2026-02-30", "2026-01-31T10:00:00", "yesterday", "٣d"])
def test_what_is_no_moment_is_refused_with_what_to_give(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"--since is .*: give how long ago \(90m, 12h, 30d\), a day"):
        moment(text, "--since")


def test_a_moment_before_all_calendars_is_refused() -> None:
    with pytest.raises(InvalidValue, match="before all calendars"):
        moment("999999w", "--before")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0.0042, "0.0042 s"), (9.5, "9.5 s"), (10, "10 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min")],
        *[(7_200, "2 h"), (172_799, "48 h"), (172_800, "2 days"), (-60, "60 s")],
    ],
)
def test_a_span_is_told_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_an_instant_is_told_with_its_distance() -> None:
    assert told(NOW - timedelta(minutes=3), NOW) == "2026-03-02 09:27:00 UTC (3 min ago)"
    assert told(NOW + timedelta(hours=4), NOW) == "2026-03-02 13:30:00 UTC (in 4 h)"
