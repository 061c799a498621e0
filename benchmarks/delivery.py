"""Measures delivery (put, lease, send and settle, each step durable) against a bare loop with the same commits.

There are no rate limits; a minimal server answers from its own process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from benchmarks.bare import BareLoop
from benchmarks.measure import ratio, turns
from benchmarks.sample import config, signals, stored_and_sent, tier_of
from benchmarks.server import server_port
from benchmarks.table import Row
from signalpost.cli.loop import run
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Event, SendEnded, Settled
from signalpost.service import AsyncNotificationService

MANY, LANES, PRODUCERS = 5_000, 100, 100
LONE = 300


class Cost(NamedTuple):
    """The average time of a delivery."""

    seconds: float
    cpu: float
    """CPU seconds of this process, all threads together."""


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    with server_port() as port:
        costs_by_name = turns(
            {
                "bare": lambda home: run(bare(home, port)),
                "ours": lambda home: run(ours(home, port)),
            }
        )
        lone = turns({"lone": lambda home: run(alternately(home, port))}, rounds=3)["lone"]
    seconds = {name: median(each.seconds for each in costs) for name, costs in costs_by_name.items()}
    cpu = {name: median(each.cpu for each in costs) for name, costs in costs_by_name.items()}
    speed = ratio([each.seconds for each in costs_by_name["bare"]], [each.seconds for each in costs_by_name["ours"]])
    more = ratio([each.cpu for each in costs_by_name["ours"]], [each.cpu for each in costs_by_name["bare"]])
    ours_us, bare_us = cpu["ours"] * 1e6, cpu["bare"] * 1e6
    yield Row(
        f"deliveries to {LANES} destinations; beside a bare loop",
        1 / seconds["ours"],
        "/s",
        1 / seconds["bare"],
        speed,
        ours_us,
        "at least 0.45 x",
        speed >= 0.45,
    )
    yield Row("CPU of a delivery", ours_us, "µs", bare_us, more, ours_us, "at most 2.3 x", more <= 2.3)
    floor, taken = (median(each[which] for each in lone) * 1e3 for which in range(2))
    longer = median(each[1] / each[0] for each in lone)
    yield Row(
        "a lone signal from intake to answer; beside a bare put to its answer",
        taken,
        "ms",
        floor,
        longer,
        target="at most 2 x",
        holds=longer <= 2,
    )


class Awaited:
    """Counts deliveries and answers to wait for."""

    def __init__(self) -> None:
        self.answered_at = 0.0
        self._missing = 0
        self._all = asyncio.Event()

    def expect(self, count: int) -> Awaitable[object]:
        """Return an awaitable that ends after `count` more deliveries."""
        self._missing = count
        self._all.clear()
        return self._all.wait()

    def on_answer(self) -> None:
        """Note the time of an answer."""
        self.answered_at = perf_counter()

    def on_done(self) -> None:
        """Count a delivery."""
        self._missing -= 1
        if not self._missing:
            self._all.set()

    def __call__(self, event: Event) -> None:
        """Count the events of the service."""
        if isinstance(event, SendEnded):
            self.on_answer()
        elif isinstance(event, Settled) and event.delivery.state is DeliveryState.DELIVERED:
            self.on_done()


async def bare(home: Path, port: int) -> Cost:
    """The floor: the same bytes with the same numbers of destinations and producers."""
    async with bare_loop(home, port, LANES) as loop:
        awaited = listening(loop)
        return await cost(lambda _: loop.put(), awaited, MANY)


async def ours(home: Path, port: int) -> Cost:
    """The same work through the service."""
    given, awaited = list(signals(MANY)), Awaited()
    service = AsyncNotificationService(config(home, port, LANES), listeners=[awaited])
    async with service:
        return await cost(
            lambda number: service.queue_notification(given[number], user_tier=tier_of(number % LANES)), awaited, MANY
        )


def bare_loop(home: Path, port: int, lanes: int) -> BareLoop:
    """A bare loop that stores and sends the same bytes as the service."""
    (signal,) = signals(1)
    row, message = stored_and_sent(signal)
    return BareLoop(home / "bare.db", port, lanes, row=row, message=message)


def listening(loop: BareLoop) -> Awaited:
    """Connect a counter to the bare loop."""
    awaited = Awaited()
    loop.on_answer, loop.on_done = awaited.on_answer, awaited.on_done
    return awaited


async def cost(put: Callable[[int], Awaitable[object]], awaited: Awaited, count: int) -> Cost:
    """The average cost of `count` messages, from the first put until all are delivered."""
    numbers = iter(range(count))

    async def producer() -> None:
        for number in numbers:
            await put(number)

    done, started, cpu = awaited.expect(count), perf_counter(), process_time()
    await asyncio.gather(*(producer() for _ in range(PRODUCERS)))
    await done
    return Cost((perf_counter() - started) / count, (process_time() - cpu) / count)


async def alternately(home: Path, port: int) -> tuple[float, float]:
    """The median seconds from put to answer, alternating between the bare loop and the service."""
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
    """Seconds from a put to its answer; returns once the delivery is done."""
    done, started = awaited.expect(1), perf_counter()
    await put
    await done
    return awaited.answered_at - started
