"""A command that fails for a reason of its own fails alone; a failing store fails all commands. On a real file."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from signalpost.delivery.outbox.commands import Command, Find, LoadFacts, Put, SaveFacts, Stats, Subject
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.delivery import DeliveryState
from signalpost.errors import StoreFailed
from signalpost.testing.outbox_samples import LANE, new, notification
from tests.tmpfs import with_connection
from tests.until import until

UNSTORABLE = [
    SaveFacts(Subject("a destination"), {"\ud800": b"{}"}),
    SaveFacts(Subject("a destination"), {"name": object()}),  # type: ignore[dict-item]  # SQLite has no type for this value
    Put((new(notification("twice"), 0, LANE, LANE),)),
]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[SqliteCore]:
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    db.execute("PRAGMA synchronous=OFF")
    yield core
    core.close()


async def _together(core: SqliteCore, outbox: ThreadedOutbox, commands: list[Command[Any]]) -> list[Any]:
    """The answers to commands of one batch: all arrive while another command is executed."""
    apply, began = core.apply, threading.Event()

    def noted(batch: Sequence[Command[Any]]) -> list[Any]:
        began.set()
        return apply(batch)

    core.pause()
    with patch.object(core, "apply", noted):
        first = asyncio.create_task(outbox.do(Stats()))
        await until(began.is_set)
    tasks = [asyncio.create_task(outbox.do(command)) for command in commands]
    await asyncio.sleep(0)
    core.resume()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait([first])
    return answers


@pytest.mark.parametrize("bad", UNSTORABLE)
@pytest.mark.parametrize("place", [0, 3, 6])
async def test_a_failing_command_does_not_fail_its_neighbours(core: SqliteCore, bad: Command[Any], place: int) -> None:
    outbox = ThreadedOutbox(core)
    commands: list[Command[Any]] = [Put((new(notification(f"0{number}")),)) for number in range(6)]
    commands.insert(place, bad)
    answers = await _together(core, outbox, commands)
    failed = [number for number, answer in enumerate(answers) if isinstance(answer, Exception)]
    assert failed == [place]
    counts = await outbox.do(Stats())
    assert counts == {(LANE, DeliveryState.PENDING): 6}
    found = await outbox.do(Find())
    assert [each.delivery.id.notification_id for each in found] == [f"0{number}" for number in (5, 4, 3, 2, 1, 0)]
    await outbox.close()


async def test_a_programming_error_is_not_reported_as_a_failed_store_and_is_logged_with_its_frames(
    core: SqliteCore, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = ThreadedOutbox(core)
    fault = (await asyncio.gather(outbox.do(UNSTORABLE[1]), return_exceptions=True))[0]
    assert getattr(fault, "code", None) == "command-failed"
    assert not isinstance(fault, StoreFailed)
    assert "verbs.py:" in caplog.text
    assert " _save_facts" in caplog.text
    await outbox.close()


async def test_several_failing_commands_are_found_and_the_others_are_executed(core: SqliteCore) -> None:
    outbox = ThreadedOutbox(core)
    good: list[Command[Any]] = [SaveFacts(Subject(LANE), {str(number): b"1"}) for number in range(20)]
    mixed = [command for pair in zip(good, UNSTORABLE * 7, strict=False) for command in pair]
    answers = await _together(core, outbox, mixed)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True] * 20
    assert len(await outbox.do(LoadFacts(Subject(LANE)))) == 20
    await outbox.close()


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), MemoryError()])
async def test_a_failing_disk_or_machine_fails_the_whole_batch(
    core: SqliteCore, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    outbox = ThreadedOutbox(core)
    commands: list[Command[Any]] = [Put((new(notification(f"0{number}")),)) for number in range(4)]

    def fail() -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(core, "check_in_place", fail)
        answers = await asyncio.gather(*map(outbox.do, commands), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreFailed] * 4
    assert await outbox.do(Stats()) == {}
    await outbox.close()
