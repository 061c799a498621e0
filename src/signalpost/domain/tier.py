"""The audience of a notification. Tiers are data, so that operators can add their own."""

import re
from typing import ClassVar, Self

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
