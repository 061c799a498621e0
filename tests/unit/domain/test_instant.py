from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.instant import compact, iso, utc
from signalpost.errors import InvalidValue

ONE = datetime(2025, 8, 20, 1, tzinfo=UTC)
MOMENTS = st.builds(
    lambda zone, since: (datetime(1900, 1, 1, tzinfo=UTC) + since).astimezone(zone),
    st.timezones(),
    st.timedeltas(timedelta(), timedelta(days=7_099 * 365)),
)


@pytest.mark.parametrize(
    "spelling",
    [
        ONE,
        datetime(2025, 8, 20, 3, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2025, 8, 19, 21, tzinfo=timezone(-timedelta(hours=4))),
        pd.Timestamp("2025-08-20T01:00:00", tz="UTC"),
        pd.Timestamp("2025-08-20T10:00:00.000000999", tz="Asia/Tokyo"),
        pd.Series(pd.to_datetime(["2025-08-20T01:00:00Z"])).iloc[0],
        "2025-08-20T01:00:00Z",
        "2025-08-20 01:00+00:00",
        " 2025-08-20T03:00:00.000000+02:00\n",
        "20250820T010000Z",
        np.str_("2025-08-20T01:00:00Z"),
    ],
)
def test_every_aware_time_becomes_a_plain_datetime_in_utc(spelling: datetime | str) -> None:
    instant = utc(spelling, "timestamp")
    assert type(instant) is datetime
    assert instant.tzinfo is UTC
    assert instant == ONE


@given(MOMENTS)
def test_an_instant_stays_the_same_through_every_zone_and_its_own_text(moment: datetime) -> None:
    instant = utc(moment, "timestamp")
    assert instant == moment.astimezone(UTC)
    assert utc(iso(instant), "timestamp") == instant
    assert utc(compact(instant), "timestamp") == instant


def test_the_second_occurrence_of_a_repeated_hour_is_an_hour_later() -> None:
    first = datetime(2025, 10, 26, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert utc(first.replace(fold=1), "timestamp") - utc(first, "timestamp") == timedelta(hours=1)


class Undecided(tzinfo):
    """A zone without an offset from UTC, which the standard library allows."""

    def utcoffset(self, _moment: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    "naive",
    [
        "2025-08-20",
        "2025-08-20T01:00:00",
        datetime(2025, 8, 20, 1),  # noqa: DTZ001  # the rule
        datetime(2025, 8, 20, 1, tzinfo=Undecided()),
        pd.Timestamp("2025-08-20T01:00:00"),
    ],
)
def test_a_time_without_a_zone_is_refused_with_ways_to_add_one(naive: datetime | str) -> None:
    with pytest.raises(InvalidValue, match="2025-08-20") as refusal:
        utc(naive, "timestamp")
    assert (refusal.value.code, refusal.value.field) == ("no-time-zone", "timestamp")
    for cure in ("value.replace(tzinfo=datetime.UTC)", ".tz_localize('UTC')", "'Z'"):
        assert cure in str(refusal.value)


@pytest.mark.parametrize(
    "given",
    [None, True, b"2025", date(2025, 8, 20), pd.NaT, np.datetime64("2025-08-20"), [], 10**5000, float("nan")],
    ids=lambda given: type(given).__name__,
)
def test_a_value_that_is_not_a_time_is_refused(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        utc(given, "known_at")  # type: ignore[arg-type]
    assert (refusal.value.code, refusal.value.field) == ("invalid-time", "known_at")


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "\ud800", "2025-13-01T00:00Z", "2025-08-20T01:00:00Z\0", "\0", "9" * 5000),
        *("2025-08-20T24:00:00Z", " 2025-08-20 24:00Z", "20250820T240000Z", "2025W343T24Z", "2025-W34-3T24:00Z"),
    ],
)
def test_text_that_is_not_a_time_is_refused_in_a_short_error(text: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        utc(text, "known_at")
    assert (refusal.value.code, refusal.value.field) == ("invalid-time", "known_at")
    assert len(str(refusal.value)) < 240


@pytest.mark.parametrize(
    "text", ["2025-08-24T01:24:24Z", "20250824T012424Z", "2025-W34-7T01:24:24Z", "2025W347T012424+00:00"]
)
def test_a_24_that_is_not_the_hour_is_read(text: str) -> None:
    assert utc(text, "known_at") == datetime(2025, 8, 24, 1, 24, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2))),
        pd.Timestamp("0001-01-01T00:00", tz="Asia/Tokyo"),
        pd.Timestamp(np.datetime64("20000-01-01", "s")).tz_localize("UTC"),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1899, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(9000, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_a_time_outside_the_valid_years_is_refused(moment: datetime | str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        utc(moment, "timestamp")
    assert (refusal.value.code, refusal.value.field) == ("out-of-range", "timestamp")


@pytest.mark.parametrize(
    "number",
    [
        0,
        -1,
        1.5,
        45_889,
        20250820,
        202508200100,
        20250820010000,
        "20250820010000",
        10**10,
        -(10**9),
    ],
)
def test_a_number_that_may_be_a_date_or_is_out_of_range_is_refused(number: float | str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        utc(number, "time")
    assert (refusal.value.code, refusal.value.field) == ("out-of-range", "time")


def test_texts_of_an_instant_end_in_z_and_show_microseconds_only_if_there_are_any() -> None:
    fine = ONE.replace(microsecond=50)
    assert (iso(ONE), compact(ONE)) == ("2025-08-20T01:00:00Z", "20250820T010000Z")
    assert (iso(fine), compact(fine)) == ("2025-08-20T01:00:00.000050Z", "20250820T010000.000050Z")
    assert compact(datetime(1, 2, 3, tzinfo=UTC)) == "00010203T000000Z"
