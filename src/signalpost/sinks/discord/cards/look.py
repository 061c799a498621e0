"""How an operator wants messages to look: names, colours, roles to ping, and which companions are sent."""

import re
from collections.abc import Mapping
from datetime import timedelta

import msgspec

from signalpost.domain.tier import WHOLE_COPY, TierCopy, UserTier
from signalpost.domain.words import Word
from signalpost.errors import InvalidValue

LONGEST_DISCLAIMER = 50
LONGEST_USERNAME = 80
"""Discord's limit."""
_RESERVED = re.compile(r"clyde|discord", re.IGNORECASE)
"""Discord refuses every message whose author is named like this."""
_PICTURE = re.compile(r"https?://(?!\S*/webhooks/)\S{1,2040}", re.IGNORECASE)
"""At most Discord's 2,048 characters, and not a webhook."""
_ROLE = re.compile(r"\d{17,20}", re.ASCII)
_MOST_COLOUR = 0xFFFFFF


class Event(Word):
    """An occasion for which an operator can choose a role to ping and, if it has a companion, how that is sent."""

    NEW = "new"
    FILLED = "filled"
    TARGET = "target"
    STOP = "stop"
    PART = "part"
    CLOSED = "closed"
    """Closed by the last target, or because it did not change for too long."""
    CLOSED_BY_HAND = "closed-by-hand"
    STOPPED = "stopped"
    REVERSED = "reversed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REVISED = "revised"
    """A candle was corrected, a typo or a wrong end was taken back, or targets moved."""
    CRITICAL = "critical"
    """A critical or an escalated alert."""
    RESOLVED = "resolved"


class Sending(Word):
    """How companions of an event are sent."""

    ON = "on"
    SILENT = "silent"
    """Without a notification."""
    OFF = "off"


class TicketLayout(Word):
    """How the prices of a new signal are laid out in its content."""

    SHORT = "short"
    """As many prices on a line as fit."""
    LINES = "lines"
    """Each price on its own line, for programs that read only the first price of a line."""


class ChartTheme(Word):
    """The colours of a chart."""

    DARK = "dark"
    LIGHT = "light"
    OFF = "off"
    """No charts."""


class Colours(msgspec.Struct, frozen=True, kw_only=True):
    """The colours of cards. Each has a contrast of 3:1 or more on Discord's dark and light backgrounds."""

    blue: int = 0x1F73F9
    """A live BUY."""
    orange: int = 0xC56A00
    """A live SELL; a high alert; a degraded system."""
    green: int = 0x049A63
    """A won trade; a resolved alert; a system that works."""
    red: int = 0xE7234A
    """A lost trade; a critical alert; a system that is down."""
    grey: int = 0x7C848E
    """No trade, break-even, a replay; other alerts."""
    violet: int = 0x926ACD
    """Analyses and announcements."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 <= (value := getattr(self, name)) <= _MOST_COLOUR:
                advice = "use a number from 0 to 0xFFFFFF"
                raise InvalidValue.of(name, value, advice, code="out-of-range", limit="0 to 16777215")


class Roles(msgspec.Struct, frozen=True):
    """The roles that a tier's messages ping: `usual`, unless `by_event` has another role, or None for no ping."""

    usual: str | None = None
    by_event: Mapping[Event, str | None] = {}

    def __post_init__(self) -> None:
        for role in (self.usual, *self.by_event.values()):
            if role is not None and not _ROLE.fullmatch(role):
                advice = "copy the role's id from Discord, a number of 17 to 20 digits"
                raise InvalidValue.of("role", role, advice, code="invalid-role", limit="17 to 20 digits")

    def of(self, event: Event) -> str | None:
        """The role to ping for `event`; None for no ping."""
        return self.by_event.get(event, self.usual)


_NO_ROLES = Roles()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's settings for messages. Raises InvalidValue for texts that cannot be shown."""

    colours: Colours = Colours()
    username: str | None = None
    """Shown as the author of messages; None for the webhook's own name."""
    avatar_url: str | None = None
    producer: str = ""
    """Who makes the signals, and their conflicts of interest."""
    footer: str = ""
    """Added to each footer if it fits."""
    disclaimer: str = "Not financial advice"
    disclaimer_on_signals: bool = False
    roles: Mapping[UserTier, Roles] = {}
    ticket: TicketLayout = TicketLayout.SHORT
    copies: Mapping[UserTier, TierCopy] = {}
    """The tiers that get less than others, or later."""
    full_tier: UserTier = UserTier.PREMIUM
    """The tier that gets everything at once. Messages to the other tiers name it."""
    companions: Mapping[Event, Sending] = {}
    """How companions are sent, if not as usual."""
    chart: ChartTheme = ChartTheme.DARK
    chart_within: timedelta = timedelta(seconds=60)
    """How long after a new signal its chart may still be added."""

    def __post_init__(self) -> None:
        _check_text("disclaimer", self.disclaimer, LONGEST_DISCLAIMER)
        if self.username is not None:
            _check_text("username", self.username, LONGEST_USERNAME)
            if reserved := _RESERVED.search(self.username):
                advice = f"Discord refuses {reserved[0]!r} in it"
                raise InvalidValue.of("username", self.username, advice, code="reserved-name")
        if self.avatar_url is not None and not _PICTURE.fullmatch(self.avatar_url):
            # Its text is not shown, because it could be a webhook.
            text = "avatar_url is not the address of a picture: use one that begins with https://"
            raise InvalidValue(text, code="not-a-url", field="avatar_url")

    def copy(self, tier: UserTier) -> TierCopy:
        """How a tier gets its signals."""
        return self.copies.get(tier, WHOLE_COPY)

    def role(self, tier: UserTier, event: Event) -> str | None:
        """The role to ping for `event` in a message to `tier`; None for no ping."""
        return self.roles.get(tier, _NO_ROLES).of(event)

    def sending(self, event: Event) -> Sending:
        """How a companion of `event` is sent."""
        return self.companions.get(event, Sending.SILENT if event is Event.RESOLVED else Sending.ON)


def _check_text(name: str, text: str, longest: int) -> None:
    if not text.strip():
        raise InvalidValue.of(name, text, "enter some text", code="missing")
    if len(text) > longest:
        raise InvalidValue.of(name, text, f"use at most {longest} characters", code="too-long", limit=str(longest))
