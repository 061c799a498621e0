"""The periods of recaps: days follow each other without gaps, whatever the clocks of a time zone do."""

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import notification_of, payload_id
from signalpost.domain.recap import Period, Recap, RecapDays, RecapLine, Recurrence

DAY, WEEK = timedelta(days=1), timedelta(days=7)
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Santiago", "Pacific/Auckland")
MONDAY = date(2026, 11, 23)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_day_without_an_hour_is_a_calendar_day_and_a_week_begins_on_monday() -> None:
    day, week = RecapDays().day(MONDAY), RecapDays().week(MONDAY + 4 * DAY)
    assert (day.since, day.until) == (at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z"))
    assert (week.since, week.until) == (at("2026-11-23T00:00:00Z"), at("2026-11-30T00:00:00Z"))
    assert (week.first_day, week.last_day, week.ends_at) == (MONDAY, MONDAY + 6 * DAY, time(0))


def test_a_day_with_an_hour_ends_then_on_its_own_date() -> None:
    days = RecapDays("America/New_York", 17)
    day, week = days.day(MONDAY), days.week(MONDAY)
    assert (day.since, day.until) == (at("2026-11-22T22:00:00Z"), at("2026-11-23T22:00:00Z"))
    assert (day.first_day, day.last_day, day.ends_at) == (MONDAY, MONDAY, time(17))
    assert (week.since, week.until) == (at("2026-11-22T22:00:00Z"), at("2026-11-29T22:00:00Z"))
    assert (week.first_day, week.last_day) == (MONDAY, MONDAY + 6 * DAY)


@pytest.mark.parametrize("hour", [0, 1, 2])
@pytest.mark.parametrize("zone", ["Africa/Cairo", "America/Havana", "America/Santiago", "Europe/Berlin"])
def test_each_period_has_its_own_dates_and_is_followed_by_the_next_one(zone: str, hour: int) -> None:
    """Also when the clocks change at midnight, so that an hour of the day does not exist."""
    days = RecapDays(zone, hour)
    for on in (date(2026, 1, 1) + number * DAY for number in range(366)):
        day, week = days.day(on), days.week(on)
        assert (day.first_day, day.last_day) == (on, on)
        monday = on - on.weekday() * DAY
        assert (week.first_day, week.last_day) == (monday, monday + 6 * DAY)
        assert days.next_end(day) == days.day(on + DAY).until > day.until
        assert days.next_end(week) == days.week(on + WEEK).until > week.until


def test_a_period_that_an_earlier_version_saved_has_its_dates() -> None:
    for period in (RecapDays("Europe/Berlin", 17).day(MONDAY), RecapDays("Europe/Berlin", 17).week(MONDAY)):
        earlier = msgspec.json.encode(period).replace(f',"day":"{period.day}"'.encode(), b"")
        read = msgspec.json.decode(earlier, type=Period)
        assert (read.day, read.first_day, read.last_day) == (None, period.first_day, period.last_day)


@given(
    st.sampled_from(ZONES),
    st.integers(0, 23),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_each_instant_lies_in_one_day_and_the_newest_period_is_the_last_that_is_over(
    zone: str, hour: int, now: datetime
) -> None:
    days = RecapDays(zone, hour)
    today = days.day_at(now)
    assert days.day(today).since <= now < days.day(today).until
    assert days.day(today).until == days.day(today + DAY).since
    assert abs((now.astimezone(ZoneInfo(zone)).date() - today).days) <= 1
    for recurrence, length in ((Recurrence.DAILY, DAY), (Recurrence.WEEKLY, WEEK)):
        newest = days.newest(recurrence, now)
        assert newest.until <= now < days.next_end(newest)
        assert abs(newest.until - newest.since - length) <= timedelta(hours=1)
        assert newest.recurrence is recurrence
    week = days.newest(Recurrence.WEEKLY, now)
    assert week.first_day.isocalendar()[:2] == week.last_day.isocalendar()[:2]
    assert (week.first_day.weekday(), week.last_day.weekday()) == (0, 6)


@pytest.mark.parametrize(
    ("last_end", "since"),
    [
        ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("2026-11-23T17:00:00Z", "2026-11-23T17:00:00Z"),
        ("2026-11-22T17:00:00Z", "2026-11-22T17:00:00Z"),
        ("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("2026-11-20T17:00:00Z", "2026-11-23T00:00:00Z"),
    ],
    ids=["as-usual", "later", "earlier", "a-day-was-missed", "days-were-missed"],
)
def test_a_period_begins_where_the_last_recap_ended_unless_one_was_missed(last_end: str, since: str) -> None:
    period = RecapDays().day(MONDAY)
    found = RecapDays().following(period, at(last_end))
    assert (found.since, found.until, found.day) == (at(since), period.until, MONDAY)
    assert found.is_adjusted is (found != period)


def recap(**fields: object) -> Recap:
    return Recap(
        **{  # type: ignore[arg-type]
            "destination": "signals-free",
            "period": RecapDays().day(MONDAY),
            "timestamp": at("2026-11-24T00:05:00Z"),
            "lines": (RecapLine(Instrument("EUR_USD"), 1, 2, 3, Fraction(1, 3)),),
            **fields,
        }
    )


def test_a_recap_is_stored_and_read_like_any_notification_and_repeats_have_its_id() -> None:
    made = recap()
    notification = notification_of(made)
    read = type(notification).from_json(notification.to_json())
    assert (read, read.kind, read.key) == (notification, "recap", f"{made.recap_id} new")
    assert payload_id(made) == recap(timestamp=at("2026-11-24T09:00:00Z"), open=3).recap_id
    others = (recap(destination="signals-premium"), recap(period=RecapDays().week(MONDAY)))
    assert made.recap_id not in {each.recap_id for each in others}


@pytest.mark.parametrize("wins", [29, 30])
def test_a_win_rate_needs_30_trades(wins: int) -> None:
    made = recap(lines=(RecapLine(Instrument("EUR_USD"), wins - 1, 1),))
    assert made.win_rate == (None if wins < 30 else Fraction(2900, 30))


def test_only_a_recap_without_any_signal_is_empty() -> None:
    assert recap(lines=()).is_empty
    assert not any(recap(lines=(), **{name: 1}).is_empty for name in ("open", "not_filled", "not_shown", "no_result"))
    assert not recap().is_empty
