"""A command ends in time although the disk hangs."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signalpost.cli import main
from signalpost.cli.loop import run
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.service import AsyncNotificationService, once
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
    from signalpost.cli.serve import _start

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
    assert await _start(Started(), stopped)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="no"):
        await _start(Broken(), stopped)  # type: ignore[arg-type]
    stopped.set()
    assert not await _start(Opening(), stopped)  # type: ignore[arg-type]


def test_a_serve_stopped_before_its_store_is_open_claims_no_open_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def opening(_: AsyncNotificationService) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr(AsyncNotificationService, "start", opening)
    monkeypatch.setattr("signalpost.cli.standard_streams.never_block_on_output", lambda: None)
    monkeypatch.setattr("signalpost.cli.logs.write_logs", lambda: None)
    monkeypatch.setattr("signalpost.cli.serve.raise_open_file_limit", lambda: None)
    monkeypatch.setattr("sys.setswitchinterval", lambda _: None)
    with pytest.raises(SystemExit) as stopped:
        main.main(["serve", "--http", "off", "--home", str(tmp_path)], standalone_mode=False)
    assert stopped.value.code == 1
    assert not any(letter.isdigit() for letter in capsys.readouterr().err), "no number of deliveries"
