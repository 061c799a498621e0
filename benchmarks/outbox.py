"""Measures the durable queue against minimal code: intake, one producer, leasing and settling, memory.

Every contestant gets a new file in a temporary folder on the same disk. If its syncs are slow, the disk dominates the
result. The floors do only the work needed to make the same bytes durable.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.bare import BareStore, Write, append
from benchmarks.intake import rows_of
from benchmarks.measure import ROUNDS, turns
from benchmarks.table import Row
from signalpost import NotificationPriority, Signal, UserTier
from signalpost.delivery.outbox.commands import Lease, Message, NewDelivery, NewNotification, Put, Settle, Settlement
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.outbox.schema import STEPS
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.delivery import Attempt, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.testing.outbox_samples import START

CROWD, LONE, LANES = 10_000, 1_000, 100
PRODUCERS = 100
QUEUED = 10_000
PAGE = 10


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    items = [item(number) for number in range(CROWD)]
    written: list[tuple[Write, ...]] = []
    taken = medians(
        {
            "crowd": lambda path: run(ours(path, items, written)),
            "crowd floor": lambda path: run(bare(path, written)),
            "lone": lambda path: run(alone(path, items[:LONE])),
            "lone floor": lambda path: appended(path, items[:LONE]),
        }
    )
    crowd, floor = CROWD / taken["crowd"], CROWD / taken["crowd floor"]
    yield Row(
        f"durable puts, {PRODUCERS} producers; beside the same rows, bare",
        crowd,
        "/s",
        floor,
        crowd / floor,
        target="at least 0.7 x",
        holds=crowd >= 0.7 * floor,
    )
    lone, append = (taken[name] * 1e6 for name in ("lone", "lone floor"))
    yield Row(
        "a lone durable put; beside an append and fdatasync",
        lone,
        "µs",
        append,
        lone / append,
        target="at most 3 x",
        holds=lone <= 3 * append,
    )
    sent = medians({"sent": lambda path: run(sending(path, items))}, rounds=3)["sent"]
    yield Row(f"leased and settled by {LANES} lanes, {PAGE} at a time", CROWD / sent, "/s")
    grown = (
        int(
            subprocess.run(
                [sys.executable, "-c", GROWTH, str(QUEUED)], check=True, capture_output=True, text=True
            ).stdout
        )
        / 1e6
    )
    yield Row(f"memory of {QUEUED:,} that wait", grown, "MB", target="less than 10 MB", holds=grown < 10)


def medians(contestants: Mapping[str, Callable[[Path], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median seconds of each contestant; each round runs all of them once, each on a new file."""

    def on_a_file(contestant: Callable[[Path], float]) -> Callable[[Path], float]:
        return lambda folder: contestant(folder / "outbox.db")

    results = turns({name: on_a_file(contestant) for name, contestant in contestants.items()}, rounds)
    return {name: median(each) for name, each in results.items()}


def run(contestant: Awaitable[float]) -> float:
    """Run on the event loop that the service would use."""
    import uvloop

    return uvloop.run(contestant)  # type: ignore[arg-type,type-var]


def item(number: int) -> NewNotification:
    """One signal for one of the lanes, with a unique id in random order."""
    signal = Signal(
        pair="EUR_USD",
        timeframe="H4",
        signal_type="BUY",
        entry_price="1.10500",
        stop_loss="1.10000",
        take_profit="1.11500",
        timestamp="2025-08-20T01:00:00Z",
        signal_id=f"ma-unified-strategy:EUR_USD:H4:BUY:{number * 7919 % 1_000_003:08}",
    )
    notification = Notification(
        id=f"01J{number:023}",
        payload=signal,
        event="new",
        priority=NotificationPriority.NORMAL,
        user_tier=UserTier.FREE,
        accepted_at=START,
        valid_until=START + timedelta(hours=4),
    )
    return NewNotification(notification, (NewDelivery(f"lane-{number % LANES}", number),), START + timedelta(days=1))


async def ours(path: Path, items: Iterable[NewNotification], written: list[tuple[Write, ...]]) -> float:
    """Intake by producers that each wait until a notification is durable; stores the rows it wrote in `written`."""
    outbox = ThreadedOutbox(SqliteCore(path))
    took = await produced((Put((each,)) for each in items), outbox.do)
    await outbox.close()
    written[:] = rows_of(path)
    return took


async def bare(path: Path, written: Iterable[tuple[Write, ...]]) -> float:
    """The floor: one thread, one transaction per batch, one executemany per table."""
    store = BareStore(path, "".join(STEPS))
    took = await produced(iter(written), lambda writes: store.do(*writes))
    store.close()
    return took


async def produced(things: Iterator[Any], do: Callable[[Any], Awaitable[Any]]) -> float:
    """Seconds until the producers have done everything, each one call at a time."""

    async def producer() -> None:
        for thing in things:
            await do(thing)

    started = perf_counter()
    await asyncio.gather(*(producer() for _ in range(PRODUCERS)))
    return perf_counter() - started


async def alone(path: Path, items: list[NewNotification]) -> float:
    """The median seconds of a single producer that waits for each notification."""
    outbox = ThreadedOutbox(SqliteCore(path))
    taken = []
    for each in items:
        started = perf_counter()
        await outbox.do(Put((each,)))
        taken.append(perf_counter() - started)
    await outbox.close()
    return median(taken)


def appended(path: Path, items: Iterable[NewNotification]) -> float:
    """The floor of a single producer: the median seconds to append a body to a file and sync it."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    taken = []
    for body in [each.notification.to_json() for each in items]:
        started = perf_counter()
        append(file, body)
        taken.append(perf_counter() - started)
    os.close(file)
    return median(taken)


async def sending(path: Path, items: list[NewNotification]) -> float:
    """Every lane leases a few and settles them as delivered in one message, until the queue is empty."""
    core = SqliteCore(path)
    for first in range(0, len(items), 500):
        core.apply([Put(tuple(items[first : first + 500]))])
    outbox = ThreadedOutbox(core)
    started = perf_counter()
    await asyncio.gather(*(lane(outbox, f"lane-{number}") for number in range(LANES)))
    took = perf_counter() - started
    await outbox.close()
    return took


async def lane(outbox: Outbox, destination: str) -> None:
    """Lease and settle until the lane is empty."""
    attempt = Attempt(START, START, "delivered")
    while entries := (await outbox.do(Lease(destination, START, limit=PAGE))).entries:
        message = Message(destination, entries[0].notification.id, START)
        verdicts = (
            Settlement(each.delivery.id, DeliveryState.DELIVERED, attempt, 1, 0, may_repeat=False, message=message)
            for each in entries
        )
        await outbox.do(Settle(tuple(verdicts)))


GROWTH = """
import gc, pathlib, sys, tempfile
from benchmarks.outbox import Put, SqliteCore, item

def resident():
    gc.collect()
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096

with tempfile.TemporaryDirectory() as folder:
    core = SqliteCore(pathlib.Path(folder) / "outbox.db")
    for number in range(-100, 0):
        core.apply([Put((item(number + 10**6),))])
    before = resident()
    for number in range(int(sys.argv[1])):
        core.apply([Put((item(number),))])
    print(resident() - before)
    core.close()
"""
