"""The `Sink` protocol: sends notifications to one destination, several per message, and reports the outcome."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from signalpost.domain.notification import Notification
from signalpost.domain.tier import UserTier
from signalpost.sinks.evidence import Loss, RateFacts, Receipt


class Shown(NamedTuple):
    """A message that shows the card of a trade."""

    message_id: str
    channel: str | None = None
    guild: str | None = None
    webhook: str | None = None
    """The identity of the webhook that posted it, which alone can edit it; None if unknown."""
    digest: str | None = None
    """A hash of what it shows, from its last receipt; None if that is not certain."""
    has_chart: bool | None = False
    """Whether it shows a chart; None if that is not certain."""


class Chart(NamedTuple):
    """A picture of a trade's candles and levels, with nothing that its tier may not see."""

    png: bytes
    text: str
    """A description for people who cannot see it."""


class Successor(NamedTuple):
    """The trade whose signal closed another one."""

    number: int
    card: Shown | None = None
    """The message that shows it; None if no link to it is known."""


class Item(NamedTuple):
    """One notification of a message."""

    notification: Notification
    may_repeat: bool = False
    """True if an earlier attempt may have been shown. The sink must then mark the message as a possible repeat."""
    card: Shown | None = None
    """The message that shows its trade: to be edited, or, for a companion, to be linked to."""
    replaces: Loss | None = None
    """Why the card that it replaces was lost; None if it replaces none."""
    tier: UserTier | None = None
    """The tier of its readers here; None for the notification's own."""
    closes: Shown | None = None
    """The message that shows the trade which its trade reverses, to be linked to."""
    is_known: bool = False
    """Whether its readers already know its content, so that it need not notify them."""
    chart: Chart | None = None
    """To be added to the card."""
    destination: str | None = None
    """Where it is sent; None if that does not matter."""
    closed_by: Successor | None = None
    """The trade that reversed its trade."""


class Answer(NamedTuple):
    """A destination's answer to a probe."""

    rate: RateFacts | None = None
    channel: str | None = None
    """The id of the channel. Destinations in one channel share a limit of messages that Discord does not document."""
    guild: str | None = None
    """The Discord server ("guild") of that channel."""
    trouble: str | None = None
    """Why the destination cannot show messages although it answers, and what to do; None if no problem is known."""
    status: int | None = None
    """The HTTP status, if there was one."""


class Sink(Protocol):
    """Sends messages to one destination. Every implementation must pass `signalpost.testing.sink_contract`."""

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Send the notifications as one message.

        Raises only Rejected, Unavailable, Throttled or Unconfirmed, and CardLost for an edit. Cancelling ends the send
        at once; the message may or may not have been shown.
        """
        ...

    async def probe(self) -> Answer:
        """Check that the destination is alive, without showing anything in it. Raises the same errors as `send`."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
