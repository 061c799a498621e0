"""The commands of an outbox. A store applies a batch of them in one transaction.

A delivery and a message are rows of their own. See docs/why/0009-fan-out-at-intake.md and
docs/why/0014-a-message-is-a-row.md.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

import msgspec

from signalpost.delivery.deduplication import Filters
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.ledger import StreamState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome
from signalpost.domain.tier import UserTier
from signalpost.sinks.evidence import Loss
from signalpost.sinks.port import Shown, Successor

Answer = TypeVar("Answer")


class NewDelivery(NamedTuple):
    """A new delivery from intake: pending, or suppressed for `reason`."""

    destination: str
    rank: int
    state: DeliveryState = DeliveryState.PENDING
    reason: str | None = None
    not_before: datetime | None = None
    valid_until: datetime | None = None
    """None if it expires with its notification."""
    delay: timedelta = timedelta(0)
    """How long after faster tiers this tier gets a signal and its changes."""
    shows_ended: bool = False
    """Whether a delayed signal is still shown if it ended before its release."""
    is_edit: bool = False
    """Whether it will probably edit a card. Only the lease knows for certain."""


class NewNotification(NamedTuple):
    """A notification to save with its deliveries."""

    notification: Notification
    deliveries: tuple[NewDelivery, ...]
    key_until: datetime
    """Until when the key identifies this notification."""
    former_keys: tuple[str, ...] = ()
    """Other keys to look up, under which an earlier version may have accepted the same notification."""
    tiers: frozenset[UserTier] | None = None
    """Refuse a repeat if its signal was sent to a tier that is not among these; None refuses no repeat."""
    unpublished: str | None = None
    """Why a new signal is only recorded. Then its trade has expired, and all its deliveries are suppressed."""
    filters: Filters | None = None
    """The filters that decide whether a new signal is posted, at the time of the put; None for no filters."""

    def not_posted(self, reason: str) -> "NewNotification":
        """The same notification, but only recorded. Deliveries already suppressed for another reason keep it."""
        stopped = DeliveryState.SUPPRESSED
        each_of = (NewDelivery(each.destination, each.rank, stopped, each.reason or reason) for each in self.deliveries)
        return self._replace(deliveries=tuple(each_of), unpublished=reason)


class PutResult(NamedTuple):
    """The outcome for one notification: accepted, duplicate (with the first one's id) or refused."""

    outcome: Outcome
    notification_id: str
    added: tuple[str, ...] | None = None
    """The destinations for which it was accepted, if others already had it."""
    number: int | None = None
    """The number of the trade that a new signal opened."""
    version: int = 1
    """The version of that trade."""
    unpublished: str | None = None
    """Why a filter stopped this notification, or an earlier one of the same signal."""
    companions: tuple[str, ...] = ()


class OutboxEntry(NamedTuple):
    """A delivery and its notification."""

    delivery: Delivery
    notification: Notification
    card: Shown | None = None
    """In a lease: the message that shows its trade, which is edited, or to which its companion links."""
    replaces: Loss | None = None
    """In a lease: why the message that this one replaces was lost; None if it replaces none."""
    tier: UserTier | None = None
    """In a lease: the tier of its card."""
    closes: Shown | None = None
    """In a lease: the message of the trade that its trade reverses."""
    is_known: bool = False
    """In a lease: whether it replaces a lost message and has no news for its readers."""
    closed_by: Successor | None = None

    @property
    def is_edit(self) -> bool:
        """Whether it edits a message, and posts none."""
        return self.card is not None and not self.notification.is_companion


class Leased(NamedTuple):
    """The deliveries that a lane may send, and when to lease again."""

    entries: tuple[OutboxEntry, ...]
    expired: tuple[Delivery, ...]
    """The deliveries that ended instead of being leased."""
    next_at: datetime | None
    """At or before the earliest `not_before` that is still to come; None if no delivery waits for one."""
    has_doubtful: bool = False
    """Whether one was skipped only because it may repeat."""


class Damaged(NamedTuple):
    """A delivery whose damaged row was set aside."""

    delivery: Delivery
    """The readable part, with its state now: dead, or the final state that it had."""
    was_open: bool
    """Whether it was pending or leased."""


class Message(NamedTuple):
    """A message at a destination. It is a row of its own, so that it can be edited."""

    destination: str
    message_id: str
    sent_at: datetime
    version: int = 1
    channel: str | None = None
    guild: str | None = None
    webhook: str | None = None
    digest: str | None = None
    """The digest of what it shows, from the receipt."""
    has_chart: bool = False


class CardResult(NamedTuple):
    """The result of a delivery for the card of its trade or alert."""

    version: int
    is_edit: bool
    loss: Loss | None = None
    """Why the message that was to be edited is gone."""
    is_stopped: bool = False
    """True if it is not posted again."""
    is_uncertain: bool = False
    """Whether it is unknown if the message was edited."""
    shows_end: bool = False
    is_of_alert: bool = False


class Settlement(NamedTuple):
    """The verdict on one leased delivery. `state` PENDING returns it to its lane, perhaps with `not_before`."""

    id: DeliveryId
    state: DeliveryState
    attempt: Attempt | None
    """The attempt to save in its history; None if nothing was sent."""
    attempts: int
    unanswered: int
    may_repeat: bool
    not_before: datetime | None = None
    reason: str | None = None
    message: Message | None = None
    card: CardResult | None = None
    """Only for the card of a trade or an alert."""


class Command(msgspec.Struct, Generic[Answer], frozen=True):
    """A command for an outbox. Each subclass documents its answer."""


class Put(Command[list[PutResult]], frozen=True):
    """Save notifications, and the state of the stream that made them, all or nothing. Answer: a `PutResult` each.

    A key is in force while its row exists. If it is known with other content, the notification is refused. With the
    same content, it is a duplicate for the destinations that got it under that key, and accepted for others if one of
    those is pending; after the first notification is pruned, it is a duplicate for all. A delivery of higher priority
    lifts the waiting ones of its sequence in the lane, so that none of them is ranked behind it.
    """

    notifications: tuple[NewNotification, ...]
    state: StreamState | None = None


class Lease(Command[Leased], frozen=True):
    """Lease the first deliveries of a lane for sending. Answer: `Leased`.

    They are ordered by rank, then by acceptance. A delivery is skipped if its `not_before` has not come, or if another
    one of its sequence is in flight or waits before it. If its `valid_until` has come, it expires instead, or becomes
    unconfirmed if it may have been shown. A card or companion that would show nothing new is superseded, and one that
    may not be shown any more is suppressed. If the companions of at least three trades wait, they are leased together,
    beyond the limit, to leave in one message.
    """

    destination: str
    now: datetime
    limit: int = 1
    express: bool = False
    """Lease only URGENT and HIGH deliveries, wherever they are in the lane."""
    sure_only: bool = False
    """Lease only deliveries that were certainly never shown."""
    posts: bool = True
    """Lease deliveries that post a message."""
    edits: bool = True
    """Lease deliveries that edit a card."""
    failures: Mapping[DeliveryId, int] | None = None
    """How often each delivery failed recently. If set, the one that failed least of the next 20 is leased."""


class Namespace(StrEnum):
    """The kinds of things that facts are about."""

    DESTINATION = "destination"
    WEBHOOK = "webhook"
    HOST = "host"
    DELIVERY = "delivery"
    STORE = "store"


class Subject(NamedTuple):
    """One thing that facts are about."""

    name: str
    namespace: Namespace = Namespace.DESTINATION


class SaveFacts(Command[None], frozen=True):
    """Save facts about a subject. An empty value deletes one. Answer: None."""

    subject: Subject
    facts: Mapping[str, bytes]


class Settle(Command[list[Delivery]], frozen=True):
    """Save verdicts. Answer: the deliveries as they stand now. One that is no longer leased does not change."""

    settlements: tuple[Settlement, ...]
    facts: tuple[SaveFacts, ...] = ()
    """Facts learned from the messages. They are saved with the verdicts, or not at all."""


class SettledAndLeased(NamedTuple):
    """The deliveries as they stand after their verdicts, and the next lease."""

    settled: list[Delivery]
    leased: Leased | None
    """None if the lease failed. The verdicts are committed anyway."""


class SettleAndLease(Command[SettledAndLeased], frozen=True):
    """Settle and then lease in one transaction, which saves a commit. The verdicts do not depend on the lease.

    If several such commands follow one another in a batch, the verdicts of all come before the leases.
    """

    settle: Settle
    lease: Lease


class PassOnResult(NamedTuple):
    """The deliveries that left a lane, those that replace them, and when to look again."""

    ended: tuple[tuple[Delivery, Notification | None], ...]
    added: tuple[Delivery, ...]
    """The deliveries to fallback destinations."""
    next_at: datetime | None
    """As in `Leased`."""


class PassOn(Command[PassOnResult], frozen=True):
    """Pass deliveries that may leave a lane on to fallback destinations, in one transaction. Answer: `PassOnResult`.

    Each ends as dead, or as unconfirmed if it may have been shown. One to the fallback replaces it, and may then be a
    repeat. Other waiting deliveries of the trade go along, and the fallback shows its card from now on.
    """

    destination: str
    now: datetime
    reason: str
    by_tier: Mapping[UserTier, str]
    """The fallback for signals, by the tier of their card. If there is none, or it is this lane, signals wait."""
    by_kind: Mapping[str, str]
    """The fallback for other notifications, by their routing key."""
    gone: frozenset[str] = frozenset()
    """Destinations that are gone for good. A new notification that has no other destination ends."""


class Expire(Command[list[Delivery]], frozen=True):
    """Expire pending deliveries whose `valid_until` has come, at most `limit`. Answer: those deliveries.

    One that may have been shown becomes unconfirmed instead.
    """

    now: datetime
    limit: int = 500


class ShortenWaits(Command[list[Delivery]], frozen=True):
    """Shorten waits that became too long because the clock was set back.

    After it, no wait lasts longer than it did at the end of the last attempt, or at the acceptance if there was none.
    Needed each time the clock is set back. Repeating the command changes nothing. Answer: the deliveries whose wait is
    shorter now.
    """

    now: datetime


class Cancel(Command[Delivery | None], frozen=True):
    """Cancel a pending delivery. Answer: it, or None if it is not pending."""

    id: DeliveryId
    reason: str


class Revive(Command[Delivery | None], frozen=True):
    """Add a new pending delivery in place of a dead, unconfirmed, expired or cancelled one. Answer: it, or None."""

    id: DeliveryId
    rank: int
    valid_until: datetime


class Find(Command[tuple[OutboxEntry, ...]], frozen=True):
    """Look deliveries up, newest first. Answer: a tuple of `OutboxEntry`."""

    notification_id: str | None = None
    destination: str | None = None
    states: frozenset[DeliveryState] = frozenset()
    """Only deliveries in one of these; empty for all. A damaged one counts as dead."""
    limit: int = 100
    priority: NotificationPriority | None = None
    since: datetime | None = None
    """Only those that were accepted then or later."""


class Open(Command[tuple[Delivery, ...]], frozen=True):
    """Look up pending and leased deliveries without their notifications: cheap, however large those are.

    Answer: a tuple of `Delivery`. Leased ones come first, then each lane's in the order in which they leave it; with
    `notification_ids` they come by id.
    """

    destination: str | None = None
    notification_ids: tuple[str, ...] | None = None
    limit: int = 1000
    edits_held_in: frozenset[str] = frozenset()
    """Destinations whose pending edits of cards do not count."""


class History(Command[tuple[Attempt, ...]], frozen=True):
    """The attempts of a delivery, oldest first. Answer: a tuple of `Attempt`."""

    id: DeliveryId


class Stats(Command[dict[tuple[str, DeliveryState], int]], frozen=True):
    """Count. Answer: the number of deliveries by (destination, state)."""

    only_open: bool = False
    """Only pending and leased ones. The cost grows with their number only."""


class LoadState(Command[StreamState | None], frozen=True):
    """The last committed state of a stream. Answer: `StreamState`, or None."""

    stream: str


class LoadFacts(Command[dict[str, bytes]], frozen=True):
    """The saved facts about a subject. Answer: a mapping of name to JSON."""

    subject: Subject


class SetAside(Command[tuple[Damaged, ...]], frozen=True):
    """End the deliveries whose rows were found damaged since the last call. Answer: those."""


class Prune(Command[int], frozen=True):
    """Delete old notifications without open deliveries. Answer: how many. Their keys stay."""

    before: datetime
    limit: int = 200


class ForgetKeys(Command[str], frozen=True):
    """Delete expired keys. Answer: the last key that was checked; empty once all were."""

    now: datetime
    after: str = ""
    """The last answer: where to continue."""
    limit: int = 2_000
