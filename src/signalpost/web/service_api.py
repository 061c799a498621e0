"""The operations of a running service that the HTTP API uses."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from signalpost.delivery.outbox.book import Permission
from signalpost.delivery.routing import ranks_of
from signalpost.delivery.tickets import of_several
from signalpost.domain.change import Change
from signalpost.domain.ledger import StreamState
from signalpost.domain.notification import Payload
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidValue
from signalpost.ingest.changes import VERBS
from signalpost.ingest.send_options import SendOptions
from signalpost.service import AsyncNotificationService
from signalpost.service.scrape import Scrape
from signalpost.telemetry.families import Family
from signalpost.web.problem import not_understood

Collect = Callable[[], Coroutine[Any, Any, Sequence[Family]]]
"""Collects all metrics, without waiting for a store that hangs."""


class ServiceApi:
    """The part of `service` that HTTP uses.

    If the store is unavailable, a notification is refused (503) and not held in memory, because its sender can retry.
    """

    def __init__(self, service: AsyncNotificationService) -> None:
        self._runtime = runtime = service._runtime
        self._commit = service.commit
        self.load_state, self.health = service.load_state, service.health
        self.deliveries, self.trades = runtime.deliveries, runtime.trades
        self.metrics: Collect = Scrape(runtime).families
        self.rank_by_tier = ranks_of(service.config.tiers)
        """The rank of each known tier. A token may send to its own tier and to lower ones."""

    async def take(
        self, payload: Payload, options: SendOptions, tiers: frozenset[UserTier], closes: int | None = None
    ) -> Ticket:
        """Accept a payload and return once it is stored.

        A repeat is refused if its signal was sent to a tier that is not among `tiers`. `closes` is the number of the
        trade that a new signal reverses. Raises Problem 422 for a signal that cannot be new.
        """
        if (intake := self._runtime.intake) is None:
            return self._runtime.not_running
        accept = partial(
            intake.accept, payload, priority=options.priority, context=options.context, tiers=tiers, closes=closes
        )
        try:
            return of_several([await accept(user_tier=tier, hold=False) for tier in options.each_tier])
        except InvalidValue as error:
            raise not_understood(error.errors) from None

    async def amend(
        self,
        name: str,
        change: Change,
        if_version: int | None,
        tiers: frozenset[UserTier],
        key: str | None = None,
        request: bytes | None = None,
    ) -> Ticket:
        """Change a signal of the book, if it was sent only to these tiers.

        Another change with the same key is a duplicate, or refused if its `request` differs.
        """
        if (intake := self._runtime.intake) is None:
            return self._runtime.not_running
        may = Permission(tiers, frozenset(VERBS))
        return await intake.amend(
            name, change, exact=True, if_version=if_version, may=may, key=key, request=request, hold=False
        )

    async def commit(self, state: StreamState) -> None:
        """Store a stream's state. Raises StoreFailed."""
        await self._commit(state, ())
