"""What to tell and how urgently, before any destination's format."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter

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

_VOLATILE = frozenset({"created_at", "updated_at", "known_at", "valid_until"})
"""Fields that default to the time of the call: two calls about the same thing differ in them."""


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
        return f"{self.sequence} {self.event}"

    @property
    def content_hash(self) -> bytes:
        """What tells the same thing again from another under the same key: 16 bytes over payload, tier and context."""
        values = _told_fields(type(self.payload))(self.payload)
        facts = [plain(value) if type(value) is Decimal else value for value in values]  # 1.10 is 1.1
        told = encoded([facts, self.user_tier, list(self.context.items())])
        return hashlib.blake2b(told, digest_size=16).digest()


@cache
def _told_fields(kind: type[Payload]) -> Callable[[Payload], tuple[object, ...]]:
    return attrgetter(*(name for name in kind.__struct_fields__ if name not in _VOLATILE))


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
