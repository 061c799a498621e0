"""One try: the sink is called under a deadline, and whatever it does becomes something that is known."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from signalpost.delivery.dispatch.decide import Ending, Known
from signalpost.delivery.dispatch.reports import sound_evidence, sound_receipt
from signalpost.delivery.outbox.commands import Message, Parcel
from signalpost.domain.delivery import Attempt
from signalpost.errors import Evidence
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.port import Answer, Item, Sink
from signalpost.telemetry.failures import log_failure
from signalpost.telemetry.log_queue import logger

PROBE_PATIENCE = 3.0
"""Seconds after which a first probe counts as unanswered, and a send that was cut off as a failure of the far end."""
LONGEST_PATIENCE = 15.0
"""Seconds after which any probe does: as long as a message may take, so that who is slow is not taken for down."""

_EVIDENCE = (Rejected, Throttled, Unavailable, Unconfirmed)


class Tried(NamedTuple):
    """What is known of a try, and how long it took."""

    known: Known
    began_at: datetime
    ended_at: datetime
    took: float
    """Seconds."""

    @property
    def outcome(self) -> str:
        """What is known in one word: `delivered`, or the name of the evidence."""
        if isinstance(self.known, Receipt):
            return "delivered"
        return type(self.known).__name__.lower() if isinstance(self.known, Evidence) else "unconfirmed"

    @property
    def detail(self) -> str:
        """What is known, in words."""
        return "" if isinstance(self.known, Receipt) else str(self.known)

    @property
    def is_failure(self) -> bool | None:
        """Whether the far end failed; None where it is not its doing."""
        match self.known:
            case Ending.CUT_OFF:
                return True if self.took >= PROBE_PATIENCE else None
            case Ending():
                return None
            case known:
                return isinstance(known, Unavailable | Unconfirmed)

    def attempt(self) -> Attempt | None:
        """The try as a delivery's history keeps it; None where nothing was tried."""
        if self.known is Ending.UNSENT:
            return None
        return Attempt(self.began_at, self.ended_at, self.outcome, self.detail)

    def message(self, destination: str) -> Message | None:
        """The message that the far end shows; None where it has not said so."""
        if not isinstance(self.known, Receipt):
            return None
        return Message(destination, self.known.message_id, self.known.sent_at or self.ended_at)


async def send(destination: str, sink: Sink, parcels: Sequence[Parcel], seconds: float) -> Known:
    """Send the parcels as one message, cut off after so many seconds. Raises CancelledError, and nothing else."""
    items = [Item(parcel.notification, parcel.delivery.may_repeat) for parcel in parcels]
    try:
        async with asyncio.timeout(seconds) as deadline:
            receipt: object = await sink.send(items)
    except _EVIDENCE as evidence:
        if isinstance(evidence, Rejected) and evidence.fault is not None:
            logger.error("a message to %s could not be made: %s", destination, evidence.fault)
        return sound_evidence(evidence)
    except Exception as fault:  # noqa: BLE001  # whatever a sink does, its sender goes on
        if deadline.expired():
            return Ending.CUT_OFF
        return _broken(destination, fault)
    return sound_receipt(receipt) if isinstance(receipt, Receipt) else _broken(destination, receipt)


async def probe(destination: str, sink: Sink, interval: float = 0.0) -> Answer | Evidence:
    """Ask whether the far end is alive. Raises CancelledError, and nothing else.

    The patience grows with the `interval` between probes.
    """
    patience = min(max(PROBE_PATIENCE, interval), LONGEST_PATIENCE)
    try:
        async with asyncio.timeout(patience):
            return await sink.probe()
    except _EVIDENCE as evidence:
        return sound_evidence(evidence)
    except TimeoutError:
        return Unavailable(f"no answer to a probe in {patience:g} s")
    except Exception as fault:  # noqa: BLE001  # as above
        return _broken(destination, fault)


def is_alive(answer: Answer | Evidence) -> bool:
    """Whether an answer to a probe shows life: any but 429 and 5xx does, for a far end may not know the question."""
    return isinstance(answer, Answer | Rejected)


def _broken(destination: str, fault: object) -> Unconfirmed:
    """What is known after a sink raised or returned something it must not: its message may have been shown."""
    kind = type(fault).__name__
    if isinstance(fault, BaseException):
        log_failure(f"the sink of {destination} failed, and its message may have been shown", fault, with_text=False)
        return Unconfirmed(f"the sink raised {kind}")
    logger.error("the sink of %s returned %s instead of a receipt: its message may be shown", destination, kind)
    return Unconfirmed(f"the sink returned {kind}")
