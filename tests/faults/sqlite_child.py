"""A process that uses an outbox, and records its requests and the answers, until it is killed.

    python sqlite_child.py OUTBOX JOURNAL SEED [before|after COMMITS]

Each line of the journal is synced before the next step. With `before` or `after` it kills itself just before or after
that many commits, so the answer to the last one never arrives.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from signalpost.delivery.outbox.commands import (
    Command,
    Find,
    Lease,
    Leased,
    Message,
    NewDelivery,
    NewNotification,
    Put,
    Settle,
    SettleAndLease,
)
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.ledger import StreamState
from signalpost.domain.ticket import Outcome
from signalpost.testing.outbox_samples import START, notification, verdict

LANES = ("one", "two")
PRODUCERS = 4


class DiesAtCommit(sqlite3.Connection):
    """A connection that kills the process before or after its n-th commit, once `when` is set."""

    when = ""
    left = 0

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        is_last = False
        if statement == "COMMIT" and self.when:
            DiesAtCommit.left -= 1
            is_last = not self.left
        if is_last and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = super().execute(statement, parameters)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class JournaledCore:
    """A core that records the puts of a batch before it applies the batch."""

    def __init__(self, core: SqliteCore, journal: int) -> None:
        self._core, self._journal = core, journal

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        names = [item.notification.id for put in batch if isinstance(put, Put) for item in put.notifications]
        note(self._journal, begins=names)
        return self._core.apply(batch)

    def close(self) -> None:
        self._core.close()


def note(journal: int, **line: Any) -> None:
    os.write(journal, json.dumps(line).encode() + b"\n")
    os.fdatasync(journal)


class Worker:
    def __init__(self, outbox: ThreadedOutbox, journal: int, random: Random) -> None:
        self.outbox, self.journal, self.random = outbox, journal, random

    def note(self, **line: Any) -> None:
        note(self.journal, **line)

    async def return_leases(self) -> None:
        """Return the leases of the killed process to pending, because they may have been shown."""
        for entry in await self.outbox.do(Find(states=frozenset({DeliveryState.LEASED}), limit=10_000)):
            await self.settle(entry.delivery, DeliveryState.PENDING)

    async def produce(self, stream: str, count: int) -> None:
        """Put two notifications for two lanes each, with the stream's state, again and again."""
        while True:
            count += 1
            names = [f"{stream}-{count:06}-{part}" for part in "ab"]
            until = START + timedelta(days=9)
            owed = tuple(NewDelivery(lane, self.random.randint(0, 99)) for lane in LANES)
            items = tuple(
                NewNotification(notification(name, valid_for=timedelta(days=9)), owed, until) for name in names
            )
            self.note(requests="put", stream=stream, count=count)
            results = await self.outbox.do(Put(items, StreamState(stream, "f", START, str(count).encode())))
            assert {result.outcome for result in results} == {Outcome.ACCEPTED}, results
            self.note(done="put", stream=stream, count=count, names=names)

    async def send(self, lane: str) -> None:
        lease = Lease(lane, START, limit=2)
        waiting = list((await self.outbox.do(lease)).entries)
        while True:
            for entry in waiting:
                self.note(done="lease", name=entry.delivery.id)
            for entry in waiting[:-1]:
                await self.settle(entry.delivery, self.random.choice((DeliveryState.DELIVERED, DeliveryState.DEAD)))
            if waiting and self.random.random() < 2 / 3:  # the last one is settled with the next lease
                waiting = list((await self.settle(waiting[-1].delivery, DeliveryState.DELIVERED, lease)).entries)
            else:
                waiting = list((await self.outbox.do(lease)).entries)
            await asyncio.sleep(0)

    async def settle(self, delivery: Delivery, state: DeliveryState, lease: Lease | None = None) -> Leased:
        self.note(requests="settle", name=delivery.id, state=state)
        message = Message(delivery.id.destination, f"m-{delivery.id}", START) if state == "delivered" else None
        settle = Settle((verdict(delivery, state, message=message),))
        leased: Leased | None = Leased((), (), None)
        if lease is None:
            (after,) = await self.outbox.do(settle)
        else:
            (after,), leased = await self.outbox.do(SettleAndLease(settle, lease))
        assert after.state is state
        assert leased is not None
        self.note(done="settle", name=delivery.id, state=state)
        return leased


async def main(path: str, journal: str, seed: str, when: str = "", commits: str = "0") -> None:
    connect = sqlite3.connect
    sqlite3.connect = partial(connect, factory=DiesAtCommit)  # type: ignore[assignment]  # typed as overloads
    core = SqliteCore(path)
    streams = {f"s{each}": 0 for each in range(PRODUCERS)}
    with closing(connect(path)) as db:
        streams |= {name: int(state) for name, state in db.execute("SELECT stream, state FROM stream")}
    DiesAtCommit.when, DiesAtCommit.left = when, int(commits)
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    worker = Worker(ThreadedOutbox(JournaledCore(core, file)), file, Random(seed))
    await worker.return_leases()
    worker.note(done="start")
    await asyncio.gather(
        *(worker.produce(stream, count) for stream, count in streams.items()),
        *(worker.send(lane) for lane in LANES),
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
