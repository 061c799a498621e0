"""Measures accepting and storing a signal, with many producers and with one.

The server hangs, so that only intake is measured.
"""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.bare import PUT, BareStore, Write, append
from benchmarks.measure import ratio, turns
from benchmarks.sample import config, signals, stored_and_sent, tier_of
from benchmarks.server import server_port
from benchmarks.table import Row
from signalpost import Signal
from signalpost.cli.loop import run
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.schema import STEPS
from signalpost.service import AsyncNotificationService

CROWD, PRODUCERS, LONE = 10_000, 100, 500
WRITTEN = {
    "notification": "SELECT * FROM notification ORDER BY number",
    "key": "SELECT key.* FROM key JOIN notification ON id = notification_id ORDER BY number",
    "delivery": "SELECT * FROM delivery ORDER BY number",
    "trade": "SELECT * FROM trade ORDER BY number",
    "card": "SELECT card.* FROM card JOIN trade USING (sequence) ORDER BY number",
}
"""The tables intake writes to, with their rows in order of acceptance."""


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    given = list(signals(CROWD))
    body, _ = stored_and_sent(given[0])
    with server_port("hang") as port:
        written: list[tuple[Write, ...]] = []
        rates = turns(
            {
                "ours": lambda home: run(ours(home, port, given, written)),
                "same rows": lambda home: run(bare(home, written, "".join(STEPS))),
                "one row": lambda home: run(bare(home, one_row_each(body))),
            }
        )
        lone = turns({"lone": lambda home: run(alternately(home, port, body))}, rounds=3)["lone"]
    rate = {name: median(each) for name, each in rates.items()}
    to_same, to_one = (ratio(rates["ours"], rates[name]) for name in ("same rows", "one row"))
    bench = f"durable intake, {PRODUCERS} producers; beside"
    yield Row(
        f"{bench} the same rows, bare",
        rate["ours"],
        "/s",
        rate["same rows"],
        to_same,
        target="at least 0.7 x",
        holds=to_same >= 0.7,
    )
    yield Row(
        f"{bench} one row each, bare",
        rate["ours"],
        "/s",
        rate["one row"],
        to_one,
        target="at least 0.4 x",
        holds=to_one >= 0.4,
    )
    appended, bare_row, taken = (median(each[which] for each in lone) * 1e6 for which in range(3))
    to_append, to_row = (median(each[2] / each[which] for each in lone) for which in range(2))
    bench = "a lone durable intake; beside"
    yield Row(
        f"{bench} an append and fdatasync",
        taken,
        "µs",
        appended,
        to_append,
        target="at most 3 x",
        holds=to_append <= 3,
    )
    yield Row(f"{bench} one row, bare", taken, "µs", bare_row, to_row)


async def ours(home: Path, port: int, given: Iterable[Signal], written: list[tuple[Write, ...]]) -> float:
    """Signals a second through the service; stores the rows it wrote in `written`."""
    service = AsyncNotificationService(config(home, port))
    await service.start()
    rate = await rate_of(given, lambda signal: service.queue_notification(signal, user_tier=tier_of(0)))
    await service.stop(0)
    written[:] = rows_of(home / STORE_FILE)
    return rate


async def bare(home: Path, things: Iterable[tuple[Write, ...]], *tables: str) -> float:
    """The floors: the same rows in the same tables, or one row each in a simple queue."""
    store = BareStore(home / "bare.db", *tables)
    rate = await rate_of(things, lambda writes: store.do(*writes))
    store.close()
    return rate


async def rate_of(things: Iterable[Any], do: Callable[[Any], Awaitable[object]]) -> float:
    """Calls a second by producers that each wait for one call before the next."""
    waiting, done = iter(things), 0

    async def producer() -> None:
        nonlocal done
        for thing in waiting:
            await do(thing)
            done += 1

    started = perf_counter()
    await asyncio.gather(*(producer() for _ in range(PRODUCERS)))
    return done / (perf_counter() - started)


def rows_of(path: Path) -> Iterator[tuple[Write, ...]]:
    """The inserts that repeat the service's writes for each signal."""
    with closing(sqlite3.connect(path)) as db:
        rows = [db.execute(query).fetchall() for query in WRITTEN.values()]
    inserts = [
        f"INSERT INTO {table} VALUES ({', '.join('?' * len(each[0]))})"
        for table, each in zip(WRITTEN, rows, strict=True)
    ]
    for each in zip(*rows, strict=True):
        yield tuple(zip(inserts, each, strict=True))


async def alternately(home: Path, port: int, body: bytes) -> tuple[float, float, float]:
    """The median seconds of an append, a bare row and an accepted signal, in turns."""
    service = AsyncNotificationService(config(home, port))
    await service.start()
    store = BareStore(home / "bare.db")
    file = os.open(home / "bare.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    taken: list[tuple[float, ...]] = []
    for signal, writes in zip(signals(LONE), one_row_each(body), strict=False):
        started = perf_counter()
        append(file, body)
        appended = perf_counter()
        await store.do(*writes)
        stored = perf_counter()
        await service.queue_notification(signal, user_tier=tier_of(0))
        taken.append((appended - started, stored - appended, perf_counter() - stored))
    os.close(file)
    store.close()
    await service.stop(0)
    append_seconds, row_seconds, intake_seconds = (median(each) for each in zip(*taken, strict=True))
    return append_seconds, row_seconds, intake_seconds


def one_row_each(body: bytes) -> Iterator[tuple[Write, ...]]:
    """One row per signal for the bare queue."""
    return (((PUT, (os.urandom(8).hex(), 0, number, body)),) for number in range(CROWD))
