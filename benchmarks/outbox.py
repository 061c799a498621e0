"""Measures the durable queue against minimal code: intake, one producer, leasing and settling, memory.

Every contestant gets a new file in a temporary folder on the same disk. If its syncs are slow, the disk dominates the
result. The floors do only the work needed to make the same bytes durable.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter
from typing import Any

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

ROUNDS = 5
CROWD, LONE, LANES = 10_000, 1_000, 100
PRODUCERS = 100
QUEUED = 10_000
PAGE = 10


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    items = [item(number) for number in range(CROWD)]
    rows_of = [bare_rows(number, each) for number, each in enumerate(items)]
    taken = medians(
        {
            "crowd": lambda path: run(ours(path, items, PRODUCERS)),
            "crowd floor": lambda path: run(bare(path, rows_of, PRODUCERS)),
            "lone": lambda path: run(alone(path, items[:LONE])),
            "lone floor": lambda path: appended(path, [each[0][-1] for each in rows_of[:LONE]]),
        }
    )
    crowd, floor = CROWD / taken["crowd"], CROWD / taken["crowd floor"]
    yield Row(f"bare executemany into our tables, {PRODUCERS} producers", f"{floor:,.0f}/s", "the floor", None)
    yield Row(
        f"durable intake, {PRODUCERS} producers", f"{crowd:,.0f}/s", "at least 0.7 x the floor", crowd >= 0.7 * floor
    )
    yield Row("", f"{crowd / floor:.2f} x", "", None)
    lone, append = (taken[name] * 1e6 for name in ("lone", "lone floor"))
    yield Row("an append and fdatasync", f"{append:,.0f} µs", "the floor", None)
    yield Row("a lone durable intake", f"{lone:,.0f} µs", "at most 3 x the floor", lone <= 3 * append)
    yield Row("", f"{lone / append:.2f} x", "", None)
    sent = medians({"sent": lambda path: run(sending(path, items))}, rounds=3)["sent"]
    yield Row(f"leased and settled by {LANES} lanes, {PAGE} at a time", f"{CROWD / sent:,.0f}/s", "", None)
    grown = int(subprocess.run([sys.executable, "-c", GROWTH], check=True, capture_output=True, text=True).stdout) / 1e6
    yield Row(f"memory of {QUEUED:,} that wait", f"+{grown:.1f} MB", "less than 10 MB", grown < 10)


def medians(contestants: dict[str, Callable[[Path], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median seconds of each contestant; each round runs all of them once, each in a new folder."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            with TemporaryDirectory() as folder:
                taken[name].append(contestant(Path(folder) / "outbox.db"))
    return {name: median(each) for name, each in taken.items()}


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


async def ours(path: Path, items: Iterable[NewNotification], producers: int) -> float:
    """Intake by producers that each wait until a notification is durable before the next."""
    outbox = ThreadedOutbox(SqliteCore(path))
    took = await produced((Put((each,)) for each in items), producers, outbox.do)
    await outbox.close()
    return took


async def produced(things: Iterator[Any], producers: int, do: Callable[[Any], Awaitable[Any]]) -> float:
    """Seconds until the producers have done everything, each one call at a time."""

    async def producer() -> None:
        for thing in things:
            await do(thing)

    started = perf_counter()
    await asyncio.gather(*(producer() for _ in range(producers)))
    return perf_counter() - started


def bare_rows(number: int, new: NewNotification) -> tuple[tuple[Any, ...], ...]:
    """The rows of a notification in our tables, ready to insert."""
    notification, owed = new.notification, new.deliveries[0]
    body = notification.to_json().decode()
    delivery = (
        notification.id,
        owed.destination,
        1,
        number,
        "new",
        notification.sequence,
        "pending",
        2,
        owed.rank,
        9,
        None,
        0,
        0,
        0,
        None,
        None,
    )
    key = (notification.key, notification.content_hash, notification.id, 0)
    return (number, notification.id, 0, body), key, delivery


async def bare(path: Path, things: list[tuple[tuple[Any, ...], ...]], producers: int) -> float:
    """The floor: one thread, one transaction per batch, three executemany."""
    loop, queue = asyncio.get_running_loop(), SimpleQueue[Any]()

    def answer(waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            waiter.set_result(None)

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {''.join(STEPS)}")
            while first := queue.get():
                batch = [first, *(queue.get() for _ in range(queue.qsize()))]
                notifications, keys, deliveries = zip(*(thing for thing, _ in batch), strict=True)
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT INTO notification VALUES (?, ?, ?, ?)", notifications)
                db.executemany("INSERT INTO key VALUES (?, ?, ?, ?)", keys)
                db.executemany(f"INSERT INTO delivery VALUES ({', '.join('?' * 16)})", deliveries)
                db.execute("COMMIT")
                loop.call_soon_threadsafe(answer, [waiter for _, waiter in batch])

    async def do(thing: tuple[tuple[Any, ...], ...]) -> None:
        waiter: asyncio.Future[None] = loop.create_future()
        queue.put((thing, waiter))
        await waiter

    thread = Thread(target=write)
    thread.start()
    took = await produced(iter(things), producers, do)
    queue.put(None)
    thread.join()
    return took


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


def appended(path: Path, bodies: list[str]) -> float:
    """The floor of a single producer: the median seconds to append a body to a file and sync it."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    taken = []
    for body in bodies:
        started = perf_counter()
        os.write(file, body.encode())
        os.fdatasync(file)
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


GROWTH = f"""
import gc, pathlib, tempfile
from benchmarks.outbox import Put, SqliteCore, item

def resident():
    gc.collect()
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096

with tempfile.TemporaryDirectory() as folder:
    core = SqliteCore(pathlib.Path(folder) / "outbox.db")
    for number in range(-100, 0):
        core.apply([Put((item(number + 10**6),))])
    before = resident()
    for number in range({QUEUED}):
        core.apply([Put((item(number),))])
    print(resident() - before)
    core.close()
"""
