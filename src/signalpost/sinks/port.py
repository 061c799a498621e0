"""What every sink is: it turns notifications into one message, sends it, and says what it knows."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from signalpost.domain.notification import Notification
from signalpost.sinks.evidence import RateFacts, Receipt


class Item(NamedTuple):
    """One notification of a message."""

    notification: Notification
    may_repeat: bool = False
    """Whether an earlier attempt may have been shown, which the message then says."""


class Answer(NamedTuple):
    """What a probe learnt from a far end that answered."""

    rate: RateFacts | None = None
    channel: str | None = None
    """What shares the far end's hidden limits with this destination."""
    guild: str | None = None
    """Whose channel that is."""
    trouble: str | None = None
    """Why it can show nothing although it answers, and what to do; None where nothing is known to be wrong."""
    status: int | None = None
    """The HTTP status, where there was one."""


class Sink(Protocol):
    """A far end. Implementations pass `signalpost.testing.sink_contract`."""

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Send the notifications as one message.

        Raises Rejected, Unavailable, Throttled or Unconfirmed, and nothing else. Cancelling it ends the send at once;
        then nobody knows whether it was shown.
        """
        ...

    async def probe(self) -> Answer:
        """Ask, without anything being shown, whether the far end is alive. Raises as `send` does."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
