import asyncio
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from signalpost.delivery.doorbell import Doorbell, Ringer
from signalpost.errors import StoreClosed

BELL = "outbox.bell"


async def _hung(folder: Path, on_ring: Callable[[], object]) -> Doorbell:
    async def run(work: Callable[[], None]) -> None:
        work()

    return await Doorbell.hung(folder / BELL, on_ring, run)


Loop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def _rung(folder: Path, loop: Loop, *, times: int = 1) -> int:
    """How often the owner was told, of so many rings one after the other."""

    async def scenario() -> int:
        heard = 0
        came = asyncio.Event()

        def hear() -> None:
            nonlocal heard
            heard += 1
            came.set()

        bell, ringer = await _hung(folder, hear), Ringer(folder / BELL)
        for _ in range(times):
            came.clear()
            ringer.ring()
            async with asyncio.timeout(30):
                await came.wait()
        ringer.close()
        await bell.close()
        await bell.close()
        return heard

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(scenario())


@LOOPS
def test_the_owner_is_woken_by_each_ring(tmp_path: Path, loop: Loop) -> None:
    assert _rung(tmp_path, loop, times=3) == 3
    assert list(tmp_path.iterdir()) == [], "the socket file is left behind"


@LOOPS
def test_a_path_too_long_for_a_socket_works_too(tmp_path: Path, loop: Loop) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20)
    folder.mkdir(parents=True)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert _rung(folder, loop, times=2) == 2
    assert len(list(Path("/proc/self/fd").iterdir())) <= before, "no descriptor is left open"


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
async def test_only_its_user_may_ring_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    bell = await _hung(tmp_path, lambda: None)
    os.umask(before)
    assert (tmp_path / BELL).stat().st_mode & 0o777 == 0o600
    await bell.close()


async def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(tmp_path / BELL))
    left.close()
    came = asyncio.Event()
    bell, ringer = await _hung(tmp_path, came.set), Ringer(tmp_path / BELL)
    ringer.ring()
    async with asyncio.timeout(30):
        await came.wait()
    ringer.close()
    await bell.close()


async def test_simultaneous_rings_count_once_and_foreign_datagrams_do_no_harm(tmp_path: Path) -> None:
    heard: list[None] = []
    came = asyncio.Event()
    bell, ringer = await _hung(tmp_path, lambda: (heard.append(None), came.set())), Ringer(tmp_path / BELL)
    for _ in range(50):
        ringer.ring()
    async with asyncio.timeout(30):
        await came.wait()
    assert len(heard) == 1
    foreign = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for datagram in (b"", b"\xff" * 9_000, b'{"destinations": ["signals-free"]}'):
        came.clear()
        foreign.sendto(datagram, str(tmp_path / BELL))
        async with asyncio.timeout(30):
            await came.wait()
    foreign.close()
    ringer.close()
    await bell.close()


async def test_a_ring_without_a_listener_neither_waits_nor_fails(tmp_path: Path) -> None:
    ringer = Ringer(tmp_path / BELL)
    ringer.ring()
    await asyncio.sleep(0)
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    deaf.bind(str(tmp_path / BELL))
    for _ in range(2_000):  # far more than a socket keeps
        ringer.ring()
        await asyncio.sleep(0)
    deaf.close()
    ringer.ring()
    await asyncio.sleep(0)
    ringer.close()


async def test_a_socket_that_cannot_be_made_only_causes_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / BELL).mkdir()
    bell = await _hung(tmp_path, lambda: None)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert BELL in record.getMessage()
    await bell.close()


async def test_closing_leaves_the_socket_of_a_successor(tmp_path: Path) -> None:
    old, new = await _hung(tmp_path, lambda: None), await _hung(tmp_path, lambda: None)
    await old.close()
    assert (tmp_path / BELL).exists()
    await new.close()
    assert not (tmp_path / BELL).exists()


async def test_a_failed_start_leaves_no_socket_open(tmp_path: Path) -> None:
    async def closed(_: Callable[[], None]) -> None:
        raise StoreClosed("the outbox is closed")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StoreClosed):
        await Doorbell.hung(tmp_path / BELL, lambda: None, closed)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
