"""Settles deliveries even if a part of a verdict cannot be stored, so that a lane always goes on."""

from collections.abc import Awaitable, Callable, Sequence

from signalpost.delivery.outbox.commands import SaveFacts, Settle, Settlement
from signalpost.domain.delivery import Delivery
from signalpost.errors import CommandFailed
from signalpost.telemetry.log_queue import logger

Write = Callable[[Settle], Awaitable[list[Delivery]]]
"""Carries the command out. Raises CommandFailed if that fails for a reason of the command's own."""


async def settle(write: Write, settlements: Sequence[Settlement], learnt: tuple[SaveFacts, ...] = ()) -> list[Delivery]:
    """Settle, and return the deliveries as they stand then.

    There are three tries: everything together; each verdict alone, without what was learnt; each verdict without its
    receipt and its attempt. A delivery for which all fail is left out of the answer. It stays leased, and the next
    start settles it. Raises what `write` raises, except CommandFailed.
    """
    try:
        return await write(Settle(tuple(settlements), learnt))
    except CommandFailed:
        return [delivery for each in settlements for delivery in await _settled_alone(write, each)]


async def _settled_alone(write: Write, settlement: Settlement) -> list[Delivery]:
    for each in (settlement, _bare(settlement)):
        try:
            return await write(Settle((each,)))
        except CommandFailed:
            continue
    logger.error("delivery %s is %s, which cannot be stored: it stays leased", settlement.id, settlement.state)
    return []


def _bare(settlement: Settlement) -> Settlement:
    reason = f"{settlement.state}, but what is known of the attempt could not be stored"
    return settlement._replace(attempt=None, message=None, reason=reason)
