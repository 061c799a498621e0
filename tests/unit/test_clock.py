from datetime import UTC, datetime, timedelta, timezone

import pytest

from signalpost import InvalidValue, clock
from signalpost.system_clock import SystemClock
from signalpost.testing.manual_clock import ManualClock
from tests.surface.errors import Facts, facts_of

FIVE = datetime(2025, 8, 20, 5, tzinfo=UTC)


def test_importing_the_package_installs_the_machines_clock() -> None:
    with ManualClock(FIVE) as manual:
        installed = clock.install(manual)
        assert installed is manual
    before = clock.install(None)
    clock.install(before)
    assert isinstance(before, SystemClock)


def test_the_machines_clock_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_now_without_a_clock_fails_with_advice() -> None:
    before = clock.install(None)
    try:
        with pytest.raises(RuntimeError, match=r"signalpost\.clock\.install"):
            clock.now()
    finally:
        clock.install(before)


def test_install_returns_the_previous_clock() -> None:
    first, second = ManualClock(FIVE), ManualClock("2030-01-01T00:00:00Z")
    with first:
        assert clock.install(second) is first
        assert clock.now() == second.now()


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    with ManualClock(FIVE) as manual:
        assert clock.now() == clock.now() == FIVE
        manual.advance(timedelta(hours=4))
        assert clock.now() == datetime(2025, 8, 20, 9, tzinfo=UTC)
        manual.set("2020-01-01T01:00:00+01:00")
        assert clock.now() == datetime(2020, 1, 1, tzinfo=UTC)
        assert clock.now().tzinfo is UTC


def test_a_manual_clock_starts_in_utc_and_refuses_a_time_without_a_zone() -> None:
    assert ManualClock(datetime(2025, 8, 20, 7, tzinfo=timezone(timedelta(hours=2)))).now() == FIVE
    for use in (ManualClock, ManualClock(FIVE).set):
        with pytest.raises(InvalidValue) as refusal:
            use("2025-08-20T05:00:00")
        assert facts_of(refusal.value) == [Facts("no-time-zone", "at", "2025-08-20T05:00:00")]


def test_leaving_a_manual_clock_restores_the_previous_one_even_after_an_error() -> None:
    outer, inner = ManualClock(FIVE), ManualClock("2030-01-01T00:00:00Z")
    with outer:
        with pytest.raises(ZeroDivisionError), inner:
            _ = 1 // (clock.now() != inner.now())
        assert clock.now() == FIVE
        with inner, outer, inner:
            assert clock.now() == inner.now()
        assert clock.now() == FIVE
