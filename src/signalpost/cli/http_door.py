"""Joins the HTTP door to a service: neither knows the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from signalpost.delivery.routing import ranks_of
from signalpost.ingest.send_options import SendOptions
from signalpost.web.door import Door

if TYPE_CHECKING:
    from signalpost.delivery.outbox.commands import StreamState
    from signalpost.domain.notification import Payload
    from signalpost.domain.signal import Signal
    from signalpost.domain.ticket import Ticket
    from signalpost.service import AsyncNotificationService


def door_of(service: "AsyncNotificationService") -> Door:
    """The door to `service`. Nothing that comes in by it is held in memory: its sender is there to ask again."""

    async def take(payload: "Payload", wishes: SendOptions, event: str) -> "Ticket":
        priority, tier, context = wishes
        return await service.queue_notification(payload, priority, tier, context, event=event, hold=False)

    async def commit(
        state: "StreamState", signals: "Sequence[Signal]", wishes: SendOptions, event: str
    ) -> "list[Ticket]":
        priority, tier, context = wishes
        return await service.commit(state, signals, tier, event=event, additional_context=context, priority=priority)

    ranks = ranks_of(service.config.tiers)
    return Door(take, commit, service.load_state, service.deliveries, service.health, ranks)
