"""A process that leads one signal through its life, and records each step, until it is killed.

    python -m tests.faults.change_child OUTBOX JOURNAL [before|after COMMITS]

From the change UNREACHABLE on, one destination cannot be reached, and a fallback takes over from it, with the card.
A step is recorded once its answer is there, and the next process begins with the first one that was not. With `before`
or `after` it kills itself just before or after that many commits, so the answer to the last one never arrives.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from signalpost.delivery.outbox.book import Amend
from signalpost.delivery.outbox.commands import (
    CardResult,
    Find,
    Lease,
    Message,
    NewDelivery,
    NewNotification,
    PassOn,
    Put,
    Settle,
)
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.change import Change, Close, Reopen, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.domain.ticket import Outcome
from signalpost.domain.tier import UserTier
from signalpost.sinks.evidence import Loss
from signalpost.testing.outbox_samples import verdict
from tests.contracts.book_driver import MINUTE, START, A, B, signal
from tests.faults.sqlite_child import DiesAtCommit

LIFE: tuple[Change, ...] = (
    Update(stop_loss="1.0960"),
    Update(target_hit=1),
    Update(stop_loss="be"),
    Close(price="1.1010"),
    Reopen(),
    Update(close_part="25", price="1.1080"),
    Close(reason="target"),
)
LANES = (A, B)
FALLBACK = "signals-desk"
"""Of A."""
UNREACHABLE = 3
"""The first change that finds A unreachable."""
LATER = START + MINUTE
"""When everything that waits may leave."""


class Life:
    """The steps of a life on one store."""

    def __init__(self, core: SqliteCore) -> None:
        self._core = core

    def steps(self, answered: set[str]) -> Iterator[str]:
        """Do each step that was not answered, and yield its name once it is."""
        if "open" not in answered:
            made = notification_of(signal(), ticket_id="new", accepted_at=START)
            owed = tuple(NewDelivery(lane, 0) for lane in LANES)
            self._core.apply([Put((NewNotification(made, owed, made.valid_until),))])
            yield "open"
        self._serve("open", LANES)
        for number, change in enumerate(LIFE):
            lanes = LANES if number < UNREACHABLE else (FALLBACK, B)
            name = f"change {number}"
            if name not in answered:
                ids = f"{number} card", f"{number} companion"
                (answer,) = self._core.apply([Amend("s1", change, START, ids)])
                assert answer.outcome is not Outcome.REFUSED, answer.reason
                yield name
            if number >= UNREACHABLE:
                self._core.apply([PassOn(A, LATER, "unreachable", {UserTier.FREE: FALLBACK}, {})])
            self._serve(name, lanes)

    def _serve(self, after: str, lanes: tuple[str, ...]) -> None:
        """Send what is due, as a lane does. One card is lost."""
        for lane in lanes:
            while entries := self._core.apply([Lease(lane, LATER)])[0].entries:
                (entry,) = entries
                trade = entry.notification.trade
                card = CardResult(1 if trade is None else trade.version, entry.is_edit)
                if after == "change 1" and lane == A and entry.is_edit:
                    lost = card._replace(loss=Loss.DELETED)
                    self._core.apply([Settle((verdict(entry.delivery, DeliveryState.PENDING, card=lost),))])
                else:
                    name = entry.card.message_id if entry.is_edit and entry.card else f"m {entry.delivery.id}"
                    message = Message(lane, name, START)
                    settled = verdict(entry.delivery, DeliveryState.DELIVERED, message=message)
                    is_card = entry.notification.before is None
                    self._core.apply([Settle((settled._replace(card=card if is_card else None),))])


def main(path: str, journal: str, when: str = "", commits: str = "0") -> None:
    """Go on where the journal ends."""
    sqlite3.connect = partial(sqlite3.connect, factory=DiesAtCommit)  # type: ignore[assignment]  # typed as overloads
    core = SqliteCore(Path(path))
    leased = core.apply([Find(states=frozenset({DeliveryState.LEASED}))])[0]
    if leased:  # their sender was killed
        core.apply([Settle(tuple(verdict(each.delivery, DeliveryState.PENDING) for each in leased))])
    done = Path(journal).read_text(encoding="utf-8").splitlines() if Path(journal).exists() else []
    DiesAtCommit.when, DiesAtCommit.left = when, int(commits)
    with Path(journal).open("a", encoding="utf-8") as file:
        for name in Life(core).steps(set(done)):
            file.write(f"{name}\n")
            file.flush()
            os.fdatasync(file.fileno())
    core.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
