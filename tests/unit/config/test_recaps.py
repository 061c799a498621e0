"""The recaps of a destination: which it gets, and when their days end."""

from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from signalpost.domain.recap import RecapDays, Recurrence
from tests.unit.config.test_fallbacks import text
from tests.unit.config.test_own_destinations import read


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_destination_gets_the_recaps_that_are_set_for_it() -> None:
    free = 'recaps = ["weekly", "daily", "daily"]\nrecap_timezone = "America/New_York"\nrecap_hour = 17'
    config = read(text(signals_free=free, signals_premium='recaps = ["weekly"]'))
    first, second, third = config.destinations[:3]
    assert (first.recaps, first.recap_days) == (
        (Recurrence.DAILY, Recurrence.WEEKLY),
        RecapDays("America/New_York", 17),
    )
    assert (second.recaps, second.recap_days) == ((Recurrence.WEEKLY,), RecapDays("UTC", 0))
    assert third.recaps == ()


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ('recaps = ["monthly"]', "unknown-word", "recaps"),
        ("recaps = [1]", "unknown-word", "recaps"),
        ('recaps = "daily"', "unknown-word", "recaps"),
        ('recap_timezone = "New York"', "unknown-word", "recap_timezone"),
        ("recap_hour = 24", "out-of-range", "recap_hour"),
        ('recap_hour = "5"', "wrong-kind", "recap_hour"),
    ],
)
def test_an_invalid_recap_is_a_fault(line: str, code: str, field: str) -> None:
    with pytest.raises(InvalidConfiguration) as error:
        read(text(signals_free=line))
    (fault,) = error.value.errors
    assert (fault.code, fault.field) == (code, f"destinations.signals-free.{field}")


def warned(config: Config) -> set[str]:
    names = ("signals-free", "spare", "low", "community")
    return {name for name in names for each in config.warnings if each.startswith(f"{name} shows")}


def test_a_destination_without_signals_is_warned_about() -> None:
    daily = 'recaps = ["daily"]'
    assert warned(read(text(signals_free=daily, low=daily))) == set()
    assert warned(read(text(community=daily, spare=daily))) == {"community", "spare"}
    spare = f'{daily}\nfallbacks = ["spare"]'
    assert warned(read(text(signals_free=spare, spare=daily))) == set()
