"""What to tell and how urgently, before any destination's format."""

import hashlib
from datetime import datetime
from decimal import Decimal
from functools import cache

import msgspec

from signalpost.domain.alert import Alert
from signalpost.domain.announcement import Announcement
from signalpost.domain.context import Context
from signalpost.domain.exact import plain
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus
from signalpost.domain.tier import UserTier
from signalpost.domain.value import Value, encoded

Payload = Signal | Alert | MarketAnalysis | SystemStatus | Announcement
"""What a notification can be about."""

KINDS = ("signal", "alert", "market_analysis", "system_status", "announcement")
"""What a notification can be, by the name that it has in settings: the tag of its payload."""

HASH_VERSION = 2
"""Of `content_hash`, which begins with it. Hashes of version 1 had 16 bytes and no version."""

_NOT_CONTENT = frozenset({"created_at", "updated_at", "known_at", "valid_until", "price_places"})
"""Fields that default to the time of the call, so that two calls about the same thing differ in them; and how many
decimals are shown."""
_IDS = frozenset({"signal_id", "alert_id", "analysis_id", "status_id", "announcement_id"})
"""Fields that are in the key already."""


class Notification(Value, frozen=True, kw_only=True, tag="notification"):
    """A payload on its way: accepted at an instant, for a tier, with a priority, until it is worth nothing.

    Made by intake, which has checked its parts.
    """

    id: str
    """Names its ticket; unique, and later ones sort later."""
    payload: Payload
    event: str
    """What happened to the payload: `new`, `update 3`, `filled`, `closed`."""
    priority: NotificationPriority
    user_tier: UserTier
    accepted_at: datetime
    valid_until: datetime
    context: Context = Context()
    """Facts of the caller, shown in the order given."""
    run: str | None = None
    """The id of the replay it belongs to; None for what happens now."""
    about: str | None = None
    """The destination that it is about, where it must not go."""

    @property
    def kind(self) -> str:
        """Which of KINDS it is."""
        return str(type(self.payload).__struct_config__.tag)

    @property
    def sequence(self) -> str:
        """What its order is kept within: the payload's id, apart for each replay."""
        return payload_id(self.payload) if self.run is None else f"{self.run}/{payload_id(self.payload)}"

    @property
    def key(self) -> str:
        """The idempotency key: the same thing again has the same one."""
        return self.key_of(payload_id(self.payload))

    def key_of(self, name: str) -> str:
        """The idempotency key that this notification would have if its payload had this id."""
        return f"{name} {self.event}" if self.run is None else f"{self.run}/{name} {self.event}"

    @property
    def content_hash(self) -> bytes:
        """What tells the same thing again from another under the same key: a version and a hash of 16 bytes.

        It covers what the payload says and the context, neither the tier nor fields at their default: a later version
        may add or remove a field or a default, and what is known stays the same.
        """
        told = [_content(self.payload), list(self.context.items())]
        return bytes((HASH_VERSION,)) + hashlib.blake2b(encoded(told), digest_size=16).digest()


def is_same_content(known: bytes, told: bytes) -> bool:
    """Whether two content hashes may be of the same content: one of an older version counts as the same."""
    return known == told or len(known) != len(told) or known[0] != told[0]


def _content(payload: Payload) -> list[tuple[str, object]]:
    """The fields that say something, by name."""
    content = []
    for name, default in _content_fields(type(payload)):
        value = getattr(payload, name)
        if value != default and not (isinstance(payload, Signal) and _follows(payload, name, value)):
            content.append((name, plain(value) if type(value) is Decimal else value))  # 1.10 is 1.1
    return content


def _follows(signal: Signal, name: str, value: object) -> bool:
    """Whether a field of a signal says what follows from others anyway."""
    match name:
        case "current_price":
            return value == signal.entry_price
        case "crossover_type":
            return value == signal.signal_type.crossover
        case "risk_reward_ratio":
            return signal.stop_loss is not None and signal.take_profit is not None
        case _:
            return False


@cache
def _content_fields(kind: type[Payload]) -> tuple[tuple[str, object], ...]:
    """The fields that can be content with their defaults, in an order that no change of the class changes."""
    # The time of an alert or a report defaults to the time of the call; a signal's is its candle's, and always given.
    left_out = _NOT_CONTENT | _IDS if kind is Signal else _NOT_CONTENT | _IDS | {"timestamp"}
    fields = sorted(msgspec.structs.fields(kind), key=lambda field: field.name)
    return tuple((field.name, field.default) for field in fields if field.name not in left_out)


def payload_id(payload: Payload) -> str:
    """The payload's own id."""
    match payload:
        case Signal():
            return payload.signal_id
        case Alert():
            return payload.alert_id
        case MarketAnalysis():
            return payload.analysis_id
        case SystemStatus():
            return payload.status_id
        case _:
            return payload.announcement_id
