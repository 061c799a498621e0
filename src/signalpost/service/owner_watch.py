"""Which process delivers, as the event loop sees it: begins to deliver, stops, follows another, and reports trouble.

The store thread keeps the heartbeat and finds out what changes (`ownership`); here that is acted upon.
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
from signalpost.telemetry.failures import log_failure
from signalpost.telemetry.log_queue import logger

_NOBODY_DELIVERS = "no process delivers what is put here: start one that has webhooks, such as `signalpost serve`"
_PULSE_EVERY = 1.0
_LOSS_TOLD_FOR = 60.0
"""Seconds for which health reports that another process took over."""


class Hooks(Protocol):
    """Called when the owner changes."""

    async def take_over(self, holder: str, *, is_first: bool) -> None:
        """Begin to deliver as the owner of this name. Raises what keeps it from that; nothing is begun then.

        `is_first` says that this process was the owner from its start.
        """
        ...

    async def give_up(self, successor: int) -> None:
        """Stop delivering, because that process took over."""
        ...

    async def follow(self, holder: str) -> None:
        """Route as the owner of this name does."""
        ...


class OwnerWatch:
    """This process's part in its data folder. Belongs to one event loop; its properties are for any thread."""

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
        self._ownership = Ownership(core, heartbeat, wants=wants, now=monotonic)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._pulse = self._loop.call_soon(self._beat)
        self._task: KeptTask | None = None
        self._delivers = False
        self._lost_at: float | None = None
        self._lost_to = 0
        self.trouble: str | None = None
        """Why nobody delivers what is put here; None where somebody does."""

    @property
    def delivers(self) -> bool:
        """True while this process owns the store and delivers from it."""
        return self._delivers and not self._core.is_deposed

    @property
    def may_send(self) -> bool:
        """True if this process's last heartbeat is young enough to begin a send."""
        return self._ownership.may_send

    @property
    def owner(self) -> Seen:
        """The other process that delivers."""
        return self._ownership.seen

    @property
    def missing(self) -> str:
        """Which file of the store is not there any more, and what to do; empty where all are."""
        return self._ownership.missing

    @property
    def locked(self) -> str:
        """Why this process cannot write to the store, and what to do; empty if it can."""
        return self._ownership.locked

    def begin(self) -> None:
        """Keep the heartbeat, or watch the owner's."""
        self._outbox.keep_up(self._ownership.tick, self._changed.set)

    async def first_look(self) -> None:
        """Deliver if this process owns the store already, else follow the owner; and watch from now on."""
        holder = self._core.holder
        if holder is None:
            await self._follow()
        else:
            try:
                await self._hooks.take_over(holder, is_first=True)
                self._delivers = True
            except OwnershipLost:  # it was frozen meanwhile, and becomes a producer
                self._changed.set()
        self._task = KeptTask("watch", self._watch, self._emit)

    def look(self) -> None:
        """Check soon how the owner routes."""
        self._changed.set()

    async def end(self) -> None:
        """Stop watching. An owner keeps its heartbeat until the store is closed."""
        self._pulse.cancel()
        if self._task is not None:
            await self._task.end()

    def reports(self) -> Iterator[Reason]:
        """What keeps the owner, this process or another, from delivering, in words."""
        idle, seen = self._ownership.idle, self._ownership.seen
        if idle >= self._heartbeat.blocked_after:
            yield Reason(f"The event loop of this process has been blocked for {idle:.0f} s.", "loop-blocked")
        if self.delivers:
            if not self.may_send:
                text = "This process could not write its heartbeat, so it starts no send until it can."
                yield Reason(text, "no-heartbeat")
            return
        if self._lost_at is not None and monotonic() - self._lost_at < _LOSS_TOLD_FOR:
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
            within = f"This process takes over after {self._heartbeat.take_over_after:.0f} s."
            then = within if self._wants else "Resume or restart it."
            text = f"Nothing is delivered: {who} has not responded for {seen.silent_for:.0f} s. {then}"
            yield Reason(text, "owner-silent")
        elif seen.idle >= self._heartbeat.blocked_after:
            text = f"Nothing is delivered: the event loop of {who} has been blocked for {seen.idle:.0f} s."
            yield Reason(text, "owner-blocked")

    def _beat(self) -> None:
        """Note that the event loop runs, which the heartbeat tells others."""
        self._ownership.loop_ran_at = monotonic()
        self._pulse = self._loop.call_later(_PULSE_EVERY, self._beat)

    async def _watch(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._meet_change()
            except OwnershipLost:  # while it took over: that is a change of its own
                self._changed.set()
            except StoreClosed:
                return
            except Exception as fault:  # noqa: BLE001  # nothing else would report it or try again
                self._cannot_take_over(fault)

    async def _meet_change(self) -> None:
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
        except Exception:
            await self._outbox.call(self._ownership.disown)  # others may be able to
            raise
        self._delivers, self.trouble = True, None

    async def _follow(self) -> None:
        seen = self._ownership.seen
        if self._ownership.trouble is not None:
            self._cannot_take_over(self._ownership.trouble)
        elif seen.is_alive:
            self.trouble = None
        elif not self._wants:
            self.trouble = _NOBODY_DELIVERS
        await self._hooks.follow(seen.holder)

    def _cannot_take_over(self, fault: Exception) -> None:
        is_ours = isinstance(fault, SignalpostError)
        trouble = f"this process cannot take over: {fault if is_ours else type(fault).__name__}"
        if trouble != self.trouble:
            if is_ours:
                logger.error("%s", trouble)
            else:
                log_failure("this process cannot take over", fault)
        self.trouble = trouble
