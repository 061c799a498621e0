"""A destination's view of a trade: hidden fields, delay, links and marks."""

from datetime import timedelta

import msgspec

from signalpost.domain.context import NO_CONTEXT, Context
from signalpost.domain.tier import AT_ONCE, Hidden, UserTier
from signalpost.domain.trade import Trade
from signalpost.sinks.port import Chart

_LEVELS = frozenset({Hidden.STOP, Hidden.TARGETS})


class MessageLink(msgspec.Struct, frozen=True):
    """The ids of a message, as Discord gives them."""

    guild_id: str
    channel_id: str
    message_id: str

    @property
    def url(self) -> str:
        """The address that opens the message in Discord."""
        return f"https://discord.com/channels/{self.guild_id}/{self.channel_id}/{self.message_id}"


class CardLink(msgspec.Struct, frozen=True):
    """Another trade, and its card if it can be linked to: no link is better than a wrong one."""

    number: int
    message: MessageLink | None = None


CHART_FILE = "chart.png"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How one destination sees a trade. The default is a first message that shows everything."""

    tier: UserTier = UserTier.FREE
    hidden: frozenset[Hidden] = frozenset()
    """Shown again when the trade is over."""
    delay: timedelta = AT_ONCE
    """How long after `full_tier` this tier gets its messages."""
    full_tier: UserTier = UserTier.PREMIUM
    """The tier that sees everything at once, as this one's messages name it."""
    run: str | None = None
    """The id of the replay that it belongs to; None outside replays."""
    is_edit: bool = False
    """Whether the destination shows the card already; its message is then edited."""
    may_repeat: bool = False
    """Whether an earlier attempt may have been shown."""
    replaces_deleted: bool = False
    replaces_lost: bool = False
    """Whether it replaces a message that still exists, but cannot be edited any more."""
    closes: CardLink | None = None
    """The trade that this signal closes first."""
    closed_by: CardLink | None = None
    """The trade whose signal closed this one."""
    chart: Chart | None = None
    """To be added."""
    keeps_chart: bool | None = False
    """Whether the edited message already shows a chart; None if that is not known: then all files are removed."""
    context: Context = NO_CONTEXT
    """Facts that the caller of the notification added."""

    @property
    def is_replay(self) -> bool:
        """True if it shows the past, not a live signal."""
        return self.run is not None

    @property
    def is_replacement(self) -> bool:
        """True if it takes the place of another message."""
        return self.replaces_deleted or self.replaces_lost

    @property
    def is_copy(self) -> bool:
        """True if its tier gets less than `full_tier`, or gets it later."""
        return bool(self.hidden) or self.delay > AT_ONCE

    @property
    def marks(self) -> list[str]:
        """The footer's words about the message itself."""
        marks = (("may repeat", self.may_repeat), ("replay", self.is_replay))
        return [mark for mark, is_so in marks if is_so]

    def hides(self, field: Hidden, trade: Trade) -> bool:
        """True if `field` of `trade` is hidden here. Nothing is hidden when a trade is over."""
        return field in self.hidden and trade.state.is_live

    def hides_levels(self, trade: Trade) -> bool:
        """True if the stop or the targets of `trade`, and so all that follows from them, are hidden here."""
        return trade.state.is_live and not _LEVELS.isdisjoint(self.hidden)
