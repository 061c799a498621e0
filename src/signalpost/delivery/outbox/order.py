"""The order of a lane, and how its deliveries change: which may be sent, move up, are superseded or wait. Pure.

A row's place is (rank, number): its rank, then the order in which its notification was accepted. One rule keeps the
order of a sequence (P3): in a lane, no pending delivery of a sequence is ranked behind one that was accepted later.
Whatever enters a lane (from intake, back from a sender, revived, as a fallback) is fitted in by `Waiting.enter`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from signalpost.delivery.outbox.commands import Lease, NewDelivery, Revive, Settlement
from signalpost.domain.delivery import NEXT_STATES, Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import NEW, Notification, is_chart, is_version
from signalpost.domain.priority import NotificationPriority

REVIVABLE = frozenset({DeliveryState.DEAD, DeliveryState.UNCONFIRMED, DeliveryState.EXPIRED, DeliveryState.CANCELLED})
"""The states from which a delivery may be revived."""

TO_CHOOSE_FROM = 20
"""How many a lease looks at, of which it takes those that failed least."""

WAIT = "wait"
"""The fact about a delivery whose wait was restarted."""

EXPIRED = "its validity ended before it could be sent"
"""The reason of a delivery that expired while it waited."""

OUTLIVED = "its validity ended before it could be tried again, and an earlier attempt may have been shown"
"""The reason of one that waited after an attempt whose outcome is unknown."""


class Row(NamedTuple):
    """A delivery as a store keeps it, with its place in the order and its event."""

    number: int
    """Its notification's place in the order of acceptance."""
    event: str
    """Its notification's event."""
    delivery: Delivery
    is_edit: bool = False
    """Whether it will probably edit a card; not read again from the store."""

    @property
    def is_pending(self) -> bool:
        """Whether it is pending."""
        return self.delivery.state is DeliveryState.PENDING

    def moved(self, state: DeliveryState, reason: str | None) -> "Row":
        """This row in another state, for a reason."""
        return Row(self.number, self.event, self.delivery._replace(state=state, reason=reason), self.is_edit)

    @property
    def is_card(self) -> bool:
        """Whether it shows the state of a trade, so that a newer state replaces it."""
        return self.event == NEW or is_version(self.event) or is_chart(self.event)

    def replacing(self, old: "Row") -> "Row":
        """This row in place of an older state that waits. It keeps that row's place, doubts and required wait.

        It keeps nothing of a chart, because a failed chart must not delay the text.
        """
        if is_chart(old.event):
            return self
        new, past = self.delivery, old.delivery
        was_tried = past.reason is not None
        waits = [at for at in (new.not_before, past.not_before if was_tried else None) if at is not None]
        return self._replace(
            delivery=new._replace(
                rank=min(new.rank, past.rank),
                priority=max(new.priority, past.priority),
                not_before=max(waits, default=None),
                attempts=max(new.attempts, past.attempts),
                unanswered=max(new.unanswered, past.unanswered),
                may_repeat=new.may_repeat or past.may_repeat,
            )
        )

    def leaves_after(self, other: "Row") -> bool:
        """Whether it waits longer than another."""
        mine, theirs = self.delivery.not_before, other.delivery.not_before
        return mine is not None and (theirs is None or theirs < mine)

    def replaced_by(self, new: "Row") -> "Row":
        """This row after a newer state has replaced it: unconfirmed if it may have been shown."""
        state = DeliveryState.UNCONFIRMED if self.delivery.may_repeat else DeliveryState.SUPERSEDED
        return self.moved(state, f"superseded by {new.delivery.id.notification_id}")

    def outlived(self) -> "Row":
        """This row after its `valid_until`: unconfirmed if an attempt may have been shown, otherwise expired."""
        if self.delivery.may_repeat:
            return self.moved(DeliveryState.UNCONFIRMED, OUTLIVED)
        return self.moved(DeliveryState.EXPIRED, EXPIRED)


class Waiting:
    """The pending deliveries of some sequences, with the changes made here."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[str, str], dict[DeliveryId, Row]] = {}
        self.changed: dict[DeliveryId, Row] = {}
        """Those that entered, moved up or were superseded."""
        for row in rows:
            self._lane(row)[row.delivery.id] = row

    def enter(self, row: Row) -> Row:
        """Add a pending row, and return it in its final place.

        Earlier rows of its sequence move in front of it, with at least its priority. In the same way it moves in front
        of later ones.
        """
        lane = self._lane(row)
        if row.is_card and lane:
            row = self._newest(row)
            if not row.is_pending:
                return row
        if not lane:
            lane[row.delivery.id] = self.changed[row.delivery.id] = row
            return row
        rank, priority = row.delivery.rank, row.delivery.priority
        for other in lane.values():
            if other.number > row.number:
                rank, priority = min(rank, other.delivery.rank), max(priority, other.delivery.priority)
        row = _lifted(row, rank, priority)
        for other in list(lane.values()):
            if other.number < row.number and (moved := _lifted(other, rank, priority)) is not other:
                self._keep(moved)
        self._keep(row)
        return row

    def _newest(self, row: Row) -> Row:
        """Replace older states of the card that wait, or return this one as replaced by a newer state that waits."""
        lane = self._lane(row)
        for other in [each for each in lane.values() if each.is_card]:
            older, newer = sorted((row, other), key=lambda each: each.number)
            if not is_version(newer.event) or newer.leaves_after(older):  # a delayed tier sees one after the other
                continue
            if other.number > row.number:
                self._keep(other.replacing(row))
                ended = row.replaced_by(other)
                self.changed[row.delivery.id] = ended
                return ended
            row = row.replacing(other)
            self.changed[other.delivery.id] = other.replaced_by(row)
            del lane[other.delivery.id]
        return row

    def has(self, sequence: str, destination: str) -> bool:
        """Whether a card of this sequence waits in a lane."""
        return any(row.is_card for row in self._rows.get((sequence, destination), {}).values())

    def unsent(self, sequence: str, destination: str) -> list[Row]:
        """The rows of a sequence that wait in a lane and were certainly never shown, oldest first."""
        rows = self._rows.get((sequence, destination), {}).values()
        return sorted((row for row in rows if not row.delivery.may_repeat), key=lambda each: each.number)

    def take(self, row: Row, successor: str) -> None:
        """Supersede a row that waits."""
        self.changed[row.delivery.id] = row.moved(DeliveryState.SUPERSEDED, f"superseded by {successor}")
        del self._lane(row)[row.delivery.id]

    def hurry(self, row: Row, until: datetime) -> None:
        """End the wait of a row at `until` at the latest."""
        if row.delivery.not_before is not None and until < row.delivery.not_before:
            self._keep(row._replace(delivery=row.delivery._replace(not_before=until)))

    def _keep(self, row: Row) -> None:
        self._lane(row)[row.delivery.id] = self.changed[row.delivery.id] = row

    def _lane(self, row: Row) -> dict[DeliveryId, Row]:
        return self._rows.setdefault((row.delivery.sequence, row.delivery.id.destination), {})


def choose(rows: Iterable[Row], lease: Lease) -> tuple[list[Row], list[Row], bool]:
    """The rows that `lease` takes, those that have outlived their validity, and whether a possible repeat was skipped.

    `rows` are in order, and may be sent or have outlived their validity.
    """
    most = lease.limit if lease.failures is None else TO_CHOOSE_FROM
    taken: list[Row] = []
    expired: list[Row] = []
    has_doubtful = False
    for row in rows:
        if row.delivery.valid_until <= lease.now:
            expired.append(row.outlived())
        elif lease.sure_only and row.delivery.may_repeat:
            has_doubtful = True
        else:
            taken.append(row.moved(DeliveryState.LEASED, row.delivery.reason))
            if len(taken) == most:
                break  # the next row is not read
    if (failures := lease.failures) is not None:
        taken.sort(key=lambda row: failures.get(row.delivery.id, 0))
    return taken[: lease.limit], expired, has_doubtful


def _lifted(row: Row, rank: int, priority: NotificationPriority) -> Row:
    delivery = row.delivery
    if delivery.rank <= rank and delivery.priority >= priority:
        return row
    lifted = delivery._replace(rank=min(delivery.rank, rank), priority=max(delivery.priority, priority))
    return row._replace(delivery=lifted)


def new_row(notification: Notification, number: int, sequence: str, wanted: NewDelivery) -> Row:
    """The row of a new delivery."""
    delivery = Delivery(
        DeliveryId(notification.id, wanted.destination),
        wanted.state,
        notification.priority,
        wanted.rank,
        sequence,
        wanted.valid_until or notification.valid_until,
        wanted.not_before,
        reason=wanted.reason,
    )
    return Row(number, notification.event, delivery, wanted.is_edit)


def settled(row: Row, verdict: Settlement) -> Row | None:
    """The row after the verdict; None if it is not leased, or may not change to that state."""
    old = row.delivery
    if old.state is not DeliveryState.LEASED or verdict.state not in NEXT_STATES[old.state]:
        return None
    new = Delivery(
        old.id,
        verdict.state,
        old.priority,
        old.rank,
        old.sequence,
        old.valid_until,
        verdict.not_before,
        verdict.attempts,
        verdict.unanswered,
        verdict.may_repeat,
        verdict.reason,
        old.message_id if verdict.message is None else verdict.message.message_id,
    )
    return row._replace(delivery=new)


def passed_on(row: Row, fallback: str, not_before: datetime | None) -> Row:
    """The delivery to a fallback destination. It may repeat a message that the first one may have shown."""
    old = row.delivery
    new = Delivery(
        DeliveryId(old.id.notification_id, fallback),
        DeliveryState.PENDING,
        old.priority,
        old.rank,
        old.sequence,
        old.valid_until,
        not_before,
        may_repeat=old.may_repeat,
        reason=f"passed on from {old.id.destination}",
    )
    return row._replace(delivery=new, is_edit=False)


def revived(row: Row, wish: Revive) -> Row | None:
    """The delivery that revives this row; None if it may not be revived."""
    old = row.delivery
    if old.state not in REVIVABLE:
        return None
    new = Delivery(
        old.id._replace(turn=old.id.turn + 1),
        DeliveryState.PENDING,
        old.priority,
        wish.rank,
        old.sequence,
        wish.valid_until,
        may_repeat=old.may_repeat or old.state is DeliveryState.UNCONFIRMED,
        reason=f"revives {old.id}",
    )
    return row._replace(delivery=new)


class _Anew(msgspec.Struct, frozen=True):
    """When a wait was last recounted."""

    attempt_ended: datetime
    """When it began: at the end of an attempt, or at the acceptance."""
    since: datetime


def counted_anew(row: Row, began: datetime, fact: bytes | None, now: datetime) -> tuple[Row, bytes]:
    """A pending row whose wait began at `now` or earlier, and the fact to save about it.

    A wait counts from `began`: the end of the last attempt, or the acceptance if there was none. Each time the clock is
    set back it is recounted, so that no wait gets longer or shorter. The fact is saved while the row waits. It is empty
    if there is nothing to save.
    """
    since = _since(fact, began)
    if since > now and (until := row.delivery.not_before) is not None:
        row = row._replace(delivery=row.delivery._replace(not_before=now + (until - since)))
    since = min(since, now)
    return row, b"" if since == began else msgspec.json.encode(_Anew(began, since))


def _since(fact: bytes | None, began: datetime) -> datetime:
    """When a wait that began at `began` was last recounted."""
    try:
        anew = msgspec.json.decode(fact or b"", type=_Anew)
    except (msgspec.DecodeError, UnicodeDecodeError):  # missing, or written by another version
        return began
    return anew.since if anew.attempt_ended == began and anew.since.tzinfo is not None else began
