"""A command ends in time although the disk hangs."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from signalpost.cli.loop import run
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.service import once
from tests.surface.errors import Facts
from tests.unit.cli.folder import Folder
from tests.unit.cli.test_publication import ALERT, GONE

Hang = Callable[..., None]


@pytest.fixture
def hang() -> Iterator[Hang]:
    """Hangs until the test has ended."""
    goes_on = threading.Event()

    def wait(*_: object, **__: object) -> None:
        goes_on.wait(60)

    yield wait
    goes_on.set()


def test_a_file_call_that_hangs_does_not_keep_a_command_from_ending(hang: Hang) -> None:
    async def begin() -> str:
        asyncio.get_running_loop().run_in_executor(None, hang)
        return "ended"

    assert run(begin()) == "ended"


def test_a_publish_gives_up_on_a_store_that_does_not_open(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, hang: Hang
) -> None:
    monkeypatch.setattr("signalpost.cli.publication._STORE_ANSWERS_WITHIN", 0.1)
    monkeypatch.setattr(once, "SqliteCore", hang)
    assert folder.refused(*ALERT, "--timeout", "0.1", **GONE) == (3, [Facts("timeout")])


def test_a_publish_gives_up_on_a_store_that_hangs(folder: Folder, monkeypatch: pytest.MonkeyPatch, hang: Hang) -> None:
    monkeypatch.setattr("signalpost.cli.publication._STORE_ANSWERS_WITHIN", 1.0)
    monkeypatch.setattr("signalpost.service.run._STORE_CLOSES_WITHIN", 0.1)
    accept = Intake.accept

    async def accept_and_hang(*arguments: object, **named: object) -> object:
        ticket = await accept(*arguments, **named)  # type: ignore[arg-type]
        monkeypatch.setattr(SqliteCore, "apply", hang)
        return ticket

    monkeypatch.setattr(Intake, "accept", accept_and_hang)
    exit_code, (fault,) = folder.refused(*ALERT, "--timeout", "0.1", **GONE)
    assert (exit_code, fault.code) == (3, "timeout")


async def test_a_stopping_serve_does_not_wait_for_a_store_that_does_not_open() -> None:
    from signalpost.cli.serve import _has_started

    class Opening:
        async def start(self) -> None:
            await asyncio.Event().wait()

    class Started:
        async def start(self) -> None:
            """Start at once."""

    class Broken:
        async def start(self) -> None:
            raise OSError("no")

    stopped = asyncio.Event()
    assert await _has_started(Started(), stopped)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="no"):
        await _has_started(Broken(), stopped)  # type: ignore[arg-type]
    stopped.set()
    assert not await _has_started(Opening(), stopped)  # type: ignore[arg-type]
