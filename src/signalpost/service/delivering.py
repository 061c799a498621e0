"""The owner's half of a service: the far ends, their lanes, the bell at the door, and the forgetting of what is old."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import random
from typing import NamedTuple, Self

from signalpost import clock
from signalpost.config import Config
from signalpost.delivery.audience import Audience
from signalpost.delivery.dispatch.dispatcher import Dispatcher, LaneSettings
from signalpost.delivery.doorbell import Doorbell
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.arrivals import Arrival
from signalpost.delivery.outbox.commands import Prune
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.routing import Routing
from signalpost.delivery.store_health import StoreHealth
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Listener
from signalpost.errors import CommandFailed, StoreFailed
from signalpost.sinks.discord.service import DiscordService

_PRUNE_EVERY = timedelta(hours=1)
_PRUNE_PAGE = 200


class Delivering(NamedTuple):
    """What delivers all that waits in a data folder whose owner this process is."""

    discord: DiscordService
    dispatcher: Dispatcher
    bell: Doorbell
    pruning: KeptTask

    @classmethod
    async def begin(
        cls,
        config: Config,
        routing: Routing,
        outbox: ThreadedOutbox,
        emit: Listener,
        health: StoreHealth,
        *,
        bell_path: Path,
        may_send: Callable[[], bool],
    ) -> Self:
        """Take up what an earlier owner left, and begin to deliver. Raises StoreFailed; nothing is begun then."""
        async with AsyncExitStack() as undo:  # what is begun, where something later fails or is cut off
            discord = DiscordService({each.name: each.webhook for each in config.destinations})
            undo.push_async_callback(discord.close)
            lanes = {
                each.name: LaneSettings(
                    Audience(discord.webhook(each.name), each.name, routing),
                    limits=each.limits,
                    host=each.address.host,
                    webhook=each.address.identity,
                    looks=True,
                    workers=config.workers,
                )
                for each in config.destinations
            }
            dispatcher = Dispatcher(
                outbox,
                lanes,
                jitter=random,
                emit=emit,
                host_rate=config.host_rate,
                at_most_once=config.at_most_once,
                is_replay=config.run is not None,
                health=health,
                may_send=may_send,
            )
            await dispatcher.start()
            undo.push_async_callback(dispatcher.stop, 0)
            bell = await Doorbell.hung(bell_path, outbox.look, outbox.call)
            undo.pop_all()
        pruning = KeptTask("pruning", partial(_prune, outbox, config.retention), emit)
        return cls(discord, dispatcher, bell, pruning)

    def welcome(self, arrivals: Sequence[Arrival]) -> None:
        """Others have written: wake those whom it concerns, and where nobody knows whom, all."""
        for arrival in arrivals:
            self.dispatcher.wake((arrival.destination,), arrival.priority)
        if not arrivals:
            for lane in self.dispatcher.lanes.values():
                lane.look_again()

    async def end(self) -> list[Delivery]:
        """Cut off what is being sent, close everything but the outbox, and return what is still open."""
        async with AsyncExitStack() as rest:  # each of them, whatever became of the others
            rest.push_async_callback(self.discord.close)
            rest.push_async_callback(self.pruning.end)
            rest.push_async_callback(self.bell.close)
            return list(await self.dispatcher.stop(0))


async def _prune(outbox: Outbox, retention: timedelta) -> None:
    """Forget what ended long ago, an hour apart, in pages so short that nobody waits for them."""
    while True:
        with suppress(StoreFailed, CommandFailed):
            now = clock.now()
            while await outbox.do(Prune(before=now - retention, now=now, limit=_PRUNE_PAGE)) == _PRUNE_PAGE:
                await asyncio.sleep(0)
        await asyncio.sleep(_PRUNE_EVERY.total_seconds())
