"""A process that shows and closes a signal each day, and sends the recaps of the days, until it is killed.

    python -m tests.faults.recap_child OUTBOX [before|after COMMITS]

With `before` or `after` it kills itself just before or after that many commits. The next process begins with the day
after the last one that has a recap.
"""

import asyncio
import sqlite3
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from signalpost import clock
from signalpost.delivery.outbox.commands import Find, LoadState, Settle
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.change import Close
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.recap import Recurrence
from signalpost.service.recaps import Recaps
from signalpost.testing.outbox_samples import verdict
from signalpost.testing.virtual_loop import run_virtual
from tests.contracts.book_driver import Driver
from tests.faults.sqlite_child import DiesAtCommit
from tests.unit.delivery.intake_harness import FailingOutbox, IntakeHarness, signal
from tests.unit.service.test_recaps import FREE, MIDNIGHT, PREMIUM, config

DAYS = 2
WANTED = config((FREE, (Recurrence.DAILY,)), (PREMIUM, (Recurrence.DAILY,)))
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def run(core: SqliteCore, first: int, seed: int) -> None:
    """Live the rest of the days, from the morning of the first."""
    harness = IntakeHarness(outbox=FailingOutbox(core), seed=seed)
    driver = Driver(harness.outbox, Path())
    recaps = asyncio.ensure_future(Recaps(harness.intake, WANTED).run())
    for day in range(first, DAYS):
        await asyncio.sleep((MIDNIGHT + day * DAY + 12 * HOUR - clock.now()).total_seconds())
        for tier in ("free", "premium"):
            name = f"{tier}-{day}"
            at = MIDNIGHT + day * DAY + HOUR
            made = signal(signal_id=name, stop_loss="1.09", timestamp=at, known_at=at, valid_until=at + 90 * DAY)
            await harness.intake.accept(made, user_tier=tier)
            await _serve(driver, f"signals-{tier}")
            await harness.intake.amend(name, Close(price="1.11"), exact=True)
        await asyncio.sleep((MIDNIGHT + (day + 1) * DAY + HOUR - clock.now()).total_seconds())
    recaps.cancel()


async def _serve(driver: Driver, lane: str) -> None:
    driver.now = clock.now()
    while entries := (await driver.lease(lane)).entries:
        await driver.settle(entries[0])


def main(path: str, when: str = "", commits: str = "0") -> None:
    """Run to the end, or until it is time to die."""
    sqlite3.connect = partial(sqlite3.connect, factory=DiesAtCommit)  # type: ignore[assignment]  # typed as overloads
    core = SqliteCore(Path(path))
    leased = core.apply([Find(states=frozenset({DeliveryState.LEASED}))])[0]
    if leased:  # their sender was killed
        core.apply([Settle(tuple(verdict(each.delivery, DeliveryState.PENDING) for each in leased))])
    saved = core.apply([LoadState(f"daily recap of {PREMIUM}")])[0]
    first = 0 if saved is None else max(0, (saved.watermark - MIDNIGHT) // DAY)
    DiesAtCommit.when, DiesAtCommit.left = when, int(commits)
    run_virtual(run(core, first, 8 if when else 7), MIDNIGHT + first * DAY + HOUR)
    core.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
