"""The audience of a notification, and how it gets its signals. Tiers are data: operators can add their own."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Self

import msgspec

from signalpost.domain.words import Word
from signalpost.errors import InvalidValue

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class UserTier(str):
    """The name of a tier, in lower case. FREE, PREMIUM and ADMIN always exist; others must be configured.

    Accepts 1 to 32 letters, digits, `_` and `-`. Raises InvalidValue for anything different.
    """

    __slots__ = ()

    FREE: ClassVar["UserTier"]
    PREMIUM: ClassVar["UserTier"]
    ADMIN: ClassVar["UserTier"]

    def __new__(cls, value: str) -> Self:
        """Parse a tier's name in any case."""
        if type(value) is cls:
            return value
        if not isinstance(value, str) or not _NAME.fullmatch(name := value.strip()):
            raise InvalidValue.of(
                "user_tier", value, "use a name such as 'free', 'premium' or 'vip-gold'", code="unknown-word"
            )
        return super().__new__(cls, name.lower())

    def __repr__(self) -> str:
        return f"UserTier({str.__str__(self)!r})"


UserTier.FREE = UserTier("free")
UserTier.PREMIUM = UserTier("premium")
UserTier.ADMIN = UserTier("admin")


AT_ONCE = timedelta(0)


class Hidden(Word):
    """A field that a tier does not show while a trade lives."""

    STOP = "stop"
    TARGETS = "targets"
    CHART = "chart"


class IfEnded(Word):
    """Whether a delayed signal that ends before its release is still shown."""

    SHOW = "show"
    DROP = "drop"


class TierCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A tier's copies of signals. The default is everything at once."""

    delay: timedelta = AT_ONCE
    """How long a signal, or a change of it, waits for its release after it was accepted. Ends are shown at once."""
    hidden: frozenset[Hidden] = frozenset()
    """Shown when the trade is over."""
    if_ended: IfEnded = IfEnded.SHOW
    min_confidence: Decimal | None = None
    """A signal with a lower confidence, or with none, is not sent."""


WHOLE_COPY = TierCopy()
