"""The outbox as dispatch uses it: it has told how the store is, and does not give up what must be written."""

import asyncio
from collections.abc import Callable
from typing import Any

from signalpost.delivery.outbox.commands import READING, Answer, Command
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.delivery.store_health import StoreHealth
from signalpost.errors import StoreFailed

STORE_BACKOFF = Backoff(base=0.1, factor=2.0, ceiling=5.0)


class PatientOutbox:
    """An outbox of whose health all lanes together tell."""

    def __init__(self, outbox: Outbox, *, jitter: Callable[[], float], health: StoreHealth) -> None:
        self._outbox = outbox
        self._jitter = jitter
        self._health = health

    async def do(self, command: Command[Answer]) -> Answer:
        """Carry out a command once. Raises StoreFailed, CommandFailed and StoreClosed as the outbox does."""
        try:
            answer = await self._outbox.do(command)
        except StoreFailed as fault:
            self._health.failed(_kind(command), str(fault))
            raise
        self._health.succeeded(_kind(command))
        return answer

    async def insist(self, command: Command[Answer]) -> Answer:
        """Carry out a command, again and again until the store can. Raises StoreClosed.

        Raises CommandFailed at once: a command that fails for a reason of its own would fail for ever.
        """
        failures = 0
        while True:
            try:
                return await self.do(command)
            except StoreFailed:
                failures += 1
                await asyncio.sleep(self.delay(failures))

    def delay(self, failures: int) -> float:
        """Seconds to leave a store alone that has failed so many times in a row."""
        return STORE_BACKOFF.delay(failures, 0.5 + self._jitter() / 2)


def _kind(command: Command[Any]) -> object:
    """What has to succeed after it failed: any look will do, for nobody repeats each of them."""
    return READING if isinstance(command, READING) else type(command)
