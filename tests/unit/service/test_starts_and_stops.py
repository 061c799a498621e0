"""Concurrent starts and stops of a service, and starts and stops that are cancelled."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, Self

import pytest

from signalpost import AsyncNotificationService, Config, Role, StoreUnusable
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.lock import is_held
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.events import SendBegan
from signalpost.errors import StoreClosed
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from signalpost.service import once, run
from signalpost.service.once import open_store
from signalpost.service.run import Run
from signalpost.sinks.discord.service import DiscordService
from tests.unit.service.conftest import ConfigFor, shown, signal


def own_tasks() -> list[str]:
    """Names of signalpost's tasks on this loop."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("signalpost")]


def owned(config: Config) -> bool:
    return is_held(config.home / f"{STORE_FILE}.lock")


async def until_set(event: Event) -> None:
    assert await asyncio.to_thread(event.wait, 10)


class Disk:
    """A slow disk: a store opens only once `may_go_on` is set."""

    def __init__(self) -> None:
        self.begun = Event()
        self.may_go_on = Event()
        self.opened = Event()
        self.closed = Event()

    def core(self, path: Path, *, owns: bool | None) -> "SlowCore":
        self.begun.set()
        assert self.may_go_on.wait(10)
        core = SlowCore(path, owns=owns)
        core.closed = self.closed
        self.opened.set()
        return core


class SlowCore(SqliteCore):
    closed: Event

    def close(self) -> None:
        super().close()
        self.closed.set()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(once, "SqliteCore", disk.core)
    yield disk
    disk.may_go_on.set()


async def cut_off(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_start_that_is_cut_off_while_the_store_opens_leaves_nothing_and_the_next_owns_the_folder(
    sandbox: Sandbox, config_for: ConfigFor, disk: Disk
) -> None:
    service = AsyncNotificationService(config_for())
    start = asyncio.create_task(service.start())
    await until_set(disk.begun)
    await cut_off(start)
    again = asyncio.create_task(service.start())
    await asyncio.sleep(0)
    disk.may_go_on.set()
    await again
    assert service.role is Role.OWNER
    await service.queue_notification(signal())
    assert await service.drain(30) == []
    assert len(shown(sandbox, "signals-free")) == 1
    await service.stop()
    assert (owned(service.config), own_tasks()) == (False, [])


async def test_a_start_that_is_cut_off_and_not_repeated_lets_go_of_the_folder(
    config_for: ConfigFor, disk: Disk
) -> None:
    service = AsyncNotificationService(config_for())
    start = asyncio.create_task(service.start())
    await until_set(disk.begun)
    await cut_off(start)
    disk.may_go_on.set()
    await until_set(disk.closed)
    assert not owned(service.config)
    assert await service.stop() == []
    assert (service.role, own_tasks()) == (None, [])


async def test_a_start_whose_clean_up_is_cut_off_as_well_is_cleaned_up_by_the_thread(
    config_for: ConfigFor, disk: Disk
) -> None:
    home = config_for().home
    home.mkdir()
    start = asyncio.create_task(open_store(home / STORE_FILE, owns=None))
    await until_set(disk.begun)
    start.cancel()
    await asyncio.sleep(0)
    await cut_off(start)
    disk.may_go_on.set()
    await until_set(disk.closed)
    assert not owned(config_for())


async def test_a_store_that_opened_just_before_the_start_was_cut_off_is_closed(
    config_for: ConfigFor, disk: Disk
) -> None:
    home = config_for().home
    home.mkdir()
    start = asyncio.create_task(open_store(home / STORE_FILE, owns=None))
    await until_set(disk.begun)
    disk.may_go_on.set()
    assert disk.opened.wait(10)  # without a turn for the loop, which therefore does not know yet
    await cut_off(start)
    assert disk.closed.is_set()


@pytest.mark.parametrize("rounds", range(1, 40, 3))
async def test_a_start_that_is_cut_off_anywhere_leaves_nothing_and_the_next_owns_the_folder(
    rounds: int, config_for: ConfigFor
) -> None:
    service = AsyncNotificationService(config_for())
    start = asyncio.create_task(service.start())
    for _ in range(rounds):
        await asyncio.sleep(0)
    start.cancel()
    await asyncio.wait([start])
    await service.stop()
    assert (owned(service.config), own_tasks()) == (False, [])
    await service.start()
    assert service.role is Role.OWNER
    await service.stop(0)


async def test_a_start_that_fails_at_its_last_step_leaves_nothing_open(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[DiscordService] = []

    class Noted(DiscordService):
        async def close(self) -> None:
            await super().close()
            closed.append(self)

    fault = OSError("too many open files")

    def no_more_files(*_: object) -> None:
        raise fault

    monkeypatch.setattr("signalpost.service.lanes.DiscordService", Noted)
    monkeypatch.setattr(run.WakeSocket, "open", no_more_files)
    service = AsyncNotificationService(config_for())
    with pytest.raises(OSError) as raised:  # noqa: PT011  # the same object
        await service.start()
    assert raised.value is fault
    assert (owned(service.config), own_tasks(), len(closed)) == (False, [], 1)


@pytest.mark.parametrize(
    ("part", "fault"), [("Waker", OSError("too many open files")), ("ThreadedOutbox", RuntimeError("no thread left"))]
)
async def test_a_start_without_a_socket_or_a_thread_left_closes_the_store(
    part: str,
    fault: Exception,
    config_for: ConfigFor,
    connections: list[sqlite3.Connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(*_: object) -> None:
        raise fault

    monkeypatch.setattr(run, part, none_left)
    service = AsyncNotificationService(config_for())
    with pytest.raises(type(fault)) as raised:
        await service.start()
    assert (raised.value is fault, owned(service.config), own_tasks()) == (True, False, [])
    with pytest.raises(sqlite3.ProgrammingError):
        connections[-1].execute("SELECT 1")


async def test_concurrent_starts_are_one_start(sandbox: Sandbox, config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    await asyncio.gather(*(service.start() for _ in range(3)))
    assert service.role is Role.OWNER
    await service.queue_notification(signal())
    assert await service.drain(30) == []
    await service.stop()
    assert (owned(service.config), own_tasks()) == (False, [])
    assert len(shown(sandbox, "signals-free")) == 1


async def test_concurrent_starts_share_one_error(config_for: ConfigFor, disk: Disk) -> None:
    config = config_for()
    config.home.mkdir()
    (config.home / STORE_FILE).write_bytes(b"damaged " * 1_000)
    service = AsyncNotificationService(config)
    starts = [asyncio.create_task(service.start()) for _ in range(2)]
    await until_set(disk.begun)
    disk.may_go_on.set()
    faults = await asyncio.gather(*starts, return_exceptions=True)
    assert [type(fault) for fault in faults] == [StoreUnusable] * 2
    assert faults[0] is faults[1], "it was tried once"


async def test_a_start_goes_on_while_one_caller_still_waits(config_for: ConfigFor, disk: Disk) -> None:
    service = AsyncNotificationService(config_for())
    one, other = (asyncio.create_task(service.start()) for _ in range(2))
    await until_set(disk.begun)
    await cut_off(one)
    disk.may_go_on.set()
    await other
    assert service.role is Role.OWNER
    await service.stop()


async def test_a_start_that_ends_as_its_starter_is_cut_off_is_undone(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[asyncio.Task[None]] = []

    class Late(Run):
        @classmethod
        async def begin(cls, *arguments: Any, **named: Any) -> Self:
            running = await super().begin(*arguments, **named)
            starts[0].cancel()
            return running

    monkeypatch.setattr("signalpost.service.run.Run", Late)
    service = AsyncNotificationService(config_for())
    starts.append(asyncio.create_task(service.start()))
    with pytest.raises(asyncio.CancelledError):
        await starts[0]
    assert service.role is None
    await service.stop()
    assert (owned(service.config), own_tasks()) == (False, [])


async def test_one_of_two_starters_that_is_cut_off_when_the_other_has_it_undoes_nothing(
    config_for: ConfigFor, disk: Disk
) -> None:
    service = AsyncNotificationService(config_for())
    one = asyncio.create_task(service.start())
    other = asyncio.create_task(service.start())
    one.add_done_callback(lambda _: other.cancel())
    await until_set(disk.begun)
    disk.may_go_on.set()
    await asyncio.wait([one, other])
    assert service.role is Role.OWNER
    await service.stop()


async def test_a_stop_cancels_a_start_and_the_caller_gets_an_error(config_for: ConfigFor, disk: Disk) -> None:
    service = AsyncNotificationService(config_for())
    start = asyncio.create_task(service.start())
    await until_set(disk.begun)
    assert await service.stop(0) == []
    disk.may_go_on.set()
    with pytest.raises(StoreClosed) as refused:
        await start
    assert refused.value.code == "not-running"
    await until_set(disk.closed)
    assert (service.role, owned(service.config)) == (None, False)


class Sending:
    """A service whose first message hangs for a minute, because Discord does not answer."""

    def __init__(self, sandbox: Sandbox, config: Config) -> None:
        sandbox.discord.faults.plan(Fault(webhook="signals-free", seconds_before=60, is_processed=False))
        self._began = asyncio.Event()
        self.service = AsyncNotificationService(config, listeners=[self._note])

    def _note(self, event: object) -> None:
        if isinstance(event, SendBegan):
            self._began.set()

    async def begin(self) -> str:
        await self.service.start()
        ticket = await self.service.queue_notification(signal())
        await self._began.wait()
        return ticket.id


@pytest.mark.parametrize("rounds", [1, 2, 5, 40])
async def test_a_stop_that_is_cut_off_closes_all_the_same_and_a_second_stop_waits_for_it(
    rounds: int, sandbox: Sandbox, config_for: ConfigFor
) -> None:
    sending = Sending(sandbox, config_for())
    ticket = await sending.begin()
    service = sending.service
    stop = asyncio.create_task(service.stop(None))
    for _ in range(rounds):
        await asyncio.sleep(0)
    await cut_off(stop)
    async with asyncio.timeout(10):
        left = await service.stop(None)
    assert [(each.id.notification_id, each.state) for each in left] == [(ticket, "pending")]
    assert (owned(service.config), own_tasks()) == (False, [])
    assert await service.stop() == []


async def test_a_stop_that_is_cut_off_is_finished_by_the_next_start(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sending = Sending(sandbox, config_for())
    ticket = await sending.begin()
    service = sending.service
    stop = asyncio.create_task(service.stop(None))
    await asyncio.sleep(0)
    await cut_off(stop)
    sandbox.discord.faults.clear()
    await service.start()
    assert service.role is Role.OWNER
    assert await service.drain(30) == []
    (delivery,) = await service.deliveries(ticket)
    assert delivery.state == "delivered"
    await service.stop()
    assert (owned(service.config), own_tasks()) == (False, [])


async def test_a_second_stop_with_less_patience_cuts_the_first_short(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sending = Sending(sandbox, config_for())
    ticket = await sending.begin()
    first = asyncio.create_task(sending.service.stop(None))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        left = await sending.service.stop(0)
        assert await first == left
    assert [each.id.notification_id for each in left] == [ticket]
    assert (owned(sending.service.config), own_tasks()) == (False, [])


def test_a_loop_that_ends_while_a_service_stops_lets_go_of_the_folder(tmp_path: Path) -> None:
    config = Config(home=tmp_path, destinations=(), host_rate=None)

    async def end_meanwhile() -> None:
        service = AsyncNotificationService(config)
        await service.start()
        stopping = asyncio.create_task(service.stop())
        await asyncio.sleep(0)
        assert not stopping.done()

    asyncio.run(end_meanwhile())
    assert not owned(config)
