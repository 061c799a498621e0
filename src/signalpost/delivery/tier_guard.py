"""The last look before a message leaves: whether who reads the destination may read this.

What waits was routed when it was taken in, perhaps by another process, or by one that had other tiers. What is shown is
decided by who shows it. See docs/promises.md, P10.
"""

from collections.abc import Sequence

from signalpost.delivery.routing import Routing
from signalpost.sinks.evidence import Receipt, Rejected
from signalpost.sinks.port import Answer, Item, Sink


class TierGuard:
    """A sink that refuses, for good, what is meant for a higher tier than the lowest that reads `destination`."""

    def __init__(self, sink: Sink, destination: str, routing: Routing) -> None:
        self._sink = sink
        self._destination = destination
        self._routing = routing

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Send, where all of it may be shown here. Raises as the sink does."""
        for told, _ in items:
            if not self._routing.may_show(told.payload, told.user_tier, self._destination):
                tier = str(told.user_tier)
                rejected = Rejected(f"it is meant for tier {tier!r}, and a lower one reads {self._destination} by now")
                rejected.code = "tier-too-low"
                raise rejected
        return await self._sink.send(items)

    async def probe(self) -> Answer:
        """Ask whether the far end is alive. Raises as the sink does."""
        return await self._sink.probe()

    async def close(self) -> None:
        """Give back connections."""
        await self._sink.close()
