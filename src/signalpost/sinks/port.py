"""The protocol of sinks, which send notifications as one message and report the outcome."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from signalpost.domain.notification import Notification
from signalpost.sinks.evidence import RateFacts, Receipt


class Item(NamedTuple):
    """One notification of a message."""

    notification: Notification
    may_repeat: bool = False
    """An earlier attempt may have been shown; the message says so."""


class Answer(NamedTuple):
    """The result of a probe that got an answer."""

    rate: RateFacts | None = None
    channel: str | None = None
    """The channel; destinations in one channel share its hidden limit."""
    guild: str | None = None
    """The guild of that channel."""
    trouble: str | None = None
    """The reason it cannot show messages although it answers, and what to do; None if no problem is known."""
    status: int | None = None
    """The HTTP status, if there was one."""


class Sink(Protocol):
    """Sends messages to one destination. Implementations pass `signalpost.testing.sink_contract`."""

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Send the notifications as one message.

        Raises only Rejected, Unavailable, Throttled or Unconfirmed. Cancelling ends the send at once; the message may
        or may not have been shown.
        """
        ...

    async def probe(self) -> Answer:
        """Check without showing anything that the destination is alive. Raises as `send` does."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
