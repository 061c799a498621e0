"""The wall clock is believed once it and the boot clock have agreed for an hour."""

from datetime import UTC, datetime, timedelta

import pytest

from signalpost.service.retention import ENOUGH, Agreement, from_fact, to_fact

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_agreement_adds_up_to_an_hour() -> None:
    agreement = Agreement(START, 100.0)
    for look in range(1, 13):
        assert not agreement.is_enough
        agreement = agreement.later(_at(300 * look), 100.0 + 300 * look)
    assert agreement.is_enough
    assert agreement.later(_at(9_000), 9_100.0).seconds == ENOUGH


@pytest.mark.parametrize("step", [-3_600, -11, 11, 3_600, 365 * 86_400])
def test_a_step_within_a_run_begins_the_hour_anew(step: int) -> None:
    assert Agreement(START, 0.0, ENOUGH).later(_at(300 + step), 300.0).seconds == 0


@pytest.mark.parametrize(
    ("wall", "boot", "seconds"),
    [
        (10 * 86_400, 10 * 86_400.0, ENOUGH),  # confirmed by the boot clock
        (31 * 86_400, 31 * 86_400.0, 0.0),  # too long, whatever the boot clock shows
        (3_600, -500.0, ENOUGH),  # after a reboot
        (2 * 86_400, -500.0, 0.0),  # after a reboot, and ahead by days
        (365 * 86_400, 60.0, 0.0),  # set ahead
        (-3_600, 60.0, 0.0),  # set back
    ],
)
def test_the_next_run_continues_only_if_the_time_between_is_plausible(wall: int, boot: float, seconds: float) -> None:
    assert Agreement(START, 0.0, ENOUGH).next_run(_at(wall), boot) == Agreement(_at(wall), boot, seconds)


def test_it_is_saved_as_a_fact() -> None:
    agreement = Agreement(START, 1.5, 7.0)
    assert from_fact(to_fact(agreement)) == agreement
    assert from_fact(None) is None
    assert from_fact(b"{}") is None


@pytest.mark.parametrize(
    "fact",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"wall": "\xff", "boot": 1}',
        b'{"wall": "2026-03-02T12:00:00", "boot": 1, "seconds": 3600}',
    ],
)
def test_a_damaged_fact_counts_as_none(fact: bytes) -> None:
    assert from_fact(fact) is None
