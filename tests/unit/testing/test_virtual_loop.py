import asyncio
import time
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from signalpost import clock
from signalpost.testing.virtual_loop import Deadlock, VirtualClock, VirtualLoop, run_virtual

HOUR = 3600.0


async def doze(seconds: float) -> float:
    """Sleep in virtual time and return the time afterwards."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over
    return loop.time()


def test_a_day_passes_in_no_time() -> None:
    began = time.monotonic()

    async def main() -> float:
        return -asyncio.get_running_loop().time() + await doze(24 * HOUR)

    assert run_virtual(main()) == 24 * HOUR
    assert time.monotonic() - began < 5


def test_timers_come_in_order_and_each_at_its_time() -> None:
    async def main() -> list[float]:
        began = asyncio.get_running_loop().time()
        ends = await asyncio.gather(doze(3.0), doze(1.0), doze(2.0))
        return [end - began for end in ends]

    assert run_virtual(main()) == [3.0, 1.0, 2.0]


def test_immediate_callbacks_take_no_time() -> None:
    async def main() -> float:
        began = asyncio.get_running_loop().time()
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time() - began

    assert run_virtual(main()) == 0.0


def test_a_deadlock_is_reported() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run_virtual(main())


def test_the_clock_follows_the_loop_and_is_restored() -> None:
    before = clock.install(None)
    clock.install(before)

    async def main() -> tuple[datetime, datetime]:
        first = clock.now()
        await doze(1.5)
        return first, clock.now()

    first, later = run_virtual(main(), at="2030-01-01T00:00:00Z")
    assert first == datetime(2030, 1, 1, tzinfo=UTC)
    assert later - first == timedelta(seconds=1.5)
    assert clock.install(before) is before


def test_a_clock_can_be_set_while_the_loop_runs() -> None:
    loop = VirtualLoop()
    virtual = VirtualClock(loop, "2030-01-01T00:00:00Z")
    virtual.step(timedelta(hours=-1))
    assert virtual.now() == datetime(2029, 12, 31, 23, tzinfo=UTC)
    loop.close()


def test_callbacks_from_a_thread_run_while_others_work() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        thread = Thread(target=lambda: loop.call_soon_threadsafe(answer.set_result, "heard"))
        thread.start()
        while not answer.done():
            await asyncio.sleep(0)
        thread.join()
        return await answer

    assert run_virtual(main()) == "heard"


async def _jumped() -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    began, rang = loop.time(), loop.create_future()
    loop.call_later(5, lambda: rang.set_result(loop.time() - began))
    loop.jump(60)
    return loop.time() - began, await rang


def test_after_a_jump_due_timers_are_late() -> None:
    assert run_virtual(_jumped()) == (60, 60)
