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
def test_the_owner_hears_each_ring(tmp_path: Path, loop: Loop) -> None:
    assert _rung(tmp_path, loop, times=3) == 3
    assert list(tmp_path.iterdir()) == [], "it is taken down in the end"


@LOOPS
def test_a_folder_with_a_path_too_long_for_a_socket_has_a_bell_too(tmp_path: Path, loop: Loop) -> None:
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


async def test_a_bell_that_was_left_by_one_that_is_gone_is_replaced(tmp_path: Path) -> None:
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


async def test_what_rings_at_once_rings_once_and_what_is_foreign_does_no_harm(tmp_path: Path) -> None:
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


async def test_who_rings_where_nobody_hears_does_not_wait_and_does_not_fail(tmp_path: Path) -> None:
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


async def test_where_no_bell_can_be_hung_that_is_told_and_is_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / BELL).mkdir()
    bell = await _hung(tmp_path, lambda: None)
    assert "outbox.bell cannot be made" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
    await bell.close()


async def test_one_whose_bell_a_successor_replaced_leaves_the_successors(tmp_path: Path) -> None:
    old, new = await _hung(tmp_path, lambda: None), await _hung(tmp_path, lambda: None)
    await old.close()
    assert (tmp_path / BELL).exists()
    await new.close()
    assert not (tmp_path / BELL).exists()


async def test_one_that_is_cut_off_while_it_is_hung_leaves_no_socket_open(tmp_path: Path) -> None:
    async def closed(_: Callable[[], None]) -> None:
        raise StoreClosed("the outbox is closed")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StoreClosed):
        await Doorbell.hung(tmp_path / BELL, lambda: None, closed)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
