"""A process that follows signals by candles and sends what becomes of them, until it is killed.

    python -m tests.faults.follow_child OUTBOX JOURNAL [before|after COMMITS]

Each line of the journal is a minute that is over. With `before` or `after` it kills itself just before or after that
many commits: of the candles, of a lease, or of what was sent.
"""

import os
import sqlite3
import sys
from functools import partial
from pathlib import Path

from signalpost import Signal
from signalpost.delivery.outbox.commands import CardResult, Find, Lease, Message, Settle
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryState
from signalpost.testing.outbox_samples import verdict
from signalpost.testing.virtual_loop import run_virtual
from tests.faults.sqlite_child import DiesAtCommit
from tests.unit.service.follow_harness import MINUTE, QUIET, START, CountedFeed, Following, bars, signal

LANE = "signals-free"
MINUTES = 8
CANDLES = bars(
    QUIET,
    ("1.1000", "1.1052", "1.0998", "1.1040"),
    ("1.1040", "1.1044", "1.0978", "1.0990"),
    ("1.0990", "1.1101", "1.0988", "1.1095"),
    ("1.1095", "1.1096", "1.0945", "1.0950"),
)
SIGNALS: tuple[Signal, ...] = (
    signal("two targets", targets=["1.1050", "1.1100"]),
    signal("stopped", targets=["1.1200"]),
    signal("a limit order", order="limit", entry_price="1.0980", stop_loss="1.0930", targets=["1.1090", "1.1300"]),
)


def serve(core: SqliteCore, now_minute: int) -> None:
    """Send what is due, as a lane does."""
    now = START + now_minute * MINUTE + MINUTE / 2
    while entries := core.apply([Lease(LANE, now)])[0].entries:
        (entry,) = entries
        trade = entry.notification.trade
        is_card = entry.notification.before is None
        name = entry.card.message_id if entry.is_edit and entry.card else f"m {entry.delivery.id}"
        settled = verdict(entry.delivery, DeliveryState.DELIVERED, message=Message(LANE, name, START))
        card = CardResult(1 if trade is None else trade.version, entry.is_edit) if is_card else None
        core.apply([Settle((settled._replace(card=card),))])


async def run(core: SqliteCore, journal: Path) -> None:
    """Go on with the first minute that is not over."""
    done = len(journal.read_text(encoding="utf-8").splitlines()) if journal.exists() else 0
    harness = Following(CountedFeed(CANDLES), core=core, seed=os.getpid())
    if done == 0:
        for each in SIGNALS:
            assert await harness.intake.accept(each)
    for minute in range(done, MINUTES):
        await harness.until(minute + 0.4)
        serve(core, minute)
        with journal.open("a", encoding="utf-8") as file:
            file.write(f"{minute}\n")
            file.flush()
            os.fdatasync(file.fileno())
    await harness.stop()


def main(path: str, journal: str, when: str = "", commits: str = "0") -> None:
    """Run to the end, or until it is time to die."""
    sqlite3.connect = partial(sqlite3.connect, factory=DiesAtCommit)  # type: ignore[assignment]  # typed as overloads
    core = SqliteCore(Path(path))
    leased = core.apply([Find(states=frozenset({DeliveryState.LEASED}))])[0]
    if leased:  # their sender was killed
        core.apply([Settle(tuple(verdict(each.delivery, DeliveryState.PENDING) for each in leased))])
    over = len(Path(journal).read_text(encoding="utf-8").splitlines()) if Path(journal).exists() else 0
    DiesAtCommit.when, DiesAtCommit.left = when, int(commits)
    run_virtual(run(core, Path(journal)), START + over * MINUTE)
    core.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
