"""The owner's half of a service: the far ends, their lanes, the wake socket, and the deletion of old rows."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import random
from typing import NamedTuple, Self

from signalpost.config import Config
from signalpost.delivery.dispatch.dispatcher import Dispatcher, LaneSettings
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.patience import StoreHealth
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.outbox.transaction import Arrival
from signalpost.delivery.routing import Routing
from signalpost.delivery.tier_guard import TierGuard
from signalpost.delivery.wake_socket import WakeSocket
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Listener
from signalpost.service.retention import Retention
from signalpost.sinks.discord.service import DiscordService


class Delivering(NamedTuple):
    """What delivers all that waits in a data folder whose owner this process is."""

    discord: DiscordService
    dispatcher: Dispatcher
    wake_socket: WakeSocket
    retention: Retention
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
            discord = DiscordService({each.name: each.webhook for each in config.destinations}, may_send=may_send)
            undo.push_async_callback(discord.close)
            lanes = {
                each.name: LaneSettings(
                    TierGuard(discord.webhook(each.name), each.name, routing),
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
            wake_socket = await WakeSocket.open(bell_path, outbox.look, outbox.call)
            undo.pop_all()
        retention = Retention(outbox, config.retention)
        pruning = KeptTask("pruning", retention.run, emit)
        return cls(discord, dispatcher, wake_socket, retention, pruning)

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
            rest.push_async_callback(self.retention.end)
            rest.push_async_callback(self.pruning.end)
            rest.push_async_callback(self.wake_socket.close)
            return list(await self.dispatcher.stop(0))
