"""What it costs to deliver: put, lease, send and settle, each step durable, beside a bare loop with the same commits.

Nothing limits the pace, and the far end is the least server that answers, in a process of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from benchmarks.bare import BareLoop
from benchmarks.far_end import far_end
from benchmarks.measure import ratio, turns
from benchmarks.sample import config, signals, stored_and_sent, tier_of
from benchmarks.table import Row
from signalpost.cli.loop import run
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Event, SendEnded, Settled
from signalpost.service import AsyncNotificationService

MANY, LANES, PRODUCERS = 5_000, 100, 100
LONE = 300


class Cost(NamedTuple):
    """What a delivery took, on average."""

    seconds: float
    cpu: float
    """Seconds of this process, all threads together."""


def rows() -> Iterator[Row]:
    """The rows of this benchmark, measured now."""
    with far_end() as port:
        told = turns(
            {
                "bare": lambda home: run(bare(home, port)),
                "ours": lambda home: run(ours(home, port)),
            }
        )
        lone = turns({"lone": lambda home: run(alternately(home, port))}, rounds=3)["lone"]
    seconds = {name: median(each.seconds for each in costs) for name, costs in told.items()}
    cpu = {name: median(each.cpu for each in costs) for name, costs in told.items()}
    speed = ratio([each.seconds for each in told["bare"]], [each.seconds for each in told["ours"]])
    yield Row(f"a bare loop to {LANES} destinations", f"{1 / seconds['bare']:,.0f}/s", "the floor", None)
    yield Row("", f"{cpu['bare'] * 1e6:,.0f} µs CPU each", "", None)
    yield Row("deliveries, end to end", f"{1 / seconds['ours']:,.0f}/s", "", None)
    yield Row("", f"{cpu['ours'] * 1e6:,.0f} µs CPU each", "", None)
    yield Row("", f"{speed:.2f} x", "at least 0.7 x the floor", speed >= 0.7)
    floor, taken = (median(each[which] for each in lone) * 1e3 for which in range(2))
    longer = median(each[1] / each[0] for each in lone)
    yield Row("bare, from the put of a lone message to its answer", f"{floor:.2f} ms", "the floor", None)
    yield Row("from the intake of a lone signal to its answer", f"{taken:.2f} ms", "", None)
    yield Row("", f"{longer:.2f} x", "at most 2 x the floor", longer <= 2)


class Awaited:
    """Counts deliveries and answers, so that they can be waited for."""

    def __init__(self) -> None:
        self.answered_at = 0.0
        self._missing = 0
        self._all = asyncio.Event()

    def expect(self, count: int) -> Awaitable[object]:
        """Returns once so many more were delivered."""
        self._missing = count
        self._all.clear()
        return self._all.wait()

    def on_answer(self) -> None:
        """The far end answered."""
        self.answered_at = perf_counter()

    def on_done(self) -> None:
        """One more was delivered."""
        self._missing -= 1
        if not self._missing:
            self._all.set()

    def __call__(self, event: Event) -> None:
        """Hear of it as a listener of the service."""
        if isinstance(event, SendEnded):
            self.on_answer()
        elif isinstance(event, Settled) and event.delivery.state is DeliveryState.DELIVERED:
            self.on_done()


async def bare(home: Path, port: int) -> Cost:
    """The floor: the same bytes to as many destinations, by as many producers."""
    async with bare_loop(home, port, LANES) as loop:
        awaited = listening(loop)
        return await cost(lambda _: loop.put(), awaited)


async def ours(home: Path, port: int) -> Cost:
    """The same through the service."""
    given, awaited = list(signals(MANY)), Awaited()
    service = AsyncNotificationService(config(home, port, LANES), listeners=[awaited])
    async with service:
        return await cost(
            lambda number: service.queue_notification(given[number], user_tier=tier_of(number % LANES)), awaited
        )


def bare_loop(home: Path, port: int, lanes: int) -> BareLoop:
    """A bare loop that keeps and sends what the service would."""
    (signal,) = signals(1)
    row, message = stored_and_sent(signal)
    return BareLoop(home / "bare.db", port, lanes, row=row, message=message)


def listening(loop: BareLoop) -> Awaited:
    """What hears of the bare loop's answers and ends."""
    awaited = Awaited()
    loop.on_answer, loop.on_done = awaited.on_answer, awaited.on_done
    return awaited


async def cost(put: Callable[[int], Awaitable[object]], awaited: Awaited) -> Cost:
    """What each of many takes from the first put until all are delivered."""
    numbers = iter(range(MANY))

    async def producer() -> None:
        for number in numbers:
            await put(number)

    done, started, cpu = awaited.expect(MANY), perf_counter(), process_time()
    await asyncio.gather(*(producer() for _ in range(PRODUCERS)))
    await done
    return Cost((perf_counter() - started) / MANY, (process_time() - cpu) / MANY)


async def alternately(home: Path, port: int) -> tuple[float, float]:
    """The median seconds from put to answer, bare and through the service, in turns."""
    awaited, taken = Awaited(), list[tuple[float, float]]()
    service = AsyncNotificationService(config(home, port), listeners=[awaited])
    async with service, bare_loop(home, port, 1) as loop:
        bare_awaited = listening(loop)
        for signal in signals(LONE):
            bare_seconds = await lone(loop.put(), bare_awaited)
            taken.append((bare_seconds, await lone(service.queue_notification(signal, user_tier=tier_of(0)), awaited)))
    bare_seconds, our_seconds = (median(each) for each in zip(*taken, strict=True))
    return bare_seconds, our_seconds


async def lone(put: Awaitable[object], awaited: Awaited) -> float:
    """Seconds from a put to its answer; returns once all of it is done."""
    done, started = awaited.expect(1), perf_counter()
    await put
    await done
    return awaited.answered_at - started
