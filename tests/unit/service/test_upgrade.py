"""A data folder of version 1 works on, and a clock that is wrong deletes nothing from it."""

import json
import shutil
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from signalpost import AsyncNotificationService, Outcome, Signal
from signalpost.cli import main
from signalpost.delivery.outbox.commands import Find, Stats
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryState
from signalpost.testing.manual_clock import ManualClock
from tests.unit.service.conftest import ConfigFor

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "store-v1"
CONTENTS = json.loads((FIXTURE / "contents.json").read_text(encoding="utf-8"))
NOW = "2026-03-02T12:06:00Z"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(FIXTURE / "home" / "outbox.db", home)
    return home


def known(**fields: Any) -> Signal:
    """A signal that the fixture holds: accepted for the free tier, and leased when its process ended."""
    usual = {"pair": "EURUSD", "timeframe": "H1", "signal_type": "BUY", "entry_price": "1.1634", "stop_loss": "1.16"}
    name = "ma-unified:EUR_USD:H1:BUY:20260302T120000Z"
    return Signal(**{**usual, "take_profit": "1.17", "timestamp": "2026-03-02T12:00:00Z", "signal_id": name, **fields})


def checked(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(home.parent)
    result = CliRunner().invoke(main, ["check", "--json", "--home", str(home)])
    return json.loads(result.stdout)


def test_the_folder_opens_with_a_copy_of_the_old_store(home: Path) -> None:
    core = SqliteCore(home / "outbox.db")
    (counts, found) = core.apply([Stats(), Find(limit=1_000)])
    core.close()
    states: dict[str, int] = {}
    for (_, state), count in counts.items():
        states[state.value] = states.get(state.value, 0) + count
    assert states == CONTENTS["states"]
    assert set(states) == {state.value for state in DeliveryState}
    assert len(found) == CONTENTS["rows"]["delivery"]
    assert (home / "outbox.db.v1").is_file()


def test_check_shows_the_version_before_and_after(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(home, monkeypatch).get("store") == {"version": 1, "migrated_from": None}
    SqliteCore(home / "outbox.db").close()
    after = checked(home, monkeypatch).get("store")
    assert after["migrated_from"] == 1
    assert after["version"] > 1


def test_check_shows_no_version_of_a_store_that_is_missing_or_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked(tmp_path, monkeypatch)["store"] is None
    (tmp_path / "outbox.db").write_bytes(b"notes of a trader\n" * 99)
    found = checked(tmp_path, monkeypatch)
    assert (found["store"], [each["code"] for each in found["errors"]]) == (None, ["not-a-database"])


def test_commands_that_only_read_read_the_old_version_and_leave_it_as_it_is(home: Path) -> None:
    path = home / "outbox.db"
    before = path.read_bytes()
    reader = SqliteReader(path)
    (found,) = reader.apply([Find(limit=1_000)])
    assert len(found) == CONTENTS["rows"]["delivery"]
    reader.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("fields", "tier", "outcome"),
    [
        ({}, None, Outcome.DUPLICATE),
        ({"signal_id": None}, None, Outcome.DUPLICATE),
        ({}, "premium", Outcome.ACCEPTED),
        ({"notes": "a field that the old version counted"}, None, Outcome.DUPLICATE),
    ],
    ids=["the same", "with an id that is derived in another way", "for another tier", "with a hash of the old version"],
)
async def test_a_signal_of_the_old_version_is_known(
    home: Path, config_for: ConfigFor, fields: dict[str, Any], tier: str | None, outcome: Outcome
) -> None:
    """The first is the base of the others: it was right before."""
    with ManualClock(NOW):
        async with AsyncNotificationService(config_for()) as service:
            ticket = await service.queue_notification(known(**fields), user_tier=tier)
            again = await service.queue_notification(known(), user_tier="premium")
            await service.stop(timeout=0.5)
    assert (ticket.outcome, again.outcome) == (
        outcome,
        Outcome.DUPLICATE if outcome is Outcome.ACCEPTED else Outcome.ACCEPTED,
    )


def test_there_is_one_store() -> None:
    assert find_spec("signalpost.delivery.outbox.memory") is None


async def test_a_clock_that_is_a_year_ahead_at_a_start_deletes_neither_history_nor_keys(config_for: ConfigFor) -> None:
    with ManualClock(NOW) as clock:
        async with AsyncNotificationService(config_for()) as service:
            first = await service.queue_notification(known())
            await service.drain(5)
        clock.advance(timedelta(days=365))
        async with AsyncNotificationService(config_for()) as service:
            for _ in range(20):
                await service.deliveries(first.id)  # so that what is done at a start had its turn
            ahead = await service.queue_notification(known())
        clock.set(NOW)
        async with AsyncNotificationService(config_for()) as service:
            again = await service.queue_notification(known())
            kept = await service.deliveries(first.id)
    assert (ahead.outcome, again.outcome, again.id) == (Outcome.DUPLICATE, Outcome.DUPLICATE, first.id)
    assert len(kept) == 1
