from datetime import UTC, datetime, timedelta

import pytest

from signalpost.delivery.dispatch.lane_memory import gone_fact, gone_for, pace, pace_fact
from signalpost.delivery.pacing.pacer import PaceMemory

NOW = datetime(2025, 8, 20, 5, tzinfo=UTC)
KEPT = PaceMemory((40.0, 0.5), 30.0)
NOTHING = PaceMemory((), 0.0)


def test_why_a_destination_is_gone_is_kept_until_it_is_forgotten() -> None:
    assert gone_for({}) is None
    assert gone_for(gone_fact("unknown webhook")) == "unknown webhook"
    assert gone_fact(None) == {"disabled": b""}


@pytest.mark.parametrize("unreadable", [b"true", b"\xff", b"{"])
def test_what_cannot_be_read_still_means_that_a_destination_is_disabled(unreadable: bytes) -> None:
    assert gone_for({"disabled": unreadable}) == "a person or another version disabled it"


def test_the_pace_grows_older_with_the_time_that_passes() -> None:
    assert pace(pace_fact(KEPT, NOW), NOW) == KEPT
    assert pace(pace_fact(KEPT, NOW), NOW + timedelta(seconds=10)) == PaceMemory((50.0, 10.5), 20.0)
    assert pace(pace_fact(KEPT, NOW), NOW + timedelta(hours=1)).held_for == 0.0


def test_where_the_clock_was_put_back_waits_keep_their_length() -> None:
    assert pace(pace_fact(KEPT, NOW), NOW - timedelta(hours=1)) == KEPT


@pytest.mark.parametrize("unreadable", [b"{}", b"[", b'{"at":"2025-08-20T05:00:00","ages":[],"held_for":1}', b"\xff"])
def test_a_pace_that_cannot_be_read_is_none(unreadable: bytes) -> None:
    assert pace({"pace": unreadable}, NOW) == NOTHING
    assert pace({}, NOW) == NOTHING
