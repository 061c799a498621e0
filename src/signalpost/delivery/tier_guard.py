"""Checks again, just before a message is sent, that no lower tier reads the destination.

A message was routed when it was accepted, perhaps by another process with other tiers. The process that sends it
decides by its own tiers. See docs/promises.md, P10.
"""

from collections.abc import Sequence

from signalpost.delivery.routing import Routing
from signalpost.sinks.evidence import Receipt, Rejected
from signalpost.sinks.port import Answer, Item, Sink


class TierGuard:
    """A sink that rejects messages for a higher tier than the lowest one that reads `destination`."""

    def __init__(self, sink: Sink, destination: str, routing: Routing) -> None:
        self._sink = sink
        self._destination = destination
        self._routing = routing

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Send the items if all of them may be shown here, otherwise raise Rejected. Raises as the sink does."""
        for item in items:
            tier = item.notification.user_tier if item.tier is None else item.tier
            if not self._routing.may_show(item.notification.payload, tier, self._destination):
                rejected = Rejected(f"its tier is {str(tier)!r}, and a lower tier now reads {self._destination}")
                rejected.code = "tier-too-low"
                raise rejected
        return await self._sink.send(items)

    async def probe(self) -> Answer:
        """Check that the destination is alive. Raises as the sink does."""
        return await self._sink.probe()

    async def close(self) -> None:
        """Close the connections."""
        await self._sink.close()
