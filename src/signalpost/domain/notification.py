"""A payload with a priority and a tier, before it is formatted for a destination."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, Self, get_args

import msgspec

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.context import NO_CONTEXT, Context
from signalpost.domain.digest import Digest
from signalpost.domain.exact import plain
from signalpost.domain.life import opened
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.recap import Recap
from signalpost.domain.reports import Alert, AlertSeverity, AlertStatus, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.side import SignalStatus
from signalpost.domain.signal import Signal
from signalpost.domain.text import id_of, text_of
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade
from signalpost.domain.value import Value, encoded
from signalpost.domain.words import member
from signalpost.errors import InvalidValue

Payload = Signal | Alert | MarketAnalysis | SystemStatus | Announcement | Digest | Recap
"""The types of payload. Only the service itself makes a digest or a recap."""

KINDS = ("signal", "alert", "market_analysis", "system_status", "announcement")
"""The kinds of notification, as named in settings: the tags of the payloads, except digests and recaps."""

HASH_VERSION = 2
"""The first byte of `content_hash`. Hashes of version 1 had 16 bytes and no version."""

NEW = "new"
"""The event of a new signal, and the default event of other payloads."""

_VERSION = re.compile(r"v[1-9]\d*", re.ASCII)
"""The event of a change: the version of the trade after it."""

CHART = " chart"
"""Ends the event of an edit that adds a chart to the card of a version."""

COMPANION = "\tcompanion"
"""Ends the sequence of the companions of a signal or an alert. No id contains a tab."""

CLOSED = "closed"
"""The event of a signal's end."""

URGENT_ABOVE = Decimal("0.9")
HIGH_ABOVE = Decimal("0.8")

_BY_SEVERITY = {
    AlertSeverity.CRITICAL: NotificationPriority.URGENT,
    AlertSeverity.HIGH: NotificationPriority.HIGH,
    AlertSeverity.MEDIUM: NotificationPriority.NORMAL,
    AlertSeverity.LOW: NotificationPriority.LOW,
    AlertSeverity.INFO: NotificationPriority.LOW,
}

_NOT_CONTENT = frozenset({"created_at", "updated_at", "known_at", "valid_until", "price_places"})
"""Fields that default to the time of the call, so they differ between two calls with the same content; and the number
of decimals shown."""
_ID_FIELD_BY_KIND: Mapping[type[Payload], str] = {
    Signal: "signal_id",
    Alert: "alert_id",
    MarketAnalysis: "analysis_id",
    SystemStatus: "status_id",
    Announcement: "announcement_id",
    Digest: "digest_id",
    Recap: "recap_id",
}
"""The field with the id of each kind. It is already part of the key."""


def for_one(kind: str, destination: str | None) -> str:
    """The routing key of a kind of notification that is for one destination only."""
    return f"{kind} {destination}"


class Notification(Value, frozen=True, kw_only=True, tag="notification"):
    """A payload with a priority and a tier, accepted at an instant and valid until another.

    Made by `notification_of`, which validates its parts. Intake sets the id.
    """

    id: str
    """The ticket's id: unique, and later ids sort later."""
    payload: Payload
    event: str
    """The change it reports: `new`, `update 3`, `filled`, `closed`."""
    priority: NotificationPriority
    user_tier: UserTier
    accepted_at: datetime
    valid_until: datetime
    context: Context = NO_CONTEXT
    """The caller's facts, shown in the given order."""
    run: str | None = None
    """The id of the replay it belongs to; None outside replays."""
    about: str | None = None
    """The destination that it reports on; it is never sent there."""
    number: int | None = None
    """Of the trade that a new signal opened; None outside the signal book."""
    closes: int | None = None
    """The number of the trade that a new signal reverses."""
    trade: Trade | None = None
    """The trade after a change that this reports."""
    before: Trade | None = None
    """In a companion: the trade when readers were last notified. A companion posts a message, not the card."""
    is_recovery: bool = False
    """Whether it is the companion of a resolved alert: a message in addition to the edit of the alert's own message."""

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Parse a notification from JSON, also of earlier versions, in which a closed signal was FILLED."""
        read = super().from_json(data)
        signal = read.payload
        if read.event == CLOSED and isinstance(signal, Signal) and signal.status is SignalStatus.FILLED:
            return read.but(payload=signal.but(status=SignalStatus.CLOSED))
        return read

    @property
    def kind(self) -> str:
        """One of KINDS, `digest` or `recap`."""
        return str(type(self.payload).__struct_config__.tag)

    @property
    def routed_by(self) -> str:
        """The routing key: its kind. A digest or recap adds its only destination: `recap signals-free`."""
        return for_one(self.kind, self.payload.destination) if isinstance(self.payload, Digest | Recap) else self.kind

    @property
    def sequence(self) -> str:
        """Notifications with the same sequence stay in order: the payload's id, prefixed with the replay's.

        Companions have one of their own, because they must not wait for the card.
        """
        name = sequence_of(payload_id(self.payload), self.run)
        return f"{name}{COMPANION}" if self.is_companion else name

    @property
    def is_companion(self) -> bool:
        """True if it posts a short message beside a card, and does not show the card itself."""
        return self.is_recovery or self.before is not None

    @property
    def companion_id(self) -> str:
        """The id of the companion of a resolved alert."""
        return f"{self.id}c"

    @property
    def resolves(self) -> bool:
        """True if it shows that an alert which was sent before is resolved."""
        if self.event == NEW or self.is_recovery or not isinstance(self.payload, Alert):
            return False
        return self.payload.status is AlertStatus.RESOLVED

    @property
    def shown(self) -> Trade | None:
        """The trade that the card of a signal shows; None for updates saved by an earlier version, and other kinds."""
        if self.trade is None and self.event == NEW and isinstance(self.payload, Signal):
            trade = opened(self.payload, self.number or 0, (self.user_tier,), self.accepted_at, self.context)
            return trade if self.closes is None else trade.but(closes=self.closes)
        return self.trade

    @property
    def tiers(self) -> tuple[UserTier, ...]:
        """The tiers that it is for."""
        return (self.user_tier,) if self.trade is None else self.trade.tiers

    @property
    def key(self) -> str:
        """The idempotency key: a repeat of the notification has the same one."""
        return self.key_of(payload_id(self.payload))

    def key_of(self, name: str) -> str:
        """The idempotency key that this notification would have if its payload had this id."""
        return f"{sequence_of(name, self.run)} {self.event}"

    @property
    def content_hash(self) -> bytes:
        """Distinguishes a repeat from different content under the same key: a version and a hash of 16 bytes.

        Covers the payload's content and the context. It leaves out the tier and fields at their default, so that a
        later version can add or remove a field without changing existing hashes.
        """
        content = [_content(self.payload, self.event), list(self.context.items())]
        return bytes((HASH_VERSION,)) + hashlib.blake2b(encoded(content), digest_size=16).digest()


def sequence_of(name: str, run: str | None) -> str:
    """The sequence of a payload with this id, in a replay or outside."""
    return name if run is None else f"{run}/{name}"


def notification_of(
    payload: Payload,
    priority: NotificationPriority | int | str | None = None,
    user_tier: UserTier | str | None = None,
    context: Mapping[str, object] | None = None,
    *,
    event: str = "new",
    ticket_id: str = "",
    accepted_at: datetime | None = None,
    run: str | None = None,
    about: str | None = None,
) -> Notification:
    """A notification from a caller's arguments, which are copied. Raises InvalidValue for invalid ones.

    The default priority depends on the payload; the default tier is FREE.
    """
    check_kind(payload, Payload)
    return Notification(
        id=ticket_id,
        payload=payload,
        event=_event(event),
        priority=usual_priority(payload) if priority is None else member(NotificationPriority, priority, "priority"),
        user_tier=UserTier.FREE if user_tier is None else UserTier(user_tier),
        accepted_at=clock.now() if accepted_at is None else accepted_at,
        valid_until=payload.valid_until,
        context=context_of(context),
        run=run,
        about=None if about is None else text_of(about, "about"),
    )


def _event(given: str) -> str:
    if given == NEW:
        return NEW
    event = id_of(given, "event")
    if is_version(event.removesuffix(CHART)):
        advice = "use another word, such as 'update 1', because this one is kept for changes of a signal"
        raise InvalidValue(f"event is {event!r}: {advice}", code="reserved", field="event", value=event)
    return event


def check_kind(payload: Payload, kind: Any) -> None:
    """Raises InvalidValue unless `payload` is of `kind`, a type of payload or a union of them."""
    if not isinstance(payload, kind):
        known = ", ".join(each.__name__ for each in get_args(kind) or (kind,) if each not in {Digest, Recap})
        given = type(payload).__name__
        text = f"a {given} cannot be sent this way: use one of {known}"
        raise InvalidValue(text, code="wrong-kind", field="payload", value=given, limit=known)


def context_of(context: Mapping[str, object] | None) -> Context:
    """A copy of a caller's facts. Raises InvalidValue."""
    if context is None:
        return NO_CONTEXT
    return context if isinstance(context, Context) else Context(context)


def usual_priority(payload: Payload) -> NotificationPriority:
    """The default priority: a confidence above 0.9 is URGENT, above 0.8 HIGH; a critical alert is URGENT."""
    if isinstance(payload, Signal):
        confidence = payload.confidence_score
        if confidence is None or confidence <= HIGH_ABOVE:
            return NotificationPriority.NORMAL
        return NotificationPriority.URGENT if confidence > URGENT_ABOVE else NotificationPriority.HIGH
    if isinstance(payload, Alert):
        return _BY_SEVERITY[payload.severity]
    return NotificationPriority.LOW if isinstance(payload, SystemStatus) else NotificationPriority.NORMAL


def is_version(event: str) -> bool:
    """True for the event of a change in the signal book, such as `v2`."""
    return _VERSION.fullmatch(event) is not None


def is_chart(event: str) -> bool:
    """True for the event of an edit that adds a chart to a card, such as `v1 chart`."""
    return event.endswith(CHART) and is_version(event.removesuffix(CHART))


def is_same_content(known: bytes, other: bytes) -> bool:
    """True if two hashes may stand for the same content; hashes of different versions always may."""
    return known == other or len(known) != len(other) or known[0] != other[0]


def _content(payload: Payload, event: str) -> list[tuple[str, object]]:
    """The fields that are content, by name."""
    fields, values_of = _content_fields(type(payload))
    content: list[tuple[str, object]] = []
    for (name, default, follows, as_content), value in zip(fields, values_of(payload), strict=True):
        if value is default or (default is not None and value == default):
            continue
        if follows is not None and follows(payload, value):
            continue
        if type(value) is Decimal:
            content.append((name, plain(value)))  # 1.10 is 1.1
        elif value is SignalStatus.CLOSED and event == CLOSED:
            content.append((name, SignalStatus.FILLED))  # its name in earlier versions, whose hashes stay valid
        else:
            content.append((name, value if as_content is None else as_content(value)))
    return content


_PLAIN_BY_FIELD: Mapping[str, Callable[[Any], object]] = {
    "entry_zone": lambda zone: [plain(zone.low), plain(zone.high)],
    "targets": lambda targets: [(plain(each.price), each.share and plain(each.share)) for each in targets],
}
"""Fields with several prices, as they are in the content."""


_FOLLOWS: Mapping[str, Callable[[Any, Any], bool]] = {
    "current_price": lambda signal, price: price == signal.entry_price,
    "crossover_type": lambda signal, crossover: crossover is signal.signal_type.crossover,
    "risk_reward_ratio": lambda signal, _: signal.take_profit is not None and _has_stop(signal),
    "status": lambda signal, status: status is signal.order.first_status,
    "targets": lambda _, targets: len(targets) == 1 and targets[0].share is None,
    "good_until": lambda signal, until: until == signal.known_at + validity.of_order(signal.timeframe),
}
"""For each field of a signal whose value may follow from other fields: whether it does. If so, it is not content."""


def _has_stop(signal: Signal) -> bool:
    return signal.stop_loss is not None or signal.initial_stop is not None


_ContentField = tuple[str, object, Callable[[Any, Any], bool] | None, Callable[[Any], object] | None]
"""A field that counts as content: its name, its default, whether it follows from others, and how it is written."""


@cache
def _content_fields(kind: type[Payload]) -> tuple[tuple[_ContentField, ...], Callable[[Payload], Sequence[object]]]:
    """The fields that count as content, sorted by name, and a function that reads their values."""
    # An alert's or a report's timestamp defaults to the time of the call. A signal's is its candle's, and required.
    excluded = {*_NOT_CONTENT, _ID_FIELD_BY_KIND[kind], *(() if kind is Signal else ("timestamp",))}
    default_by_name = {
        each.name: None if each.required else each.default
        for each in msgspec.structs.fields(kind)
        if each.name not in excluded
    }
    names = sorted(default_by_name)
    follows = _FOLLOWS if kind is Signal else {}
    fields = [(name, default_by_name[name], follows.get(name), _PLAIN_BY_FIELD.get(name)) for name in names]
    return tuple(fields), attrgetter(*names)


def payload_id(payload: Payload) -> str:
    """The payload's own id."""
    name: str = getattr(payload, _ID_FIELD_BY_KIND[type(payload)])
    return name
