"""The simplest possible outbox, which shares no code with the real ones: plain lists."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from signalpost.delivery.outbox import commands as c
from signalpost.delivery.outbox.backlog import Backlog, LaneBacklog
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.ledger import StreamState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome

OPEN = ("pending", "leased")


class Anything:
    """Equal to any text, because the wording of a reason is not checked."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Row:
    number: int
    notification: Notification
    lane: str
    turn: int
    state: str
    rank: int
    priority: NotificationPriority
    valid_until: datetime
    not_before: datetime | None = None
    attempts: int = 0
    unanswered: int = 0
    may_repeat: bool = False
    reason: Any = None
    message_id: str | None = None
    history: list[Attempt] = field(default_factory=list)
    restart: tuple[datetime, datetime] | None = None
    """When its wait began, and when it was last recounted."""

    @property
    def id(self) -> DeliveryId:
        return DeliveryId(self.notification.id, self.lane, self.turn)

    def shown(self) -> Delivery:
        return Delivery(
            self.id,
            DeliveryState(self.state),
            self.priority,
            self.rank,
            self.notification.sequence,
            self.valid_until,
            self.not_before,
            self.attempts,
            self.unanswered,
            self.may_repeat,
            self.reason,
            self.message_id,
        )


class OutboxModel:
    def __init__(self) -> None:
        self.notifications: list[Notification] = []
        self.rows: list[Row] = []
        self.keys: dict[str, tuple[bytes, str, datetime]] = {}
        self.streams: dict[str, StreamState] = {}
        self.facts: dict[c.Subject, dict[str, bytes]] = {}
        self.number = 0

    def apply(self, batch: list[Any]) -> list[Any]:
        answers: list[Any] = []
        for kind, group in groupby(batch, key=type):
            commands = list(group)
            if kind is c.SettleAndLease:  # the verdicts of all come before the leases
                settled = [self.settle(command.settle) for command in commands]
                answers += map(c.SettledAndLeased, settled, [self.lease(command.lease) for command in commands])
            else:
                answers += [getattr(self, kind.__name__.lower())(command) for command in commands]
        return answers

    def put(self, command: c.Put) -> list[c.PutResult]:
        results = [self._accept(item) for item in command.notifications]
        if command.state:
            self.streams[command.state.stream] = command.state
        return results

    def _accept(self, item: c.NewNotification) -> c.PutResult:
        notification = item.notification
        known = next((self.keys[key] for key in (notification.key, *item.former_keys) if key in self.keys), None)
        if known is None:
            self.keys[notification.key] = notification.content_hash, notification.id, item.key_until
            self._enter(notification, item.deliveries)
            return c.PutResult(Outcome.ACCEPTED, notification.id)
        content, first, _ = known
        if content != notification.content_hash and content[0] == notification.content_hash[0]:
            return c.PutResult(Outcome.REFUSED, first)
        have = {row.lane for row in self.rows if row.notification.id == first}
        missing = tuple(
            each
            for each in item.deliveries
            if have and each.destination not in have and f"{notification.key} \t{each.destination}" not in self.keys
        )
        if all(each.state != "pending" for each in missing):
            return c.PutResult(Outcome.DUPLICATE, first)
        for each in missing:
            self.keys[f"{notification.key} \t{each.destination}"] = (
                notification.content_hash,
                notification.id,
                item.key_until,
            )
        self._enter(notification, missing)
        return c.PutResult(Outcome.ACCEPTED, notification.id, tuple(each.destination for each in missing))

    def _enter(self, notification: Notification, deliveries: tuple[c.NewDelivery, ...]) -> None:
        self.notifications.append(notification)
        self.number += 1
        for wanted in deliveries:
            made = Row(
                self.number,
                notification,
                wanted.destination,
                1,
                str(wanted.state),
                wanted.rank,
                notification.priority,
                notification.valid_until,
            )
            made.reason = wanted.reason
            self.rows.append(made)
        self._settle_order()

    def _waiting(self, lane: str) -> list[Row]:
        """The pending deliveries of a lane, in its order."""
        return sorted(
            (o for o in self.rows if o.lane == lane and o.state == "pending"), key=lambda o: (o.rank, o.number)
        )

    def _settle_order(self) -> None:
        """A waiting delivery gets the best rank and priority of itself and all later ones of its sequence."""
        waiting = sorted((o for o in self.rows if o.state == "pending"), key=lambda o: o.number)
        for old in waiting:
            line = [
                o
                for o in waiting
                if (o.notification.sequence, o.lane) == (old.notification.sequence, old.lane) and o.number >= old.number
            ]
            old.rank, old.priority = min(o.rank for o in line), max(o.priority for o in line)

    def lease(self, command: c.Lease) -> c.Leased:
        lane = self._waiting(command.destination)
        if command.express:
            lane = [o for o in lane if o.priority in (NotificationPriority.HIGH, NotificationPriority.URGENT)]
        in_flight = [
            o.notification.sequence for o in self.rows if o.lane == command.destination and o.state == "leased"
        ]
        entries, expired, waits, doubtful = [], [], [], False
        for row in lane:
            if len(entries) == command.limit:
                break
            if row.valid_until <= command.now:
                expired.append(self._outlived(row))
            elif row.notification.sequence not in in_flight:
                in_flight.append(row.notification.sequence)
                if row.not_before and row.not_before > command.now:
                    waits.append(row.not_before)
                elif command.sure_only and row.may_repeat:
                    doubtful = True
                else:
                    row.state = "leased"
                    entries.append(c.OutboxEntry(row.shown(), row.notification))
        return c.Leased(tuple(entries), tuple(expired), min(waits, default=None), doubtful)

    def settle(self, command: c.Settle) -> list[Delivery]:
        touched = []
        for verdict in command.settlements:
            row = self._get(verdict.id)
            if row is None:
                continue
            touched.append(row)
            if row.state == "leased" and verdict.state in (
                "pending",
                "delivered",
                "unconfirmed",
                "expired",
                "suppressed",
                "superseded",
                "dead",
            ):
                self._judge(row, verdict)
                self._settle_order()
        return [row.shown() for row in touched]

    def _judge(self, row: Row, verdict: c.Settlement) -> None:
        row.state, row.reason, row.not_before = str(verdict.state), verdict.reason, verdict.not_before
        row.attempts, row.unanswered, row.may_repeat = verdict.attempts, verdict.unanswered, verdict.may_repeat
        if verdict.attempt:
            row.history.append(verdict.attempt)
        if verdict.message:
            row.message_id = verdict.message.message_id

    def _get(self, name: DeliveryId) -> Row | None:
        return next((row for row in self.rows if row.id == name), None)

    def passon(self, command: c.PassOn) -> c.PassOnResult:
        here = self._waiting(command.destination)
        leaving = set()
        for row in here:
            earlier = [
                o for o in here if o.notification.sequence == row.notification.sequence and o.number < row.number
            ]
            earlier = [o for o in earlier if o.valid_until > command.now]
            in_flight = {
                o.notification.sequence for o in self.rows if o.lane == command.destination and o.state == "leased"
            }
            is_due = row.not_before is None or row.not_before <= command.now
            if earlier or row.notification.sequence in in_flight or not is_due or row.valid_until <= command.now:
                continue
            leaving.add(row.notification.sequence)
        to = command.by_kind.get("alert")
        ended, added = [], []
        for row in sorted(here, key=lambda o: o.number) if to else ():
            if row.notification.sequence not in leaving:
                continue
            if self._get(DeliveryId(row.notification.id, to)) is None:
                made = Row(
                    row.number, row.notification, to, 1, "pending", row.rank, row.priority, row.valid_until,
                    row.not_before, may_repeat=row.may_repeat, reason=Anything(),
                )  # fmt: skip
                self.rows.append(made)
                added.append(made)
            ended.append((self._end(row, "unconfirmed" if row.may_repeat else "dead", Anything()), row.notification))
        self._settle_order()
        waits = [o.not_before for o in self._waiting(command.destination) if o.not_before]
        waits = [at for at in waits if at > command.now]
        return c.PassOnResult(tuple(ended), tuple(row.shown() for row in added), min(waits, default=None))

    def expire(self, command: c.Expire) -> list[Delivery]:
        old = [
            o
            for lane in sorted({o.lane for o in self.rows})
            for o in self._waiting(lane)
            if o.valid_until <= command.now
        ]
        return [self._outlived(row) for row in old[: command.limit]]

    def shortenwaits(self, command: c.ShortenWaits) -> list[Delivery]:
        changed = []
        for row in sorted(self.rows, key=lambda row: row.id):
            is_beyond = row.state == "pending" and row.not_before and row.not_before > command.now
            restart, row.restart = row.restart, None
            if is_beyond:
                began = row.history[-1].ended_at if row.history else row.notification.accepted_at
                since = restart[1] if restart and restart[0] == began else began
                row.restart = began, min(since, command.now)
                if since > command.now:
                    row.not_before += command.now - since
                    changed.append(row.shown())
        return changed

    def cancel(self, command: c.Cancel) -> Delivery | None:
        row = self._get(command.id)
        return self._end(row, "cancelled", command.reason) if row and row.state == "pending" else None

    def _outlived(self, row: Row) -> Delivery:
        return self._end(row, "unconfirmed" if row.may_repeat else "expired", Anything())

    def _end(self, row: Row, state: str, reason: Any) -> Delivery:
        row.state, row.reason = state, reason
        return row.shown()

    def revive(self, command: c.Revive) -> Delivery | None:
        row = self._get(command.id)
        turns = [o.turn for o in self.rows if o.id[:2] == command.id[:2]]
        if row is None or row.turn != max(turns) or row.state not in ("dead", "unconfirmed", "expired", "cancelled"):
            return None
        again = Row(
            row.number,
            row.notification,
            row.lane,
            row.turn + 1,
            "pending",
            command.rank,
            row.priority,
            command.valid_until,
        )
        again.may_repeat, again.reason = row.may_repeat or row.state == "unconfirmed", Anything()
        self.rows.append(again)
        self._settle_order()
        return again.shown()

    def find(self, command: c.Find) -> tuple[c.OutboxEntry, ...]:
        found = sorted(self.rows, key=lambda row: row.id, reverse=True)
        if command.notification_id is not None:
            found = [row for row in found if row.notification.id == command.notification_id]
        if command.destination is not None:
            found = [row for row in found if row.lane == command.destination]
        if command.states:
            found = [row for row in found if row.state in command.states]
        return tuple(c.OutboxEntry(row.shown(), row.notification) for row in found[: command.limit])

    def open(self, command: c.Open) -> tuple[Delivery, ...]:
        found = [row for row in self.rows if row.state in OPEN]
        found.sort(key=lambda row: (row.state, row.lane, row.rank, row.number))
        if command.notification_ids is not None:
            found = sorted((o for o in found if o.notification.id in command.notification_ids), key=lambda row: row.id)
        if command.destination is not None:
            found = [row for row in found if row.lane == command.destination]
        return tuple(row.shown() for row in found[: command.limit])

    def history(self, command: c.History) -> tuple[Attempt, ...]:
        row = self._get(command.id)
        return tuple(row.history) if row else ()

    def stats(self, _: c.Stats) -> dict[tuple[str, DeliveryState], int]:
        return dict(Counter((row.lane, DeliveryState(row.state)) for row in self.rows))

    def backlog(self, _: Backlog) -> dict[str, LaneBacklog]:
        accepted: dict[str, list[datetime]] = {}
        for row in sorted(self.rows, key=lambda row: row.number):
            if row.state in OPEN:
                accepted.setdefault(row.lane, []).append(row.notification.accepted_at)
        return {lane: LaneBacklog(len(every), every[0]) for lane, every in accepted.items()}

    def loadstate(self, command: c.LoadState) -> StreamState | None:
        return self.streams.get(command.stream)

    def loadfacts(self, command: c.LoadFacts) -> dict[str, bytes]:
        return self.facts.get(command.subject, {})

    def savefacts(self, command: c.SaveFacts) -> None:
        known = self.facts.get(command.subject, {}) | dict(command.facts)
        self.facts[command.subject] = {name: value for name, value in known.items() if value}

    def prune(self, command: c.Prune) -> int:
        gone: list[Notification] = []
        for notification in self.notifications:
            if notification.accepted_at >= command.before or len(gone) == command.limit:
                break
            if not any(row.notification.id == notification.id and row.state in OPEN for row in self.rows):
                gone.append(notification)
        names = {notification.id for notification in gone}
        self.notifications = [notification for notification in self.notifications if notification.id not in names]
        self.rows = [row for row in self.rows if row.notification.id not in names]
        return len(gone)

    def forgetkeys(self, command: c.ForgetKeys) -> str:
        page = sorted(key for key in self.keys if key > command.after)[: command.limit]
        for key in page:
            if self.keys[key][2] <= command.now:
                del self.keys[key]
        return page[-1] if len(page) == command.limit else ""
