from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from signalpost import NotificationPriority
from signalpost.delivery.rank import rank_of

URGENT, HIGH, NORMAL, LOW = reversed(NotificationPriority)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_the_rank_is_the_instant_in_microseconds_for_high() -> None:
    assert rank_of(HIGH, NOON) == int(NOON.timestamp()) * 10**6
    assert rank_of(HIGH, NOON + timedelta(microseconds=1)) == rank_of(HIGH, NOON) + 1


def test_high_overtakes_normal_for_five_minutes_and_low_for_an_hour() -> None:
    assert rank_of(NORMAL, NOON) == rank_of(HIGH, NOON + timedelta(minutes=5))
    assert rank_of(LOW, NOON) == rank_of(HIGH, NOON + timedelta(hours=1))


@given(st.sampled_from([HIGH, NORMAL, LOW]), st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_urgent_leaves_before_all_others_of_its_century(
    other: NotificationPriority, one: datetime, two: datetime
) -> None:
    if abs(one - two) < timedelta(days=36_500):
        assert rank_of(URGENT, one) < rank_of(other, two)
