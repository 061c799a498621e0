"""The command that reads how many deliveries are open, and since when."""

from datetime import datetime
from typing import NamedTuple

from signalpost.delivery.outbox.commands import Command


class LaneBacklog(NamedTuple):
    """The open deliveries of a destination."""

    deliveries: int
    oldest: datetime | None
    """When the oldest of them was accepted; None if that is damaged."""


class Backlog(Command[dict[str, LaneBacklog]], frozen=True):
    """Count open deliveries. Answer: a `LaneBacklog` by destination. The cost grows with their number only."""
