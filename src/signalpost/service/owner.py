"""Reacts on the event loop when the owner of the data folder changes: takes over, gives up, or follows the owner.

The store thread keeps the heartbeat and detects the changes (`ownership`).
See docs/why/0027-an-epoch-fences-the-owner.md.
"""

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Protocol

from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.heartbeat import Heartbeat
from signalpost.delivery.outbox.ownership import Ownership, Seen
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.events import Listener
from signalpost.domain.reason import Reason
from signalpost.errors import OwnershipLost, SignalpostError, StoreClosed
from signalpost.telemetry.log_queue import log_failure, logger

_NOBODY_DELIVERS = "No process delivers from this folder. Start one that has webhooks, such as `signalpost serve`."
_PULSE_EVERY = 1.0
_LOSS_REPORTED_FOR = 60.0
"""Seconds for which health reports that another process took over."""


class Hooks(Protocol):
    """Called when the owner changes."""

    async def take_over(self, holder: str, *, is_first: bool) -> None:
        """Begin to deliver as the owner `holder`. If it raises, nothing has begun.

        `is_first` is True if this process was the owner from its start.
        """
        ...

    async def give_up(self, successor: int) -> None:
        """Stop delivering, because the process `successor` took over."""
        ...

    async def follow(self, holder: str) -> None:
        """Route as the owner `holder` does."""
        ...


class OwnerWatch:
    """Whether this process delivers from its data folder. `wants` is True if it takes over when no owner responds.

    Belongs to one event loop; any thread may read its properties.
    """

    def __init__(
        self,
        core: SqliteCore,
        outbox: ThreadedOutbox,
        heartbeat: Heartbeat,
        *,
        wants: bool,
        hooks: Hooks,
        emit: Listener,
    ) -> None:
        self._core = core
        self._outbox = outbox
        self._heartbeat = heartbeat
        self._wants = wants
        self._hooks = hooks
        self._emit = emit
        self.ownership = Ownership(core, heartbeat, wants=wants, now=monotonic)
        """What the store thread knows of the owner."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._pulse = self._loop.call_soon(self._beat)
        self._task: KeptTask | None = None
        self._delivers = False
        self._lost_at: float | None = None
        self._lost_to = 0
        self.trouble: str | None = None
        """Why no process delivers from this folder; None if one does."""

    @property
    def delivers(self) -> bool:
        """True while this process owns the store and delivers from it."""
        return self._delivers and not self._core.is_deposed

    def begin(self) -> None:
        """Start the heartbeat, or start to watch the owner's."""
        self._outbox.keep_up(self.ownership.tick, self._changed.set)

    async def first_look(self) -> None:
        """Deliver if this process already owns the store, else follow the owner; then keep watching."""
        holder = self._core.holder
        if holder is None:
            await self._follow()
        else:
            try:
                await self._hooks.take_over(holder, is_first=True)
                self._delivers = True
            except OwnershipLost:  # it was frozen, another took over, and it becomes a producer
                self._changed.set()
        self._task = KeptTask("watch", self._watch, self._emit)

    def look(self) -> None:
        """Check soon how the owner routes."""
        self._changed.set()

    async def end(self) -> None:
        """Stop watching. An owner's heartbeat goes on until the store is closed."""
        self._pulse.cancel()
        if self._task is not None:
            await self._task.end()

    def reports(self) -> Iterator[Reason]:
        """Why the owner, this process or another, does not deliver."""
        idle, seen = self.ownership.idle, self.ownership.seen
        if idle >= self._heartbeat.blocked_after:
            yield Reason(f"The event loop of this process has been blocked for {idle:.0f} s.", "loop-blocked")
        if self.delivers:
            if not self.ownership.may_send:
                text = "This process could not write its heartbeat, so it starts no send until it can."
                yield Reason(text, "no-heartbeat")
            return
        if self._lost_at is not None and monotonic() - self._lost_at < _LOSS_REPORTED_FOR:
            yield Reason(
                f"Process {self._lost_to} took over the deliveries, because this process did not respond. This one "
                "only queues messages now.",
                "taken-over",
            )
        if seen.is_alive:
            yield from self._of_other(seen)

    def _of_other(self, seen: Seen) -> Iterator[Reason]:
        who = f"process {seen.process}, which delivers from this folder,"
        if seen.silent_for >= self._heartbeat.doubt_after:
            within = f"This process takes over after {self._heartbeat.take_over_after:.0f} s without a response."
            then = within if self._wants else "Resume or restart it."
            text = f"Nothing is delivered: {who} has not responded for {seen.silent_for:.0f} s. {then}"
            yield Reason(text, "owner-silent")
        elif seen.idle >= self._heartbeat.blocked_after:
            text = f"Nothing is delivered: the event loop of {who} has been blocked for {seen.idle:.0f} s."
            yield Reason(text, "owner-blocked")

    def _beat(self) -> None:
        """Note that the event loop runs. The heartbeat contains how long ago this was, for other processes."""
        self.ownership.loop_ran_at = monotonic()
        self._pulse = self._loop.call_later(_PULSE_EVERY, self._beat)

    async def _watch(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._react()
            except OwnershipLost:  # while it took over, so the owner has changed again
                self._changed.set()
            except StoreClosed:
                return
            except Exception as fault:  # noqa: BLE001  # nothing else would report it or try again
                self._cannot_take_over(fault)

    async def _react(self) -> None:
        if self._core.is_deposed:
            self._lost_at, self._lost_to = monotonic(), self._core.owner.process
            await self._hooks.give_up(self._lost_to)
            self._delivers = False
            await self._outbox.call(self._core.disown)
        elif (holder := self._core.holder) is None:
            await self._follow()
        elif not self._delivers:
            await self._take_over(holder)

    async def _take_over(self, holder: str) -> None:
        try:
            await self._hooks.take_over(holder, is_first=False)
        except Exception:  # whatever it is: release the store first
            await self._outbox.call(self.ownership.disown)  # another process may be able to take over
            raise
        self._delivers, self.trouble = True, None

    async def _follow(self) -> None:
        seen = self.ownership.seen
        if self.ownership.trouble is not None:
            self._cannot_take_over(self.ownership.trouble)
        elif seen.is_alive:
            self.trouble = None
        elif not self._wants:
            self.trouble = _NOBODY_DELIVERS
        await self._hooks.follow(seen.holder)

    def _cannot_take_over(self, fault: Exception) -> None:
        is_ours = isinstance(fault, SignalpostError)
        trouble = f"This process cannot take over: {fault if is_ours else type(fault).__name__}"
        if trouble != self.trouble:
            if is_ours:
                logger.error("%s", trouble)
            else:
                log_failure("This process cannot take over", fault)
        self.trouble = trouble
