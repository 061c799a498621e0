"""A dispatcher on a store in memory with scripted sinks, for tests in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import wraps
from random import Random
from typing import Any, Self, TypeVar

from signalpost import clock
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.dispatch.gates import LaneSettings
from signalpost.delivery.outbox.commands import (
    Command,
    Find,
    History,
    NewDelivery,
    NewNotification,
    Put,
    SettleAndLease,
)
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits, Rate
from signalpost.delivery.rank import rank_of
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId
from signalpost.domain.events import Event, Settled
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Announcement
from signalpost.errors import StoreFailed
from signalpost.sinks.evidence import Throttled, Unavailable, Unconfirmed
from signalpost.telemetry.bus import Bus
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from signalpost.testing.virtual_loop import VirtualClock, run_virtual
from tests.inline_outbox import InlineOutbox
from tests.tmpfs import new_core

LOW, NORMAL, HIGH, URGENT = NotificationPriority
FREE = NOTHING_ASSUMED._replace(reserve=False)
HERE = "signals-free"
DOWN = Unavailable("connection refused")
BROKEN = Unconfirmed("bad gateway", status=502)
SILENT = Unconfirmed("the connection was cut")
GRAIN = 0.02
"""Seconds of tolerance: a request counts a little longer than the loop's clock shows."""

Test = TypeVar("Test", bound=Callable[..., Coroutine[Any, Any, None]])


def virtual(test: Test) -> Callable[..., None]:
    """A test that runs in virtual time."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    return run


def throttled(seconds: float, scope: str = "destination") -> Throttled:
    return Throttled("slow down", retry_after=seconds, scope=scope)


def parts_of(command: Command[Any]) -> tuple[Command[Any], ...]:
    """The commands that one transaction executes for this one."""
    return (command.settle, command.lease) if isinstance(command, SettleAndLease) else (command,)


class FaultyOutbox(InlineOutbox):
    """An outbox that fails the next `faults` commands of a kind, counts `commands`, and can be slow."""

    def __init__(self) -> None:
        super().__init__(new_core())
        self.faults: Counter[type[Command[Any]]] = Counter()
        self.commands: Counter[type[Command[Any]]] = Counter()
        self.delays: dict[type[Command[Any]], float] = {}

    async def do(self, command: Command[Any]) -> Any:
        kinds = [type(each) for each in parts_of(command)]
        self.commands.update({type(command), *kinds})
        if self.faults[kinds[0]]:
            self.faults[kinds[0]] -= 1
            raise StoreFailed("the disk is full")
        answer = await super().do(command)
        if delay := max(self.delays.get(kind, 0.0) for kind in kinds):
            await asyncio.sleep(delay)
        return answer


class World:
    """`async with World(sink) as world:` starts a dispatcher, and stops it in the end."""

    def __init__(
        self,
        *sinks: ScriptedSink,
        limits: Limits = FREE,
        workers: int = 2,
        host_rate: Rate | None = None,
        jitter: Callable[[], float] | None = None,
        outbox: FaultyOutbox | None = None,
        settings: Mapping[str, Any] | None = None,
        at_most_once: frozenset[str] = frozenset(),
        may_send: Callable[[], bool] | None = None,
    ) -> None:
        self.outbox = FaultyOutbox() if outbox is None else outbox
        self.events: list[Event] = []
        self.times: list[float] = []
        self.sinks = dict(zip([HERE, *(f"there-{n}" for n in range(1, len(sinks)))], sinks, strict=True))
        lanes = {
            name: LaneSettings(sink, limits, workers=workers, **(settings or {})) for name, sink in self.sinks.items()
        }
        self.dispatcher = Dispatcher(
            self.outbox,
            lanes,
            jitter=jitter or Random(7).random,
            bus=Bus((self._note,)),
            host_rate=host_rate,
            at_most_once=at_most_once,
            **({} if may_send is None else {"may_send": may_send}),
        )
        self._numbers = 0

    async def __aenter__(self) -> Self:
        await self.dispatcher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.stop(0.0)

    def crash(self) -> None:
        """Cancel the workers of the first lane in the middle of their work, for good."""
        self.dispatcher.retire()  # or new workers would be started
        for task in [*self.dispatcher.lanes[HERE].tasks]:
            task.cancel()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self.times.append(now())

    def emitted(self, kind: type[Event]) -> list[Any]:
        """The emitted events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def put(
        self,
        name: str | None = None,
        priority: NotificationPriority = NORMAL,
        *,
        to: str = HERE,
        valid_for: float = 86_400.0,
        about: str | None = None,
        event: str = "new",
        wakes: bool = True,
        known: bool = False,
    ) -> str:
        """Put one notification, and wake the lane as intake does; `about` is its sequence."""
        self._numbers += 1
        name = name or f"n{self._numbers:05}"
        until = clock.now() + timedelta(seconds=valid_for)
        payload = Announcement(title=name, text="text", announcement_id=about or name, valid_until=until)
        notification = Notification(
            id=name, payload=payload, event=event, priority=priority, user_tier="FREE",
            accepted_at=clock.now(), valid_until=until,
        )  # fmt: skip
        rank = rank_of(priority, clock.now())
        await InlineOutbox.do(self.outbox, Put((NewNotification(notification, (NewDelivery(to, rank),), until),)))
        if wakes:
            self.dispatcher.wake([to], priority, until if known else None)
        return name

    async def delivery(self, name: str, to: str = HERE) -> Delivery:
        """A delivery in its current state."""
        (entry,) = await InlineOutbox.do(self.outbox, Find(notification_id=name, destination=to))
        return entry.delivery

    async def state(self, name: str, to: str = HERE) -> str:
        """The state of a delivery."""
        return (await self.delivery(name, to)).state.value

    async def history(self, name: str, to: str = HERE) -> tuple[Attempt, ...]:
        """The attempts of a delivery."""
        return await InlineOutbox.do(self.outbox, History(DeliveryId(name, to)))

    def settled_at(self, name: str) -> list[tuple[str, float]]:
        """The states to which a delivery was settled, with their times."""
        pairs = zip(self.events, self.times, strict=True)
        return [
            (event.delivery.state.value, at)
            for event, at in pairs
            if isinstance(event, Settled) and event.delivery.id.notification_id == name
        ]


async def crash_during_a_send(outbox: FaultyOutbox, name: str, limits: Limits = FREE) -> None:
    """Run a dispatcher that crashes while it sends `name`."""
    world = World(ScriptedSink([HANG]), limits=limits, outbox=outbox)
    await world.dispatcher.start()
    await world.put(name)
    await wait(1)
    world.crash()
    await wait(1)


def step(by: timedelta) -> None:
    """Set the wall clock, and not the loop's clock."""
    running = clock.install(None)
    clock.install(running)
    assert isinstance(running, VirtualClock)
    running.step(by)


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


async def wait(seconds: float) -> None:
    """Let virtual time pass."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


def ids(sink: ScriptedSink) -> list[str]:
    """The notifications that a sink got, in order."""
    return [name for sent in sink.sent for name in sent.ids]
