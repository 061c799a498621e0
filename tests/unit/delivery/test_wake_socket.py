import asyncio
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from signalpost.delivery.wake_socket import Waker, WakeSocket
from signalpost.errors import StoreClosed

NAME = "outbox.bell"


async def _opened(folder: Path, on_wake: Callable[[], object]) -> WakeSocket:
    async def run(work: Callable[[], None]) -> None:
        work()

    return await WakeSocket.open(folder / NAME, on_wake, run)


Loop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def _woken(folder: Path, loop: Loop, *, times: int = 1) -> int:
    """How often the owner was woken by so many datagrams, one after the other."""

    async def scenario() -> int:
        count = 0
        came = asyncio.Event()

        def receive() -> None:
            nonlocal count
            count += 1
            came.set()

        wake_socket, waker = await _opened(folder, receive), Waker(folder / NAME)
        for _ in range(times):
            came.clear()
            waker.wake()
            async with asyncio.timeout(30):
                await came.wait()
        waker.close()
        await wake_socket.close()
        await wake_socket.close()
        return count

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(scenario())


@LOOPS
def test_the_owner_is_woken_each_time(tmp_path: Path, loop: Loop) -> None:
    assert _woken(tmp_path, loop, times=3) == 3
    assert list(tmp_path.iterdir()) == [], "the socket file is left behind"


@LOOPS
def test_a_path_too_long_for_a_socket_works_too(tmp_path: Path, loop: Loop) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20)
    folder.mkdir(parents=True)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert _woken(folder, loop, times=2) == 2
    assert len(list(Path("/proc/self/fd").iterdir())) <= before, "no descriptor is left open"


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
async def test_only_its_user_may_wake_it_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    wake_socket = await _opened(tmp_path, lambda: None)
    os.umask(before)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    await wake_socket.close()


async def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(tmp_path / NAME))
    left.close()
    came = asyncio.Event()
    wake_socket, waker = await _opened(tmp_path, came.set), Waker(tmp_path / NAME)
    waker.wake()
    async with asyncio.timeout(30):
        await came.wait()
    waker.close()
    await wake_socket.close()


async def test_simultaneous_wake_ups_count_once_and_foreign_datagrams_do_no_harm(tmp_path: Path) -> None:
    wake_ups: list[None] = []
    came = asyncio.Event()
    wake_socket, waker = await _opened(tmp_path, lambda: (wake_ups.append(None), came.set())), Waker(tmp_path / NAME)
    for _ in range(50):
        waker.wake()
    async with asyncio.timeout(30):
        await came.wait()
    assert len(wake_ups) == 1
    foreign = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for datagram in (b"", b"\xff" * 9_000, b'{"destinations": ["signals-free"]}'):
        came.clear()
        foreign.sendto(datagram, str(tmp_path / NAME))
        async with asyncio.timeout(30):
            await came.wait()
    foreign.close()
    waker.close()
    await wake_socket.close()


async def test_a_wake_up_without_a_listener_neither_waits_nor_fails(tmp_path: Path) -> None:
    waker = Waker(tmp_path / NAME)
    waker.wake()
    await asyncio.sleep(0)
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    deaf.bind(str(tmp_path / NAME))
    for _ in range(2_000):  # far more than a socket keeps
        waker.wake()
        await asyncio.sleep(0)
    deaf.close()
    waker.wake()
    await asyncio.sleep(0)
    waker.close()


async def test_a_socket_that_cannot_be_made_only_causes_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).mkdir()
    wake_socket = await _opened(tmp_path, lambda: None)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert NAME in record.getMessage()
    await wake_socket.close()


async def test_closing_leaves_the_socket_of_a_successor(tmp_path: Path) -> None:
    old, new = await _opened(tmp_path, lambda: None), await _opened(tmp_path, lambda: None)
    await old.close()
    assert (tmp_path / NAME).exists()
    await new.close()
    assert not (tmp_path / NAME).exists()


async def test_a_failed_start_leaves_no_socket_open(tmp_path: Path) -> None:
    async def closed(_: Callable[[], None]) -> None:
        raise StoreClosed("the outbox is closed")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StoreClosed):
        await WakeSocket.open(tmp_path / NAME, lambda: None, closed)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
