"""Retries of the outbox's commands, so that a lane always goes on, and the store's health as these commands see it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from signalpost.delivery.outbox.book import READING
from signalpost.delivery.outbox.commands import (
    Answer,
    Command,
    Namespace,
    SaveFacts,
    Settle,
    SettleAndLease,
    Settlement,
    Subject,
)
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Listener, StoreMoved
from signalpost.errors import CommandFailed, StoreFailed
from signalpost.telemetry.log_queue import logger

_TRIED = Subject("store", Namespace.STORE)
_TRIAL = 1 << 16
"""Bytes of the write that tests the store; a notification writes about 50,000."""
_TRY_EVERY = 60.0
STORE_BACKOFF = Backoff(base=0.1, factor=2.0, ceiling=5.0)

Write = Callable[[Settle], Awaitable[list[Delivery]]]


class StoreHealth:
    """Reports once that the store fails, and once that it works again. Shared by all who use the store.

    It works again once every kind of command that failed has succeeded: on a full disk, most reads succeed all the
    time.
    """

    def __init__(self, emit: Listener) -> None:
        self._emit = emit
        self._failed: set[object] = set()

    @property
    def is_well(self) -> bool:
        """Whether the last command of each kind succeeded."""
        return not self._failed

    def failed(self, kind: object, reason: str) -> None:
        """A command of this kind failed."""
        was_well = self.is_well
        self._failed.add(kind)
        if was_well:
            self._emit(StoreMoved(is_well=False, reason=reason))

    def succeeded(self, kind: object) -> None:
        """A command of this kind succeeded."""
        if kind in self._failed:
            self._failed.remove(kind)
            if self.is_well:
                self._emit(StoreMoved(is_well=True))


class RetryingOutbox:
    """An outbox as dispatch uses it: it reports the store's health, and repeats what must be written."""

    def __init__(self, outbox: Outbox, *, jitter: Callable[[], float], health: StoreHealth) -> None:
        self._outbox = outbox
        self._jitter = jitter
        self._health = health

    async def do(self, command: Command[Answer]) -> Answer:
        """Execute a command once. Raises StoreFailed, CommandFailed and StoreClosed like the outbox."""
        try:
            answer = await self._outbox.do(command)
        except StoreFailed as fault:
            self._health.failed(_kind(command), str(fault))
            raise
        self._health.succeeded(_kind(command))
        return answer

    async def insist(self, command: Command[Answer]) -> Answer:
        """Execute a command, and repeat it until the store works. Raises StoreClosed.

        Raises CommandFailed at once: a command that itself is the cause would always fail.
        """
        failures = 0
        while True:
            try:
                return await self.do(command)
            except StoreFailed:
                failures += 1
                await asyncio.sleep(self.delay(failures))

    def delay(self, failures: int) -> float:
        """Seconds to wait after this number of failures in a row."""
        return STORE_BACKOFF.delay(failures, 0.5 + self._jitter() / 2)


async def try_store(outbox: Outbox) -> None:
    """Test the store with a write that is larger than a notification, then shrink it again. Raises StoreFailed.

    On a full disk, a small write can succeed while notifications still fail.
    """
    for value in (b"1" * _TRIAL, b"1"):
        await outbox.do(SaveFacts(_TRIED, {"tried": value}))


async def watch_store(outbox: Outbox, failed: Callable[[str], None]) -> None:
    """Test the store every minute, so that a full disk is reported even if there is nothing to save."""
    while True:
        await asyncio.sleep(_TRY_EVERY)
        try:
            await try_store(outbox)
        except StoreFailed as fault:
            failed(str(fault))


def _kind(command: Command[Any]) -> object:
    if isinstance(command, SettleAndLease):
        return Settle  # it is repeated as a Settle
    # All reads count as one kind, because they are not repeated one by one.
    return READING if type(command) in READING else type(command)


async def settle_in_parts(write: Write, settle: Settle) -> list[Delivery]:
    """Settle even if a part of a verdict cannot be stored, and return the deliveries as they stand then.

    It tries everything together; then each verdict alone, without facts; then each without its receipt and
    attempt. If all fail, the delivery stays leased, and the next start settles it. Raises what `write` raises, except
    CommandFailed.
    """
    try:
        return await write(settle)
    except CommandFailed:
        return [delivery for each in settle.settlements for delivery in await _settle_alone(write, each)]


async def _settle_alone(write: Write, settlement: Settlement) -> list[Delivery]:
    reason = f"{settlement.state}, but the details of the attempt could not be saved"
    for each in (settlement, settlement._replace(attempt=None, message=None, reason=reason)):
        try:
            return await write(Settle((each,)))
        except CommandFailed:
            continue
    text = "cannot save that delivery %s is %s: it stays leased until the next start settles it"
    logger.error(text, settlement.id, settlement.state)
    return []
