"""Tasks sleep until instants of the clock, and whoever sets the clock can wait until all of them sleep again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from signalpost import clock
from signalpost.testing.virtual_loop import VirtualClock, run_virtual
from signalpost.trading.alarm_clock import AlarmClock

START = datetime.fromisoformat("2026-03-02T10:00:00+00:00")
HOUR = timedelta(hours=1)


class Waking:
    """Tasks that note when they wake from each sleep, and whether they were rung."""

    def __init__(self) -> None:
        self.alarms = AlarmClock()
        self.woke: list[tuple[str, timedelta, bool]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, *sleeps: timedelta | None, longest: float = 1e9, takes: float = 0) -> None:
        """A task that sleeps until these times after START, works after each for some seconds, and leaves."""
        self.alarms.enter(name)

        async def work() -> None:
            for each in sleeps:
                is_rung = await self.alarms.sleep_until(name, None if each is None else START + each, longest)
                self.woke.append((name, clock.now() - START, is_rung))
                await asyncio.sleep(takes)
            self.alarms.leave(name)

        self._tasks.append(asyncio.ensure_future(work()))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def waking(test: Callable[[Waking], Awaitable[None]]) -> None:
    async def main() -> None:
        harness = Waking()
        try:
            await test(harness)
        finally:
            await harness.end()

    run_virtual(main(), START)


def leap(by: timedelta) -> None:
    """Set the installed clock, which is put back at once."""
    current = clock.install(None)
    clock.install(current)
    assert isinstance(current, VirtualClock)
    current.step(by)


def test_each_task_wakes_at_its_instant_or_after_its_longest_sleep() -> None:
    async def test(harness: Waking) -> None:
        harness.start("a", HOUR)
        harness.start("b", None, 2 * HOUR, longest=1800)
        await asyncio.sleep(4000)
        half = HOUR / 2
        assert harness.woke == [("b", half, False), ("a", HOUR, False), ("b", HOUR, False)]

    waking(test)


def test_the_clock_rests_while_all_sleep() -> None:
    async def test(harness: Waking) -> None:
        await harness.alarms.rest()  # no task is there
        harness.start("a", 5 * HOUR, 9 * HOUR, takes=60)
        harness.start("b", 4 * HOUR, 8 * HOUR, takes=90)
        harness.start("c", None)
        await harness.alarms.rest()
        assert clock.now() == START
        leap(5 * HOUR)
        await harness.alarms.rest()
        assert harness.woke == [], "a leap alone wakes nobody"
        harness.alarms.look_again()
        await harness.alarms.rest()
        assert clock.now() == START + 5 * HOUR + timedelta(seconds=90), "it waited for the slower task"
        assert sorted(harness.woke) == [("a", 5 * HOUR, True), ("b", 5 * HOUR, True)]

    waking(test)


def test_a_leap_wakes_only_those_that_are_due() -> None:
    async def test(harness: Waking) -> None:
        harness.start("a", 4 * HOUR, None)
        harness.start("b", 24 * HOUR)
        harness.start("c", None)
        await harness.alarms.rest()
        leap(4 * HOUR)
        harness.alarms.look_again()
        await harness.alarms.rest()
        assert [name for name, *_ in harness.woke] == ["a"]

    waking(test)


def test_a_ring_wakes_a_task_or_ends_its_next_sleep_at_once() -> None:
    async def test(harness: Waking) -> None:
        harness.start("a", 4 * HOUR, 4 * HOUR, 4 * HOUR, takes=60)
        await harness.alarms.rest()
        harness.alarms.ring("a")
        await asyncio.sleep(30)
        harness.alarms.ring("a")
        await harness.alarms.rest()
        assert harness.woke == [("a", timedelta(0), True), ("a", timedelta(minutes=1), True)]

    waking(test)


def test_a_task_that_enters_again_forgets_an_earlier_ring() -> None:
    async def test(harness: Waking) -> None:
        harness.alarms.enter("a")
        harness.alarms.ring("a")
        harness.start("a", HOUR)
        await asyncio.sleep(7200)
        assert harness.woke == [("a", HOUR, False)]

    waking(test)


def test_a_task_that_is_rung_counts_as_awake_at_once() -> None:
    async def test(harness: Waking) -> None:
        harness.start("a", 4 * HOUR, None)
        await harness.alarms.rest()
        harness.alarms.ring("a")
        await harness.alarms.rest()
        assert harness.woke == [("a", timedelta(0), True)]

    waking(test)


def test_an_instant_that_has_passed_is_not_slept_until() -> None:
    async def test(harness: Waking) -> None:
        harness.start("a", -HOUR)
        await asyncio.sleep(1)
        assert harness.woke == [("a", timedelta(0), False)]

    waking(test)


def test_a_task_that_was_cancelled_in_its_sleep_is_not_asleep_and_not_waited_for_once_it_left() -> None:
    async def test(harness: Waking) -> None:
        harness.start("a", HOUR)
        await harness.alarms.rest()
        await harness.end()
        resting = asyncio.ensure_future(harness.alarms.rest())
        await asyncio.sleep(60)
        assert not resting.done()
        harness.alarms.leave("a")
        await resting

    waking(test)
