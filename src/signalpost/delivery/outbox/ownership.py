"""Writes the owner's heartbeat, or watches it and takes over when it stops.

Runs in the store thread, between two batches: so a hung disk stops the beat, and no file call blocks the event loop.
Its findings can be read from any thread. See docs/why/0027-an-epoch-fences-the-owner.md.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import NamedTuple

from signalpost.delivery.outbox.heartbeat import Beat, BeatWatch, Heartbeat, read_beat, write_beat
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import SignalpostError, StoreFailed

LOOK_AT_FILES_EVERY = 1.0
TRY_AGAIN_AFTER = 1.0
"""Seconds after a takeover that failed."""


class Seen(NamedTuple):
    """The owner, as seen from another process."""

    process: int = 0
    holder: str = ""
    is_alive: bool = False
    """True if the owner's process exists; it may be frozen."""
    silent_for: float = 0.0
    """Seconds without a beat."""
    idle: float = 0.0
    """Seconds since its event loop last ran, by its last beat."""


class Ownership:
    """This process's part in a store: owner or not.

    With `wants`, it takes over if no owner responds. `now` reads a monotonic clock, from any thread.
    """

    def __init__(self, core: SqliteCore, heartbeat: Heartbeat, *, wants: bool, now: Callable[[], float]) -> None:
        self._core = core
        self._heartbeat = heartbeat
        self._wants = wants
        self._now = now
        self._watch = BeatWatch()
        self._count = 0
        self._looked_at = -inf
        self._tried_at = -inf
        self._not_before = -inf
        self._reported: object = None
        self.loop_ran_at = now()
        """Set by the event loop, about once a second."""
        self.beat_at = now()
        """When this process last wrote its beat, as the owner."""
        self.seen = Seen()
        self.missing = ""
        """The missing file of the store, and what to do; empty if none is missing."""
        self.locked = ""
        """Why the last try to write failed, and what to do; empty if it succeeded."""
        self.trouble: SignalpostError | None = None
        """Why this process could not take over."""

    @property
    def may_send(self) -> bool:
        """True if this process cannot have been replaced, because its last beat is recent enough."""
        return self._now() - self.beat_at < self._heartbeat.send_within

    @property
    def idle(self) -> float:
        """Seconds since this process's own event loop last ran."""
        return max(0.0, self._now() - self.loop_ran_at)

    def tick(self) -> bool:
        """Do the work that is due. Returns True if the event loop has to react."""
        now = self._now()
        if is_due := now - self._looked_at >= LOOK_AT_FILES_EVERY:
            self._looked_at = now
            self.missing = _fault_of(self._core.check_in_place)
        if now - self._tried_at >= self._heartbeat.every:  # an idle process would not notice otherwise
            self._tried_at = now
            self.locked = _fault_of(self._core.try_to_write)
        if self._core.holder is not None:
            self._beat(now)
        else:
            self._look_at_owner(now, is_due=is_due)
        return self._is_news()

    def disown(self) -> None:
        """Leave the store to others for a while, because this process cannot deliver."""
        self._core.disown()
        self._not_before = self._now() + TRY_AGAIN_AFTER

    def _beat(self, now: float) -> None:
        if now - self.beat_at < self._heartbeat.every and self._count:
            return
        with suppress(StoreFailed):  # a failing disk does not mean that the process is frozen
            self._core.look()  # after a freeze this finds the successor, whose beat must not be overwritten
        if self._core.is_deposed:
            return
        self._count += 1
        beat = Beat(self._core.owner.epoch, os.getpid(), self._count, round(self.idle, 1))
        if write_beat(self._core.beat_path, beat):
            self.beat_at = now

    def _look_at_owner(self, now: float, *, is_due: bool) -> None:
        core = self._core
        with suppress(StoreFailed):  # a takeover would fail too
            core.look()
        owner = core.owner
        if is_due or owner.epoch != self._watch.epoch:  # the silence of an earlier owner does not count
            self._watch.look(owner.epoch, read_beat(core.beat_path), now)
        idle = 0.0 if self._watch.last is None else self._watch.last.idle
        self.seen = Seen(owner.process, owner.holder, core.has_live_owner, self._watch.silent_for, idle)
        is_frozen = self._watch.silent_for >= self._heartbeat.take_over_after
        if self.seen.is_alive and not is_frozen:
            self.trouble = None
        can_deliver = self.idle < self._heartbeat.send_within  # else it would own the store without delivering
        if self._wants and can_deliver and now >= self._not_before and (is_frozen or not self.seen.is_alive):
            self.missing = _fault_of(self._core.check_in_place)
            if not self.missing:
                self._take_over(now, over_a_live_one=is_frozen)

    def _take_over(self, now: float, *, over_a_live_one: bool) -> None:
        self._not_before = now + TRY_AGAIN_AFTER
        try:
            self._core.own(over_a_live_one=over_a_live_one)
        except SignalpostError as fault:
            self.trouble = fault
        else:
            self.trouble = None
            if self._core.holder is not None:
                self._count = 0
                self._beat(now)

    def _is_news(self) -> bool:
        seen = self.seen
        now = (self._core.holder, self._core.is_deposed, seen.holder, seen.is_alive, str(self.trouble))
        is_news, self._reported = now != self._reported, now
        return is_news


def _fault_of(work: Callable[[], None]) -> str:
    """Why some work of the store fails, and what to do; empty if it succeeds."""
    try:
        work()
    except StoreFailed as fault:
        return str(fault)
    return ""
