"""The floors of delivery: the least code that stores, sends and marks as done, without checks or history.

The code compared with them stores and sends the same bytes, on the same event loop and disk.
"""

import asyncio
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from heapq import heappop, heappush
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Any, Self

import aiohttp

Write = tuple[str, tuple[Any, ...]]
"""An SQL statement and its values."""

QUEUE = """
CREATE TABLE queue (key TEXT PRIMARY KEY, lane INTEGER, rank INTEGER, state INTEGER, body BLOB) WITHOUT ROWID;
CREATE INDEX waiting ON queue (lane, rank) WHERE state = 0;
"""
PUT = "INSERT INTO queue VALUES (?, ?, ?, 0, ?)"
MOVE = "UPDATE queue SET state = ? WHERE key = ?"
LEASED, DONE = 1, 2


class BareStore:
    """One thread, one transaction per batch of queued writes, one executemany per statement."""

    def __init__(self, path: Path, tables: str = QUEUE) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[asyncio.Future[None], tuple[Write, ...]] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, args=(path, tables))
        self._thread.start()

    def do(self, *writes: Write) -> asyncio.Future[None]:
        """Queue writes; the future is done once they are on disk."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((waiter, writes))
        return waiter

    def close(self) -> None:
        """Commit the queued writes and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self, path: Path, tables: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {tables}")
            while first := self._queue.get():
                batch = [first, *filter(None, (self._queue.get() for _ in range(self._queue.qsize())))]
                rows = defaultdict(list)
                for _, writes in batch:
                    for statement, values in writes:
                        rows[statement].append(values)
                db.execute("BEGIN IMMEDIATE")
                for statement, all_values in rows.items():
                    db.executemany(statement, all_values)
                db.execute("COMMIT")
                self._loop.call_soon_threadsafe(_answer, [waiter for waiter, _ in batch])


def _answer(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        waiter.set_result(None)


class BareLoop:
    """Put, commit; take the oldest from a heap, commit; POST; mark as done, commit. One sender per lane."""

    def __init__(self, path: Path, port: int, lanes: int, *, row: bytes, message: bytes) -> None:
        self.on_answer: Callable[[], object] = int
        self.on_done: Callable[[], object] = int
        self._store = BareStore(path)
        self._url = f"http://127.0.0.1:{port}/api/webhooks/"
        self._lanes = lanes
        self._row, self._message = row, message
        self._waiting: list[tuple[float, str, int]] = []
        self._count = asyncio.Semaphore(0)
        self._made = 0

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0)
        self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._senders = [asyncio.create_task(self._send()) for _ in range(self._lanes)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        await self._http.close()
        self._store.close()

    async def put(self) -> None:
        """Store a row; return once it is on disk."""
        self._made += 1
        lane, now, key = self._made % self._lanes, perf_counter(), os.urandom(8).hex()
        await self._store.do((PUT, (key, lane, int(now * 1e6), self._row)))
        heappush(self._waiting, (now, key, lane))
        self._count.release()

    async def _send(self) -> None:
        headers = {"Content-Type": "application/json"}
        while True:
            await self._count.acquire()
            _, key, lane = heappop(self._waiting)
            await self._store.do((MOVE, (LEASED, key)))
            url = f"{self._url}{lane}/x?wait=true"
            async with self._http.post(url, data=self._message, headers=headers) as answer:
                await answer.read()
            self.on_answer()
            await self._store.do((MOVE, (DONE, key)))
            self.on_done()


def append(file: int, body: bytes) -> None:
    """Make one message durable with the least code."""
    os.write(file, body)
    os.fdatasync(file)
